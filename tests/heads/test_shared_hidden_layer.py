"""One hidden layer for many labels: when it is taken, and that each label learns from it."""

from typing import Any

import numpy as np
import pytest

from tests.heads.test_mlp import Arrays, small
from tests.heads.test_mlp import problem as problem
from toolkit.heads.mlp import MLPHead
from toolkit.statistics.metrics import average_precision


def test_many_labels_share_a_hidden_layer_and_few_do_not() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 12)).astype(np.float32)
    Y = (X @ random.normal(size=(12, 65)) > 0).astype(np.uint8)
    options: list[tuple[dict[str, Any], int]] = [
        ({}, 64),
        ({}, 65),
        ({"trunk": "each"}, 65),
        ({"trunk": "shared"}, 5),
    ]
    widths = [
        small(**how).fit(X, Y[:, :labels]).networks_[0]["first"].shape[1] for how, labels in options
    ]
    assert widths == [64 * 8, 8 * 4 * 7, 65 * 8, 8 * 4 * 3]


@pytest.mark.parametrize("labels", [1, 3])
def test_a_shared_hidden_layer_learns_each_label(problem: Arrays, labels: int) -> None:
    X, Y = problem
    Y = Y[:, :labels]
    head = small(trunk="shared", epochs=40, early_stopping=True).fit(X[:200], Y[:200])
    own = average_precision(Y[200:], head.predict_proba(X[200:]))
    assert (own > 1.3 * Y[200:].mean(0)).all()
    assert np.ptp(head.epochs_) == 0  # one layer has one best epoch
    again = MLPHead().restore(head.state())
    assert again.predict_proba(X).tobytes() == head.predict_proba(X).tobytes()
