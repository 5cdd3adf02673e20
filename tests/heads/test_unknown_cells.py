"""A cell of -1 is unknown: no head learns from it, and none is shaken by it."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from toolkit.heads.head import OneClassWarning, OneVsRestHead
from toolkit.heads.lightgbm import LightGBMHead
from toolkit.heads.linear import LinearHead
from toolkit.heads.mlp import MLPHead
from toolkit.heads.multitask import MultitaskHead
from toolkit.statistics.metrics import average_precision

NETWORK: dict[str, Any] = {"epochs": 12, "device": "cpu", "precision": "fp32"}
HEADS = {
    "linear": LinearHead(Cs=[0.001, 0.1]),
    "linear by precision": LinearHead(Cs=[0.001, 0.1], criterion="average_precision"),
    "balanced": LinearHead(Cs=[0.01], class_weight="balanced"),
    "mlp": MLPHead(hidden=8, early_stopping=True, **NETWORK),
    "lightgbm": LightGBMHead(n_estimators=10, n_jobs=1, early_stopping=3),
    "multitask": MultitaskHead(hidden=16, tasks=("cardinality", "any"), **NETWORK),
}


def planted(n: int = 400, hidden: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X, labels that follow from it, and the same with cells hidden at random."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 12)).astype(np.float32)
    Y = (X[:, :3] + 0.5 * rng.normal(size=(n, 3)) > [0.0, 0.5, 1.0]).astype(np.int8)
    return X, Y, np.where(rng.random(Y.shape) < hidden, np.int8(-1), Y)


@pytest.fixture(params=HEADS, ids=str)
def head(request: pytest.FixtureRequest) -> OneVsRestHead:
    head: OneVsRestHead = clone(HEADS[request.param])
    return head


def test_it_is_a_cell_without_weight(head: OneVsRestHead) -> None:
    X, Y, part = planted()
    weight = (part >= 0).astype(np.float32)
    found = clone(head).fit(X, part).predict_proba(X)
    np.testing.assert_array_equal(clone(head).fit(X, Y, weight).predict_proba(X), found)
    lies = np.where(part < 0, 1 - Y, Y)
    np.testing.assert_array_equal(clone(head).fit(X, lies, weight).predict_proba(X), found)


def test_half_the_cells_teach_nearly_as_much_as_all_and_more_than_taken_for_no(
    head: OneVsRestHead,
) -> None:
    X, Y, part = planted(800)
    seen, new = slice(0, 400), slice(400, None)
    of = {}
    for name, labels in (("all", Y), ("half", part), ("no", np.maximum(part, 0))):
        of[name] = clone(head).fit(X[seen], labels[seen]).predict_proba(X[new])
    ap = {name: average_precision(Y[new], scores).mean() for name, scores in of.items()}
    assert ap["half"] > ap["all"] - 0.08
    if head.get_params().get("class_weight") is not None:
        return
    # taken for no, half the cells halve the probabilities
    rate = {name: scores.mean() / Y[new].mean() for name, scores in of.items()}
    assert abs(rate["half"] - 1) < abs(rate["no"] - 1)


def test_labels_with_one_class_or_none_among_known_cells(head: OneVsRestHead) -> None:
    X, _, part = planted()
    part[:, 1] = np.where(part[:, 1] == 1, 1, -1)
    part[:, 2] = -1
    with pytest.warns(OneClassWarning, match="one class"):
        fitted = head.fit(X, part)
    np.testing.assert_array_equal(fitted.constant_, [np.nan, 1, 0.5])
    scores = fitted.predict_proba(X)
    assert (scores[:, 1:] == [1, 0.5]).all()


def test_minus_one_for_no_is_not_taken_for_unknown(head: OneVsRestHead) -> None:
    X, Y, _ = planted()
    with pytest.raises(ValueError, match=r"expected 0 for no and -1 for unknown, found -1 and no"):
        head.fit(X, 2 * Y - 1)
