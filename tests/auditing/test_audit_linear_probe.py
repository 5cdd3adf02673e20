from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from toolkit.auditing.linear_probe import LinearProbe, principal_components
from toolkit.errors import DataError

Make = Callable[..., Any]


def direct_scores(probe: LinearProbe, y: np.ndarray) -> np.ndarray:
    """Least squares fold by fold, by the textbook: centre, solve, score the rows left out."""
    Z, out = probe.Z.astype(np.float64), np.empty(len(y))
    for f in np.unique(probe.fold):
        fit, held = probe.fold != f, probe.fold == f
        centre = Z[fit].mean(axis=0)
        A = Z[fit] - centre
        gram = A.T @ A + 1e-3 * len(Z) * np.eye(Z.shape[1])
        out[held] = (Z[held] - centre) @ np.linalg.solve(gram, A.T @ (y[fit] - y[fit].mean()))
    return out


def test_scores_and_correlations_are_those_of_least_squares_fold_by_fold(scenes: Make) -> None:
    X, Y, _, _ = scenes(0, n=150)
    probe = LinearProbe(principal_components(X))
    S, r = probe.scores(Y), probe.correlations(Y)
    for j in range(Y.shape[1]):
        direct = direct_scores(probe, Y[:, j].astype(np.float64))
        assert np.allclose(S[:, j], direct, atol=1e-5)
        assert r[j] == pytest.approx(np.corrcoef(direct, Y[:, j])[0, 1], abs=1e-5)


def test_permuted_statistics_are_those_of_permuted_labels(scenes: Make) -> None:
    X, Y, _, _ = scenes(1, n=120)
    probe = LinearProbe(principal_components(X))
    random = np.random.default_rng(5)
    order, expected = np.argsort(probe.fold, kind="stable"), []
    for _ in range(7):
        dealt = np.empty_like(Y)
        dealt[order] = Y[random.permutation(len(Y))]
        expected.append(probe.correlations(dealt))
    assert np.allclose(probe.permuted(Y, 7, seed=5), expected, atol=1e-5)


def test_a_row_has_no_part_in_its_own_score(scenes: Make) -> None:
    X, Y, _, _ = scenes(2, n=100)
    probe = LinearProbe(principal_components(X))
    before = probe.scores(Y)
    flipped = Y.copy()
    flipped[17] = 1 - flipped[17]
    after = probe.scores(flipped)
    same_fold = probe.fold == probe.fold[17]
    assert np.allclose(before[same_fold], after[same_fold], atol=1e-6)
    assert np.abs(before[~same_fold] - after[~same_fold]).max() > 1e-3


def test_unrelated_labels_score_neither_above_nor_below_chance() -> None:
    # a held-out row's class must not show in the mean of the rest, as it does in naive pooling
    random = np.random.default_rng(0)
    probe = LinearProbe(random.normal(size=(60, 8)))
    labels = (np.arange(60) < 20)[:, None]
    null = probe.permuted(labels, 2000)
    assert abs(null.mean()) < 0.15 * null.std()
    naive = []
    for _ in range(200):
        y = random.permutation(labels[:, 0])
        rest = np.array([y[probe.fold != f].mean() for f in probe.fold])
        naive.append(np.corrcoef(direct_scores(probe, y.astype(float)) + rest, y)[0, 1])
    assert np.mean(naive) < 2 * null.mean() < 0


def test_one_class_columns_have_correlation_zero() -> None:
    random = np.random.default_rng(0)
    probe = LinearProbe(random.normal(size=(40, 4)))
    Y = np.stack([np.zeros(40), np.ones(40), np.arange(40) % 2], axis=1)
    found = probe.correlations(Y)
    assert np.abs(found[:2]).max() == 0
    assert found[2] != 0


def test_components_are_white_and_drop_what_does_not_vary() -> None:
    random = np.random.default_rng(0)
    X = np.hstack([random.normal(size=(200, 5)) * [5, 4, 3, 2, 1], np.ones((200, 20))])
    Z = principal_components(X, components=64)
    assert Z.shape == (200, 5)
    assert np.allclose(Z.T @ Z / 200, np.eye(5), atol=1e-3)


def test_scores_from_outside_use_the_given_rows_only(scenes: Make) -> None:
    X, Y, _, _ = scenes(3, n=200)
    probe = LinearProbe(principal_components(X))
    fit = np.arange(100)
    changed = Y.copy()
    changed[100:] = 1 - changed[100:]
    assert np.array_equal(probe.scores_from(Y, fit), probe.scores_from(changed, fit))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((9, 3)), "10 or more"),
        (np.zeros(30), "one row an image"),
        (np.zeros((30, 3)), "alike"),
        (np.full((30, 3), np.nan), "not finite"),
    ],
)
def test_embeddings_that_cannot_be_audited_are_refused(X: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        principal_components(X)
