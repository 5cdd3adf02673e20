from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from toolkit.auditing.label_errors import (
    label_noise,
    mislabelled,
    out_of_fold_probabilities,
    suspects,
    suspicion,
)
from toolkit.auditing.verdicts import label_error_findings
from toolkit.errors import DataError
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import auroc

Make = Callable[..., Any]
ROWS: Any = {"ids": [f"im{row}" for row in range(2000)], "part": np.zeros(2000, int)}
pytestmark = pytest.mark.usefixtures("one_thread")


def test_probabilities_never_saw_the_row(scenes: Make) -> None:
    X, Y, _, _ = scenes(0, n=200)
    fold = np.arange(200) % 4
    fold[:20] = -1
    before = out_of_fold_probabilities(X, Y, fold, strengths=(0.03,))
    assert auroc(Y, before).min() > 0.8
    changed = Y.copy()
    changed[:20] = 1 - changed[:20]  # rows that nothing is learned from
    assert np.array_equal(out_of_fold_probabilities(X, changed, fold, strengths=(0.03,)), before)
    changed = Y.copy()
    own = fold == 2
    changed[own] = changed[own][::-1]
    after = out_of_fold_probabilities(X, changed, fold, strengths=(0.03,))
    assert np.allclose(after[own], before[own], atol=1e-3)
    assert not np.allclose(after[fold == 1], before[fold == 1], atol=1e-2)


def test_a_label_that_cannot_be_learned_is_unknown_and_suspects_nothing(scenes: Make) -> None:
    X, Y, labels, _ = scenes(1, n=200)
    Y = Y.copy()
    Y[:, 0] = 0
    Y[np.flatnonzero(Y[:, 1])[4:], 1] = 0
    P = out_of_fold_probabilities(X, Y, np.arange(200) % 5)
    assert np.isnan(P).all(axis=0).tolist() == [True, True] + [False] * 6
    assert (suspicion(P, Y)[:, :2] == 0).all()
    assert {x.label for x in suspects(P, Y, labels)} <= set(labels[2:])
    assert {x.label for x in label_noise(P, Y, labels)} <= set(labels[2:])


def test_folds_are_needed() -> None:
    with pytest.raises(DataError, match="fold: expected"):
        out_of_fold_probabilities(np.eye(20), np.zeros((20, 1)), np.zeros(20, int))


def test_suspicion_follows_the_probability_within_a_label_and_kind(scenes: Make) -> None:
    X, Y, _, _ = scenes(2, n=300)
    P = out_of_fold_probabilities(X, Y, np.arange(300) % 5).astype(np.float64)
    S = suspicion(P, Y)
    assert ((S >= 0) & (S <= 1)).all()
    for j in range(Y.shape[1]):
        for value, sign in ((0, 1), (1, -1)):
            rows = np.flatnonzero(Y[:, j] == value)
            order = rows[np.argsort(sign * P[rows, j])]
            assert (np.diff(S[order, j]) >= -1e-12).all()


def test_the_estimate_counts_what_was_planted_in_separable_classes() -> None:
    random = np.random.default_rng(0)
    truth = random.random(20_000) < 0.2
    P = np.where(truth, random.beta(8, 2, 20_000), random.beta(2, 8, 20_000))[:, None]
    missing, wrong = mislabelled(P, truth[:, None])[:, 0]
    assert missing[0] + wrong[0] < 45
    given = truth.copy()
    lost = np.flatnonzero(truth)[:400]
    false = np.flatnonzero(~truth)[:800]
    given[lost], given[false] = False, True
    missing, wrong = mislabelled(P, given[:, None])[:, 0]
    assert missing[0] == pytest.approx(400, rel=0.25)
    assert wrong[0] == pytest.approx(800, rel=0.25)
    (noise,) = label_noise(P, given[:, None], ["x"])
    assert 1200 / 20_000 < noise.share < 0.09


def test_the_bound_holds_whether_classes_overlap_or_not() -> None:
    held = dict.fromkeys((0.01, 0.2), 0)
    for prevalence, separation in ((0.01, 4), (0.01, 2), (0.2, 2), (0.2, 1)):
        for seed in range(30):
            random = np.random.default_rng(seed)
            truth = random.random(3000) < prevalence
            wrong = random.random(3000) < np.where(truth, 0.1, 0.1 * prevalence)
            x = separation * (random.normal(size=3000) + separation * (truth - 0.5))
            P = sigmoid(x + np.log(prevalence / (1 - prevalence)))[:, None]
            most = mislabelled(P, (truth ^ wrong)[:, None])[:, 1, 0]
            held[prevalence] += most[0] >= wrong[truth].sum() and most[1] >= wrong[~truth].sum()
    assert min(held.values()) >= 57


def test_a_bound_that_says_nothing_is_left_out() -> None:
    random = np.random.default_rng(0)
    truth = random.random((2000, 2)) < 0.2
    P = sigmoid(random.normal(size=truth.shape) + np.array([0.3, 9.0]) * (truth - 0.5))
    (noise,) = label_noise(P, truth, ["overlapping", "apart"])
    assert noise.label == "apart"
    (finding,) = label_error_findings([], suspects(P, truth, ["a", "b"]), [], **ROWS)
    assert "cannot be told" in finding.sentence


def test_no_more_labels_are_wrong_than_were_given() -> None:
    random = np.random.default_rng(0)
    P, Y = random.random((12, 2)), np.arange(24).reshape(12, 2) % 3 == 0
    for each in label_noise(P, Y, ["a", "b"]):
        assert each.wrong <= each.positives
        assert each.missing <= 12 - each.positives
        assert each.share <= 1
