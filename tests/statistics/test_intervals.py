from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from toolkit.errors import DataError
from toolkit.statistics import intervals, metrics, resampling

Array = np.ndarray[Any, np.dtype[Any]]


def draw(
    rng: np.random.Generator, rows: int, labels: int = 3, skill: float = 2.0
) -> tuple[Array, Array]:
    """Labels with prevalences from 0.1 to 0.5 and scores that know them to a degree."""
    Y = (rng.random((rows, labels)) < np.linspace(0.1, 0.5, labels)).astype(np.uint8)
    noise = rng.standard_normal((rows, labels))
    return Y, 1 / (1 + np.exp(-(skill * (Y - 0.5) + noise)))


def differences(
    Y: Any, a: Any, b: Any, at: Any = 0.5, other: Any = 0.5, resamples: int = 1000
) -> dict[str, intervals.PairedDifference]:
    """How much better scores a are than b, metric by metric."""
    points = [metrics.score(Y, S, cut).metrics for S, cut in ((a, at), (b, other))]
    draws = [
        resampling.draw_metrics(Y, S, cut, resamples=resamples).metrics
        for S, cut in ((a, at), (b, other))
    ]
    return {
        name: intervals.paired_difference(
            points[0][name], points[1][name], draws[0][name] - draws[1][name]
        )
        for name in metrics.METRICS
    }


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([1, 3, 1000]), st.booleans())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_weighting_the_rows_is_scoring_the_repeated_rows(
    seed: int, rows: int, levels: int, whole: bool
) -> None:
    rng = np.random.default_rng(seed)
    Y = (rng.random((rows, 2)) < 0.4).astype(np.uint8)
    S = rng.integers(0, levels + 1, (rows, 2)) / levels
    counts = rng.integers(0, 4, (3, rows))
    weights = counts if whole else counts.astype(np.float64)
    ap, area = resampling.WeightedRanking(Y, S)(weights)
    for resample in range(3):
        drawn = np.repeat(np.arange(rows), counts[resample])
        np.testing.assert_allclose(ap[resample], metrics.average_precision(Y[drawn], S[drawn]))
        np.testing.assert_allclose(
            area[resample], metrics.auroc(Y[drawn], S[drawn]), rtol=1e-6, atol=1e-7
        )


def test_fractional_weights_are_scikit_learns_sample_weights() -> None:
    rng = np.random.default_rng(1)
    Y, S = draw(rng, 80)
    S = S.round(1)
    weights = rng.random((2, 80))
    ap, area = resampling.WeightedRanking(Y, S)(weights)
    for i, w in enumerate(weights):
        for label in range(3):
            sample = {"sample_weight": w}
            expected = average_precision_score(Y[:, label], S[:, label], **sample)
            assert ap[i, label] == pytest.approx(expected)
            assert area[i, label] == pytest.approx(
                roc_auc_score(Y[:, label], S[:, label], **sample)
            )


def test_resamples_depend_on_seed_and_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.vstack(list(resampling.resample_counts(30, 20, seed=4)))
    assert (whole.sum(axis=1) == 30).all()
    monkeypatch.setattr(resampling, "_FEWEST_DRAWN", 1)
    monkeypatch.setattr(resampling, "_CHUNK_CELLS", 90)
    parts = list(resampling.resample_counts(30, 20, seed=4))
    assert len(parts) == 7
    np.testing.assert_array_equal(np.vstack(parts), whole)
    assert (np.vstack(list(resampling.resample_counts(30, 20, seed=5))) != whole).any()


def test_draws_are_those_of_resampled_and_rescored_rows() -> None:
    Y, S = draw(np.random.default_rng(2), 60)
    Y[:, 0] = 0
    Y[:2, 0] = 1  # often absent from a resample, which then must leave it out
    found = resampling.draw_metrics(Y, S, 0.4, resamples=40, seed=9).metrics
    rescored = []
    for counts in np.vstack(list(resampling.resample_counts(60, 40, seed=9))):
        drawn = np.repeat(np.arange(60), counts)
        rescored.append(metrics.score(Y[drawn], S[drawn], 0.4).metrics)
    assert any(row["map"] is not None for row in rescored)
    for name in metrics.METRICS:
        values = np.array([row[name] for row in rescored], dtype=float)
        np.testing.assert_allclose(found[name], values, atol=1e-6)


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_intervals_hold_the_point_and_widen_with_confidence(seed: int) -> None:
    Y, S = draw(np.random.default_rng(seed), 300)
    point = metrics.score(Y, S).metrics
    wide = intervals.bootstrap_metrics(Y, S, resamples=200)
    narrow = intervals.bootstrap_metrics(Y, S, resamples=200, confidence=0.5)
    assert set(wide) == set(metrics.METRICS)
    for name, interval in wide.items():
        inner, value = narrow[name], point[name]
        assert interval is not None
        assert inner is not None
        assert value is not None
        assert interval[0] <= value <= interval[1]
        assert interval[0] <= inner[0] <= inner[1] <= interval[1]


def test_ninety_five_percent_intervals_hold_the_truth_about_that_often() -> None:
    rng = np.random.default_rng(11)
    truth = metrics.score(*draw(rng, 200_000)).metrics
    held = dict.fromkeys(metrics.METRICS, 0)
    for _ in range(150):
        found = intervals.bootstrap_metrics(*draw(rng, 250), resamples=200)
        for name, interval in found.items():
            value = truth[name]
            assert interval is not None
            assert value is not None
            held[name] += interval[0] <= value <= interval[1]
    # 150 samples of a 95 % interval: 0.95 +- 3 deviations is 0.90 to 1
    for name, count in held.items():
        assert 0.89 <= count / 150 <= 0.999, name


def test_identical_systems_differ_by_0_with_p_1() -> None:
    Y, S = draw(np.random.default_rng(3), 100)
    for found in differences(Y, S, S.copy(), resamples=50).values():
        assert found == intervals.PairedDifference(0.0, 0.0, 0.0, 1.0)


def test_a_difference_is_paired_signed_and_found() -> None:
    rng = np.random.default_rng(4)
    Y, S = draw(rng, 400)
    worse = np.clip(S + 0.15 * rng.standard_normal(S.shape), 0, 1)
    there = differences(Y, S, worse, resamples=300)["map"]
    back = differences(Y, worse, S, resamples=300)["map"]
    assert there.difference is not None
    assert there.low is not None
    assert there.high is not None
    assert there.p is not None
    assert 0 < there.low < there.difference < there.high
    # 300 resamples cannot show a p below 2 / 301, and never 0
    assert 2 / 301 <= there.p < 0.02
    assert back.p == there.p
    assert back.low == pytest.approx(-there.high)
    assert back.high == pytest.approx(-there.low)
    alone = [intervals.bootstrap_metrics(Y, s, resamples=300)["map"] for s in (S, worse)]
    assert all(i is not None and there.high - there.low < i[1] - i[0] for i in alone)


def test_each_system_is_decided_at_its_own_thresholds() -> None:
    Y, S = draw(np.random.default_rng(5), 100)
    found = differences(Y, S, S / 2, 0.5, [0.25] * 3, resamples=30)
    assert found["macro_f1"].difference == 0.0
    assert differences(Y, S, S / 2, resamples=30)["macro_f1"].p != 1.0


def test_noise_alone_is_called_a_difference_about_one_time_in_twenty() -> None:
    rng = np.random.default_rng(6)
    called = 0
    for _ in range(150):
        Y, S = draw(rng, 200)
        other = 1 / (1 + np.exp(-(2.0 * (Y - 0.5) + rng.standard_normal(Y.shape))))
        p = differences(Y, S, other, resamples=200)["micro_f1"].p
        called += p is not None and p <= 0.05
    assert 1 <= called <= 17


def test_what_is_undefined_has_no_interval_and_no_difference() -> None:
    Y, S = np.zeros((20, 2), np.uint8), np.full((20, 2), 0.7)
    assert intervals.bootstrap_metrics(Y, S, resamples=10)["map"] is None
    assert intervals.bootstrap_metrics(Y, S, resamples=10)["accuracy"] == (0.0, 0.0)
    found = differences(Y, S, S, resamples=10)
    assert found["map"] == intervals.PairedDifference(None, None, None, None)
    assert found["accuracy"].p == 1.0


def test_holm_is_the_worked_example_in_any_order() -> None:
    # smallest first: 5 x 0.001, 4 x 0.01, 3 x 0.02 = 0.06, 2 x 0.025 raised to 0.06, 1 x 0.9
    p, adjusted = [0.001, 0.01, 0.02, 0.025, 0.9], [0.005, 0.04, 0.06, 0.06, 0.9]
    assert intervals.holm(p) == pytest.approx(adjusted)
    assert intervals.holm(p[::-1]) == pytest.approx(adjusted[::-1])
    with_gap = intervals.holm([0.02, float("nan"), 0.01])
    assert with_gap == pytest.approx([0.02, float("nan"), 0.02], nan_ok=True)
    assert intervals.holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(derandomize=True)
def test_holm_keeps_order_never_lowers_and_never_passes_bonferroni(p: list[float]) -> None:
    adjusted = intervals.holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_the_corrected_variance_grows_with_the_share_of_test_rows() -> None:
    values = [0.70, 0.72, 0.69, 0.74]
    usual = np.var(values, ddof=1) / 4
    assert intervals.corrected_variance(values, 10**9, 1) == pytest.approx(usual)
    assert intervals.corrected_variance(values, 3, 1) == pytest.approx(usual * (1 + 4 / 3))


def test_the_corrected_t_test_is_students_where_nothing_needs_correcting() -> None:
    from scipy.stats import ttest_1samp

    values = [0.01, 0.03, -0.02, 0.04, 0.02]
    expected = ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    found = intervals.corrected_mean(values, 10**12, 1)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    corrected = intervals.corrected_mean(values, 80, 20)
    assert corrected.p > found.p
    assert corrected.high - corrected.low > found.high - found.low


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.5, 0.0)])
def test_splits_that_all_agree_leave_no_doubt(value: float, p: float) -> None:
    found = intervals.corrected_mean([value] * 3, 80, 20)
    assert (found.mean, found.low, found.high, found.p) == (value, value, value, p)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: intervals.bootstrap_metrics([[1]], [[0.5]], resamples=0), "one or more"),
        (lambda: intervals.bootstrap_metrics([[1]], [[0.5]], confidence=95), "between 0 and 1"),
        (lambda: intervals.bootstrap_metrics([[1]], [[0.5], [0.1]]), "same rows"),
        (lambda: resampling.WeightedRanking([[1]], [[0.5]])([[1, 1]]), "one column"),
        (lambda: resampling.WeightedRanking([[1]], [[0.5]])([[-1]]), "negative"),
        (lambda: intervals.holm([1.5]), "p-values"),
        (lambda: intervals.corrected_variance([0.5], 8, 2), "two or more"),
        (lambda: intervals.corrected_variance([0.5, 0.6], 0, 2), "sizes used"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_remedy(call: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        call()


def test_a_mean_over_labels_with_too_few_positives_has_no_interval_but_says_why() -> None:
    rng = np.random.default_rng(5)
    Y, S = draw(rng, 300)
    Y[:, 0] = 0
    Y[:3, 0] = 1
    weighted = resampling.Weighted(Y, S, metrics.binarize(S))
    drawn = weighted.draw(200, 0)
    found = intervals.metric_intervals(weighted, drawn, ["rare", "b", "c"])
    assert found.ci["map"] is None
    assert found.ci["accuracy"] is not None
    assert "fewer than 5 positives: rare (3)" in found.note
    rest = found.supported["map"]
    assert rest["labels"] == 2
    assert rest["value"] == pytest.approx(metrics.mean_average_precision(Y[:, 1:], S[:, 1:]))
    assert rest["ci"][0] <= rest["value"] <= rest["ci"][1]
    ap = weighted.point().ap[0]
    assert intervals.label_interval(ap[0], drawn.ap[:, 0], 3) is None
    pair = intervals.label_interval(ap[1], drawn.ap[:, 1], int(Y[:, 1].sum()))
    assert pair is not None
    assert 0 < pair[0] <= ap[1] <= pair[1] < 1


def test_intervals_of_rare_labels_hold_the_population_s_value() -> None:
    """Percentiles lie above it: average precision on few positives flatters, twice in resamples."""
    rng = np.random.default_rng(1)
    skill = 1.5
    y = rng.random((300_000, 1)) < 0.04
    truth = float(metrics.average_precision(y, rng.normal(size=y.shape) + skill * y)[0])
    held = below = 0
    for seed in range(60):
        Y = rng.random((200, 6)) < 0.04
        S = 1 / (1 + np.exp(-(rng.normal(size=Y.shape) + skill * Y)))
        weighted = resampling.Weighted(Y, S, metrics.binarize(S))
        drawn = weighted.draw(150, seed)
        enough = weighted.supported("map")
        if not enough.any():
            continue
        mean = float(weighted.point().supported["map"][0])
        low, high = intervals.corrected_interval(mean, drawn.supported["map"]) or (0, 0)
        held += low <= truth <= high
        below += truth < (intervals.percentile_interval(drawn.supported["map"]) or (0, 0))[0]
    assert held >= 49  # 0.90 of 60, and two deviations
    assert below > 60 - held
