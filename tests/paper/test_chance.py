from __future__ import annotations

import numpy as np
import pytest

from toolkit.paper import chance
from toolkit.paper import results as paper
from toolkit.statistics import metrics

P = np.array(list(paper.POSITIVES.values())) / paper.IMAGES


def test_blind_scores_are_what_a_simulated_blind_predictor_scores() -> None:
    rng = np.random.default_rng(0)
    rates = np.linspace(0.05, 0.9, 14)
    Y = (rng.random((60_000, 14)) < P).astype(np.uint8)
    B = (rng.random(Y.shape) < rates).astype(np.uint8)
    expected = chance.blind_scores(P, rates)
    assert metrics.hamming_accuracy(Y, B) == pytest.approx(expected.accuracy, abs=0.003)
    assert metrics.macro_precision(Y, B) == pytest.approx(expected.macro_precision, abs=0.003)
    assert metrics.macro_recall(Y, B) == pytest.approx(expected.macro_recall, abs=0.02)


def test_always_no_is_one_minus_the_mean_prevalence_and_finds_nothing() -> None:
    assert chance.always_no(P) == pytest.approx((1 - P.mean(), 0.0, 0.0))
    assert round(chance.always_no(P).accuracy, 4) == 0.9278


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_the_implied_rate_undoes_the_expected_accuracy(rate: float) -> None:
    accuracy = chance.blind_scores(P, rate).accuracy
    assert chance.implied_rate(accuracy, P) == pytest.approx(rate)
    assert chance.implied_rate(0.99, P) == 0.0


def simulated(
    rng: np.random.Generator, rates: np.ndarray, recall: float | None = None
) -> tuple[float, float, float]:
    """Accuracy, macro precision and recall on 2,000 images of a predictor, blind or not."""
    Y = rng.random((2000, 14)) < P
    chance = rng.random(Y.shape)
    B = chance < (rates if recall is None else np.where(Y, recall, rates))
    precision, found, _ = metrics.precision_recall_f1(Y, B)
    return (
        metrics.hamming_accuracy(Y, B),
        float(metrics.defined_mean(precision)),
        float(metrics.defined_mean(found)),
    )


@pytest.mark.parametrize("tilt", [0.0, 0.7])
def test_a_blind_predictor_is_told_from_chance_at_most_about_as_often_as_alpha(
    tilt: float,
) -> None:
    rng = np.random.default_rng(1)
    rates = 0.3 * (P / P.max()) ** tilt
    p = np.array([chance.chance_p_values(*simulated(rng, rates), draws=250)[1] for _ in range(120)])
    # the largest p over a family of predictors errs on the careful side; 120 draws at 0.1 or
    # less stay below 0.19 but for one time in a thousand, and p must not be large always either
    assert (p <= 0.1).mean() <= 0.19
    assert (p <= 0.5).mean() >= 0.1


def test_a_predictor_of_precision_one_half_is_told_from_chance() -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        accuracy, precision, recall = simulated(rng, P / (1 - P) / 2, recall=0.5)
        assert precision == pytest.approx(0.5, abs=0.05)
        low, high = chance.chance_p_values(accuracy, precision, recall, (0.00005, 0.005))
        assert low <= high <= 0.002
    # and a modest one, at twice the precision of chance with as many positives as row 6
    modest = simulated(rng, np.full(14, 0.2), recall=0.45)
    assert chance.chance_p_values(*modest, (0.00005, 0.005))[1] <= 0.002


def test_rounding_widens_the_bounds_and_never_moves_them_apart_from_the_exact_p() -> None:
    exact = chance.chance_p_values(0.776, 0.078, 0.20)
    assert exact[0] == exact[1]
    low, high = chance.chance_p_values(0.776, 0.078, 0.20, (0.00005, 0.005))
    assert low < exact[0] < high


def test_one_labels_figures_are_tested_against_its_prevalence() -> None:
    # 0.30 is below the 0.32 of images that show people; 0.50 on as many predictions is not
    assert chance.label_chance_p_value("people", 0.30, 0.11) > 0.5
    assert chance.label_chance_p_value("people", 0.50, 0.18) < 0.001


def test_the_analysis_covers_the_21_rows_and_tells_none_from_chance() -> None:
    found = chance.chance_analysis()
    assert [row.key for row in found] == [key for key in paper.RESULTS if key.startswith("table")]
    for row in found:
        assert 0 < row.p_low <= row.p_high <= 1
        assert row.holm_low >= row.p_low
        assert row.holm_high >= row.p_high
        assert row.blind.accuracy == pytest.approx(paper.RESULTS[row.key].accuracy, abs=1e-9)
        assert row.verdict() != "above chance"
    # only if its 0.08 was printed for 0.085 would the chosen model stand out
    assert [row.key for row in found if row.verdict() == "hidden by rounding"] == ["table3/6"]
    assert [row.verdict(alpha=0.001) for row in found] == ["like chance"] * 21


@pytest.mark.parametrize(
    ("holm_low", "holm_high", "verdict"),
    [(0.01, 0.04, "above chance"), (0.01, 0.2, "hidden by rounding"), (0.3, 0.9, "like chance")],
)
def test_a_verdict_needs_both_ends_of_the_rounding(
    holm_low: float, holm_high: float, verdict: str
) -> None:
    blind = chance.always_no(P)
    row = chance.ChanceComparison("k", 0.1, blind, 0.001, 0.001, holm_low, holm_high)
    assert row.verdict() == verdict
