from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from toolkit.errors import DataError
from toolkit.statistics import metrics

Array = np.ndarray[Any, np.dtype[Any]]


def draw(seed: int, rows: int, labels: int, levels: int, dtype: str = "f8") -> tuple[Array, Array]:
    """Labels of every prevalence, and scores on a coarse grid, so that many of them tie."""
    rng = np.random.default_rng(seed)
    Y = (rng.random((rows, labels)) < rng.random(labels)).astype(np.uint8)
    S = (rng.integers(0, levels + 1, (rows, labels)) / levels).astype(dtype)
    return Y, S


samples = st.builds(
    draw,
    st.integers(0, 10_000),
    st.integers(1, 60),
    st.integers(2, 4),
    st.sampled_from([1, 2, 5, 1000]),
    st.sampled_from(["f4", "f8"]),
)


def by_label(function: Any, Y: Array, S: Array, defined: Any) -> Array:
    """scikit-learn's figure a label, NaN where ours is to be undefined."""
    return np.array(
        [function(y, s) if ok else np.nan for y, s, ok in zip(Y.T, S.T, defined, strict=True)]
    )


@given(samples)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_average_precision_is_scikit_learns_with_ties(sample: tuple[Array, Array]) -> None:
    Y, S = sample
    expected = by_label(reference.average_precision_score, Y, S, Y.any(axis=0))
    np.testing.assert_allclose(metrics.average_precision(Y, S), expected, atol=1e-12)


@given(samples)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_auroc_is_scikit_learns_with_ties(sample: tuple[Array, Array]) -> None:
    Y, S = sample
    expected = by_label(reference.roc_auc_score, Y, S, Y.any(axis=0) & ~Y.all(axis=0))
    np.testing.assert_allclose(metrics.auroc(Y, S), expected, atol=1e-12)


@given(samples)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_decisions_are_scored_as_scikit_learn_scores_the_labels_with_positives(
    sample: tuple[Array, Array],
) -> None:
    Y, S = sample
    B = metrics.binarize(S)
    some = Y.any(axis=0)
    expected = reference.precision_recall_fscore_support(Y, B, average=None, zero_division=0)
    for ours, theirs in zip(metrics.precision_recall_f1(Y, B), expected[:3], strict=True):
        np.testing.assert_allclose(ours[some], theirs[some])
        assert np.isnan(ours[~some]).all()
    assert metrics.hamming_accuracy(Y, B) == pytest.approx(1 - reference.hamming_loss(Y, B))
    if some.any():
        macro = metrics.macro_precision, metrics.macro_recall, metrics.macro_f1
        for mean, theirs in zip(macro, expected[:3], strict=True):
            assert mean(Y, B) == pytest.approx(theirs[some].mean())
        micro = reference.f1_score(Y, B, average="micro", zero_division=0)
        assert metrics.micro_f1(Y, B) == pytest.approx(micro)


@given(samples)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_log_loss_and_brier_are_scikit_learns(sample: tuple[Array, Array]) -> None:
    Y, S = sample
    always = np.ones(Y.shape[1], dtype=bool)

    def log_loss(y: Array, s: Array) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(reference.log_loss(y, s, labels=[0, 1]))

    np.testing.assert_allclose(
        metrics.log_loss(Y, S), by_label(log_loss, Y, S, always), rtol=1e-5, atol=1e-6
    )
    mixed = Y.any(axis=0) & ~Y.all(axis=0)
    np.testing.assert_allclose(
        metrics.brier(Y, S)[mixed],
        by_label(reference.brier_score_loss, Y, S, mixed)[mixed],
        rtol=1e-5,
    )
    assert metrics.brier([[1, 0]], [[0.5, 0.2]]) == pytest.approx([0.25, 0.04])


def test_calibration_error_without_ties_is_the_definition() -> None:
    rng = np.random.default_rng(3)
    S = rng.permutation(np.linspace(0.01, 0.99, 600)).reshape(300, 2)
    Y = (rng.random((300, 2)) < S**2).astype(np.uint8)
    expected = []
    for y, s in zip(Y.T, S.T, strict=True):
        bins = np.array_split(np.argsort(s), 10)
        expected.append(sum(len(b) / 300 * abs(s[b].mean() - y[b].mean()) for b in bins))
    np.testing.assert_allclose(metrics.calibration_error(Y, S, bins=10), expected)


@given(samples, st.integers(1, 20), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_calibration_error_ignores_row_order_and_is_zero_for_the_base_rate(
    sample: tuple[Array, Array], bins: int, random: Any
) -> None:
    Y, S = sample
    order = list(range(len(Y)))
    random.shuffle(order)
    error = metrics.calibration_error(Y, S, bins)
    np.testing.assert_allclose(metrics.calibration_error(Y[order], S[order], bins), error)
    assert ((error >= 0) & (error <= 1)).all()
    base = np.broadcast_to(Y.mean(axis=0), Y.shape)
    np.testing.assert_allclose(metrics.calibration_error(Y, base, bins), 0, atol=1e-12)
    # more bins can only reveal more
    assert (metrics.calibration_error(Y, S, 1) <= metrics.calibration_error(Y, S, 7) + 1e-12).all()


@given(samples, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_ranking_metrics_see_only_the_order_of_scores_and_no_row_order(
    sample: tuple[Array, Array], random: Any
) -> None:
    Y, S = sample
    order = list(range(len(Y)))
    random.shuffle(order)
    for metric in (metrics.average_precision, metrics.auroc):
        np.testing.assert_allclose(metric(Y[order], (S[order] + 1) ** 3), metric(Y, S))
    np.testing.assert_allclose(metrics.auroc(Y, 1 - S), 1 - metrics.auroc(Y, S), atol=1e-6)


def test_score_has_exactly_the_agreed_keys_and_repeats_the_functions() -> None:
    Y, S = draw(5, 200, 4, 10)
    cut = np.array([0.3, 0.5, 0.6, 0.9])
    B = metrics.binarize(S, cut)
    found = metrics.score(Y, S, cut, labels=["a", "b", "c", "d"])
    assert found.metrics == pytest.approx(
        {
            "accuracy": metrics.hamming_accuracy(Y, B),
            "macro_precision": metrics.macro_precision(Y, B),
            "macro_recall": metrics.macro_recall(Y, B),
            "macro_f1": metrics.macro_f1(Y, B),
            "micro_f1": metrics.micro_f1(Y, B),
            "map": metrics.mean_average_precision(Y, S),
            "auroc": float(np.nanmean(metrics.auroc(Y, S))),
        }
    )
    assert tuple(found.metrics) == metrics.METRICS
    assert list(found.per_label) == ["a", "b", "c", "d"]
    assert found.undefined == []
    for i, label in enumerate("abcd"):
        row = found.per_label[label]
        assert set(row) == {"ap", "auroc", "precision", "recall", "f1", "support"}
        assert row["support"] == Y[:, i].sum()
        assert row["ap"] == pytest.approx(reference.average_precision_score(Y[:, i], S[:, i]))


def test_a_label_without_positives_is_none_named_and_left_out_of_the_means() -> None:
    Y, S = draw(7, 300, 3, 20)
    extra = np.hstack([Y, np.zeros((300, 1), dtype=np.uint8)])
    scores = np.hstack([S, np.full((300, 1), 0.9)])
    whole, part = metrics.score(extra, scores), metrics.score(Y, S)
    assert whole.undefined == ["3"]
    undefined = {"ap", "auroc", "precision", "recall", "f1"}
    assert {k for k, v in whole.per_label["3"].items() if v is None} == undefined
    assert whole.per_label["3"]["support"] == 0
    for name in ("macro_precision", "macro_recall", "macro_f1", "map", "auroc"):
        assert whole.metrics[name] == pytest.approx(part.metrics[name])
    # its false positives still count where cells are pooled
    assert whole.metrics["accuracy"] < part.metrics["accuracy"]  # type: ignore[operator]
    assert whole.metrics["micro_f1"] < part.metrics["micro_f1"]  # type: ignore[operator]


def test_a_label_of_positives_only_has_ap_1_and_no_auroc() -> None:
    found = metrics.score([[1], [1]], [[0.2], [0.4]])
    assert found.per_label["0"]["ap"] == 1.0
    assert found.per_label["0"]["auroc"] is None
    assert found.metrics["auroc"] is None
    assert found.undefined == []


def test_saying_no_everywhere_scores_zero_where_defined() -> None:
    found = metrics.score([[1, 0], [0, 1]], [[0.1, 0.2], [0.3, 0.4]])
    assert found.metrics["accuracy"] == 0.5
    assert found.metrics["macro_precision"] == 0.0
    assert found.metrics["macro_recall"] == 0.0
    assert found.metrics["micro_f1"] == 0.0


@pytest.mark.parametrize("rows", [0, 3])
def test_nothing_positive_at_all_is_undefined_not_zero(rows: int) -> None:
    found = metrics.score(np.zeros((rows, 2), np.uint8), np.full((rows, 2), 0.7))
    assert found.metrics["accuracy"] == (0.0 if rows else None)
    assert all(value is None for name, value in found.metrics.items() if name != "accuracy")
    assert found.undefined == ["0", "1"]


def test_equal_scores_make_ap_the_prevalence_and_auroc_a_half() -> None:
    Y = np.array([[1], [0], [0], [0]])
    S = np.full((4, 1), 0.5)
    assert metrics.average_precision(Y, S) == [0.25]
    assert metrics.auroc(Y, S) == [0.5]


def test_a_threshold_taken_from_float32_scores_admits_that_score() -> None:
    S = np.array([[0.7], [0.1]], dtype=np.float32)
    for cut in (0.7, np.array([0.7]), np.array([float(S[0, 0])])):
        assert metrics.binarize(S, cut).tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: metrics.average_precision([[1]], [[0.5], [0.5]]), "same rows"),
        (lambda: metrics.average_precision([1, 0], [0.5, 0.1]), "one row an image"),
        (lambda: metrics.average_precision([[2]], [[0.5]]), "other than 0 and 1"),
        (lambda: metrics.auroc([[1]], [[float("nan")]]), "NaN"),
        (lambda: metrics.hamming_accuracy([[1]], [[0.5]]), "0/1 decisions"),
        (lambda: metrics.hamming_accuracy([[1]], [[1, 1]]), "same rows"),
        (lambda: metrics.brier([[1]], [[1.5]]), "probabilities"),
        (lambda: metrics.calibration_error([[1]], [[0.5]], bins=0), "one bin"),
        (lambda: metrics.score([[1]], [[0.5]], [0.5, 0.5]), "thresholds have shape"),
        (lambda: metrics.score([[1]], [[0.5]], float("nan")), "threshold is NaN"),
        (lambda: metrics.score([[1, 0]], [[0.5, 0.5]], labels=["a", "a"]), "its own name"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_remedy(call: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        call()
