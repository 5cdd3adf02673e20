"""Unknown cells in training: ignored, taken for no, or no where they are hardly yes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toolkit as tk
from toolkit.errors import DataError, UsageError
from toolkit.heads.partial_labels import FREQUENT, UNKNOWN, check_unknown, selective_weights
from toolkit.heads.registry import make_head
from toolkit.members.cross_fit import cross_fit

Problem = tuple[np.ndarray, np.ndarray, np.ndarray]
FAST: dict[str, dict[str, Any]] = {
    "linear": {"Cs": [0.01]},
    "lightgbm": {"n_estimators": 5, "n_jobs": 1},
    "mlp": {"hidden": 4, "epochs": 2, "device": "cpu", "precision": "fp32"},
}


@pytest.fixture(scope="module")
def problem() -> Problem:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(260, 6)).astype(np.float32)
    Y = (X[:, :3] + 0.5 * rng.normal(size=(260, 3)) > [1.8, 0.5, 1.6]).astype(np.int8)
    fold = np.where(np.arange(260) < 240, np.arange(260) % 3, -1)
    return X, Y, fold


def part(Y: np.ndarray) -> np.ndarray:
    hidden = np.random.default_rng(1).random(Y.shape) < 0.4
    return np.where(hidden, -1, Y).astype(np.int8)


@pytest.mark.parametrize("name", FAST)
def test_with_nothing_unknown_the_choice_changes_no_bit(name: str, problem: Problem) -> None:
    X, Y, fold = problem
    head = make_head(name, **FAST[name])
    found = [cross_fit(head, X, Y, fold, unknown=each).scores for each in UNKNOWN]
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


@pytest.mark.parametrize("name", FAST)
def test_each_choice_is_what_it_says(name: str, problem: Problem) -> None:
    X, Y, fold = problem
    head, given = make_head(name, **FAST[name]), part(Y)
    found = {each: cross_fit(head, X, given, fold, unknown=each).scores for each in UNKNOWN}
    no = cross_fit(head, X, np.maximum(given, 0), fold).scores
    np.testing.assert_array_equal(found["negative"], no)
    assert not np.array_equal(found["selective"], found["ignore"])
    assert not np.array_equal(found["selective"], found["negative"])
    # what is taken for no lowers scores
    assert found["negative"].mean() < found["selective"].mean()


@pytest.mark.parametrize("name", FAST)
def test_labels_of_a_fold_have_no_part_in_its_scores(name: str, problem: Problem) -> None:
    X, Y, fold = problem
    head, given = make_head(name, **FAST[name]), part(Y)
    other = given.copy()
    other[fold == 1] = np.where(given[fold == 1] < 0, 1, 1 - given[fold == 1])
    one, two = (cross_fit(head, X, each, fold, unknown="selective") for each in (given, other))
    np.testing.assert_array_equal(one.scores[fold == 1], two.scores[fold == 1])
    assert not np.array_equal(one.scores[fold == 0], two.scores[fold == 0])


def test_frequent_labels_and_likely_cells_are_ignored_and_others_weigh_their_no() -> None:
    rng = np.random.default_rng(0)
    Y = np.where(rng.random((400, 3)) < 0.5, -1, 0).astype(np.int8)
    P = np.stack([rng.uniform(0.3, 0.9, 400), rng.beta(0.2, 9, 400), np.full(400, 1e-4)], axis=1)
    assert P[:, 1].mean() < FREQUENT
    weight = selective_weights(P, Y)
    assert (weight[Y >= 0] == 1).all()
    assert (weight[:, 0][Y[:, 0] < 0] == 0).all()
    assert (weight[:, 2][Y[:, 2] < 0] > 0.99).all()
    own, ignored = P[:, 1][Y[:, 1] < 0], weight[:, 1][Y[:, 1] < 0] == 0
    kept = weight[:, 1][Y[:, 1] < 0][~ignored]
    np.testing.assert_allclose(kept, 1 - own[~ignored], atol=1e-6)
    # twice as many as are expected are ignored, of all labels together
    expected = P[Y < 0].sum()
    assert (weight == 0).sum() >= np.ceil(2 * expected)
    few = selective_weights(P[:, 1:], Y[:, 1:])
    assert (few == 0).sum() == np.ceil(2 * P[:, 1:][Y[:, 1:] < 0].sum())


def test_given_weights_stay(problem: Problem) -> None:
    X, Y, fold = problem
    given, head = part(Y), make_head("linear", Cs=[0.01])
    weight = np.where(np.arange(len(X)) % 2, 1.0, 0.0)
    other = np.where(weight[:, None] > 0, given, 1)
    one, two = (
        cross_fit(head, X, each, fold, sample_weight=weight, unknown="negative").scores
        for each in (given, other)
    )
    np.testing.assert_array_equal(one, two)


def test_yes_and_unknown_alone_are_refused_unless_unknown_is_no(problem: Problem) -> None:
    X, Y, fold = problem
    only = np.where(Y == 1, 1, -1)
    head = make_head("linear", Cs=[0.01])
    for unknown in ("ignore", "selective"):
        with pytest.raises(DataError, match="unknown='negative'"):
            cross_fit(head, X, only, fold, unknown=unknown)
    found = cross_fit(head, X, only, fold, unknown="negative").scores
    np.testing.assert_array_equal(found, cross_fit(head, X, Y, fold).scores)


def test_a_random_network_has_nothing_to_select_by(tmp_path: Path) -> None:
    check_unknown("negative", "none")
    with pytest.raises(UsageError, match="random network"):
        check_unknown("selective", "none")
    with pytest.raises(UsageError, match="ignore, negative or selective"):
        check_unknown("no")
    for verb in (tk.ovr, tk.finetune):  # before a data set is asked for
        with pytest.raises(UsageError, match="a random network has none to go by"):
            verb("nowhere", unknown="selective", weights="none", artifacts=tmp_path)
    own: dict[str, Any] = {"features": "squeezenet1_0@own.safetensors", "weights": "none"}
    with pytest.raises(UsageError, match="no data set"):
        tk.ovr("nowhere", unknown="selective", artifacts=tmp_path, **own)
