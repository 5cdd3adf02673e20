"""Small logistic regressions against independent solvers."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from toolkit.ensembles import newton
from toolkit.ensembles.newton import solve_small

RNG = np.random.default_rng(0)
N, D = 300, 4
X = RNG.normal(size=(N, D)) @ RNG.normal(size=(D, D))
Y = (RNG.random(N) < 1 / (1 + np.exp(-(X[:, 0] - X[:, 1] - 0.5)))).astype(np.uint8)
FOLD = np.arange(N) % 3
KEEP = np.array([[True, True, True], [False, True, True], [True, False, False]])


def objective(theta: np.ndarray, rows: np.ndarray, C: float, m: np.ndarray, s: np.ndarray) -> float:
    z = X[rows] @ theta[:-1] + theta[-1]
    loss = np.logaddexp(0, z) - Y[rows] * z
    return float(0.5 * ((s * (theta[:-1] - m)) ** 2).sum() + C * loss.sum())


@pytest.mark.parametrize("C", [1e-3, 1.0, 100.0])
def test_every_problem_is_scikit_learns(C: float) -> None:
    found = solve_small(
        X, Y, FOLD, KEEP, np.full(3, C), prior=np.zeros(D), scale=np.ones(D), tol=1e-13
    )
    for problem, keep in enumerate(KEEP):
        rows = keep[FOLD]
        want = LogisticRegression(C=C, tol=1e-10, max_iter=1000).fit(X[rows], Y[rows])
        np.testing.assert_allclose(found.coef[problem], want.coef_[0], atol=2e-4)
        np.testing.assert_allclose(found.intercept[problem], want.intercept_[0], atol=2e-4)


def test_signs_hold_at_the_constrained_minimum() -> None:
    m, s = np.full(D, 0.2), np.array([1.0, 2.0, 0.5, 1.0])
    bounded = np.array([True, True, False, True])
    found = solve_small(
        X, Y, FOLD, KEEP, np.full(3, 1.0), prior=m, scale=s, nonnegative=bounded, tol=1e-13
    )
    assert (found.coef[:, bounded] >= 0).all()
    limits = [(0, None) if each else (None, None) for each in bounded] + [(None, None)]
    for problem, keep in enumerate(KEEP):
        rows = keep[FOLD]
        best = minimize(
            objective, np.zeros(D + 1), args=(rows, 1.0, m, s), bounds=limits, tol=1e-12
        )
        ours = np.r_[found.coef[problem], found.intercept[problem]]
        assert objective(ours, rows, 1.0, m, s) <= best.fun + 1e-6
    free = solve_small(X, Y, FOLD, KEEP, np.full(3, 1.0), prior=m, scale=s)
    assert (free.coef[:, bounded] < 0).any()  # else the bounds would not have been tried


def test_blocks_of_rows_have_the_same_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    how: dict[str, Any] = {"prior": np.zeros(D), "scale": np.ones(D), "tol": 1e-13}
    how["nonnegative"] = np.array([True, False, False, True])
    few = solve_small(X, Y, FOLD, KEEP, np.full(3, 1.0), **how)
    monkeypatch.setattr(newton, "_CELLS", 100)
    many = solve_small(X, Y, FOLD, KEEP, np.full(3, 1.0), **how)
    np.testing.assert_allclose(many.coef, few.coef, atol=1e-9)
    np.testing.assert_allclose(many.intercept, few.intercept, atol=1e-9)


def test_one_class_leaves_the_prior() -> None:
    y = np.where(FOLD == 0, Y, 0)
    found = solve_small(X, y, FOLD, KEEP, np.ones(3), prior=np.full(D, 0.25), scale=np.ones(D))
    assert found.fitted.tolist() == [True, False, True]
    np.testing.assert_array_equal(found.coef[1], 0.25)
    assert found.intercept[1] == 0


def test_separable_columns_and_blocks_end_finite() -> None:
    wide = np.vstack([X] * 40)  # more than one block of rows
    y = np.tile((X[:, 0] > 0).astype(np.uint8), 40)
    found = solve_small(
        wide, y, np.tile(FOLD, 40), KEEP, np.full(3, 1e3), prior=np.zeros(D), scale=np.ones(D)
    )
    assert np.isfinite(found.coef).all()
    agree = ((wide @ found.coef[0] + found.intercept[0] > 0) == y).mean()
    assert agree > 0.99


def test_without_intercept_there_is_none() -> None:
    found = solve_small(
        X,
        Y,
        FOLD,
        KEEP,
        np.ones(3),
        prior=np.zeros(D),
        scale=np.ones(D),
        intercept=False,
        tol=1e-13,
    )
    assert (found.intercept == 0).all()
    want = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10).fit(X, Y)
    np.testing.assert_allclose(found.coef[0], want.coef_[0], atol=2e-4)
