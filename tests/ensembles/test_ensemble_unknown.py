"""Unknown labels: an ensemble learns and is measured as if a label had fewer rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from tests.ensembles.ensemble_fakes import world
from toolkit.ensembles.calibration import METHODS, Calibration
from toolkit.ensembles.fit import fit_ensemble
from toolkit.ensembles.gains import error_correlation, measure_gains
from toolkit.ensembles.greedy import Greedy
from toolkit.ensembles.join import Joined
from toolkit.ensembles.newton import solve_small
from toolkit.ensembles.stack import Stack
from toolkit.ensembles.thresholds import fit_thresholds


@pytest.fixture(scope="module")
def joined() -> Joined:
    return world(300, rates=(0.4, 0.3)).joined(2.0, 1.2, 0.5)


def hidden(joined: Joined, share: float = 0.4, seed: int = 5) -> np.ndarray:
    """The labels, some cells hidden."""
    random = np.random.default_rng(seed)
    return np.where(random.random(joined.Y.shape) < share, -1, joined.Y).astype(np.int8)


@pytest.mark.parametrize("method", METHODS)
def test_calibration_is_that_of_the_rows_where_a_label_is_known(
    joined: Joined, method: str
) -> None:
    Y, S = hidden(joined), 1 / (1 + np.exp(-joined.Z[:, 0]))
    found = Calibration(method)
    scores = found.cross_fit(S, Y, joined.fold)
    for label in range(Y.shape[1]):
        known, column = Y[:, label] >= 0, slice(label, label + 1)
        alone = Calibration(method)
        expected = alone.cross_fit(S[known, column], Y[known, column], joined.fold[known])
        np.testing.assert_array_equal(scores[known, column], expected)
        assert found.method_[label] == alone.method_[0]


def test_thresholds_are_those_of_the_rows_where_a_label_is_known(joined: Joined) -> None:
    Y, S = hidden(joined), 1 / (1 + np.exp(-joined.Z[:, 0]))
    found = fit_thresholds(Y, S, joined.fold, shrinkage=0)
    known = Y[:, 1] >= 0
    alone = fit_thresholds(Y[known, 1:], S[known, 1:], joined.fold[known], shrinkage=0)
    assert found.per_label[1] == alone.per_label[0]


def test_a_stack_solves_the_known_rows_problem(joined: Joined) -> None:
    Y = hidden(joined)
    stack = Stack(strengths=[0.1]).fit(joined.Z, Y, joined.fold)
    for label in range(Y.shape[1]):
        known = Y[:, label] >= 0
        X = joined.Z[:, :, label].astype(np.float64)
        members = X.shape[1]
        solved = solve_small(
            X[known], Y[known, label], np.zeros(known.sum(), int), np.ones((1, 1), bool),
            np.array([0.1]), prior=np.full(members, 1 / members),
            scale=np.full(members, X.mean(axis=1).std()), nonnegative=np.ones(members, bool),
        )  # fmt: skip
        np.testing.assert_allclose(stack.coef_[label], solved.coef[0], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(stack.intercept_[label], solved.intercept[0], rtol=1e-5)


@pytest.mark.parametrize("method", ["mean", "rank", "greedy"])
def test_scores_of_unknown_cells_are_measured_nowhere(joined: Joined, method: str) -> None:
    """All of the evidence: resamples, swaps, calibration, thresholds, correlations."""
    part = replace(joined, Y=hidden(joined))
    fitted = fit_ensemble(part, method)
    unknown = part.Y < 0
    other = replace(
        fitted,
        raw=np.where(unknown, 1 - fitted.raw, fitted.raw),
        scores=np.where(unknown, 0.5, fitted.scores),
    )
    one, two = (measure_gains(part, each, resamples=30).facts() for each in (fitted, other))
    assert one == two


def test_figures_of_a_label_are_scikit_learns_on_its_known_rows(joined: Joined) -> None:
    part = replace(joined, Y=hidden(joined))
    fitted = fit_ensemble(part, "mean", calibration="none")
    gains = measure_gains(part, fitted, resamples=5)
    for at, each in enumerate(gains.labels):
        known = part.Y[:, at] >= 0
        y, s = part.Y[known, at], fitted.raw[known, at]
        assert each["positives"] == y.sum()
        assert each["ap"] == pytest.approx(sk.average_precision_score(y, s))
        assert each["brier"][0] == pytest.approx(sk.brier_score_loss(y, s))
    errors = []
    for at in range(2):
        known = part.Y[:, at] >= 0
        p = 1 / (1 + np.exp(-part.Z[known, :, at].astype(float)))
        errors.append(np.corrcoef((part.Y[known, at, None] - p).T))
    np.testing.assert_allclose(error_correlation(part.Y, part.Z), np.mean(errors, axis=0))


def test_greedy_selects_by_known_cells(joined: Joined) -> None:
    Y = hidden(joined)
    Z = joined.Z.copy()
    Z[:, 0][Y < 0] = np.random.default_rng(0).normal(0, 9, (Y < 0).sum())
    found, other = (Greedy(True, bags=0).fit(each, Y, joined.fold) for each in (joined.Z, Z))
    np.testing.assert_array_equal(found.weights_, other.weights_)


@pytest.mark.parametrize("method", ["stack", "greedy", "auto"])
def test_a_label_without_a_known_yes_or_known_nowhere_fails_nothing(
    joined: Joined, method: str
) -> None:
    for column in (np.where(joined.Y[:, 1] == 1, -1, 0), np.full(len(joined.Y), -1)):
        Y = hidden(joined)
        Y[:, 1] = column
        part = replace(joined, Y=Y)
        fitted = fit_ensemble(part, method)
        assert np.isfinite(fitted.scores).all()
        facts = measure_gains(part, fitted, resamples=5).facts()
        assert facts["labels"][1]["ap"] is None
        assert facts["labels"][0]["ap"] is not None
        assert not [value for value in figures(facts) if np.isnan(value)]


def figures(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [each for item in value for each in figures(item)]
    return [value] if isinstance(value, float) else []


def test_a_label_that_is_unknown_somewhere_changes_nothing_for_others(joined: Joined) -> None:
    """So the paths with and without unknown cells agree, bit for bit."""
    Y = joined.Y.astype(np.int8)
    Y[:3, 1] = -1
    for method in ("mean", "greedy"):
        options: dict[str, Any] = {"per_label": True} if method == "greedy" else {}
        whole = fit_ensemble(joined, method, **options)
        part = fit_ensemble(replace(joined, Y=Y), method, **options)
        np.testing.assert_array_equal(part.scores[:, 0], whole.scores[:, 0])
        np.testing.assert_array_equal(part.raw[:, 0], whole.raw[:, 0])
