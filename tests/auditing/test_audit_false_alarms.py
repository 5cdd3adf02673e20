"""Labels joined rightly are no critical fault, however weak, few or rare."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.auditing.scenes import Scenes, dataset_of
from toolkit.auditing.columns import swaps_by_scores
from toolkit.auditing.examine import Links, Stages, find_links


def links(X: np.ndarray, Y: np.ndarray, **options: Any) -> Links:
    names = tuple(f"label{j:02}" for j in range(Y.shape[1]))
    files = [f"im{i + 1}.jpg" for i in range(len(Y))]
    dataset, split = dataset_of(Scenes(X, Y, names, files))
    with threadpool_limits(1, "blas"):
        return find_links(dataset, X, split, Stages(), permutations=199, **options)


def linked(random: np.random.Generator, Y: np.ndarray, strength: Any) -> np.ndarray:
    directions = random.normal(size=(Y.shape[1], 32))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    made = random.normal(size=(len(Y), 32)) + (Y * strength) @ directions
    found: np.ndarray = made.astype(np.float32)
    return found


def critical(found: Links) -> bool:
    return any(finding.severity == "critical" for finding in found.link_findings())


# strengths that give a mean AUROC of 0.57 or more
@pytest.mark.parametrize(
    ("n", "L", "strength"), [(100, 14, 0.7), (300, 5, 0.55), (300, 14, 0.45), (1000, 14, 0.35)]
)
def test_weak_labels_are_seldom_critical(n: int, L: int, strength: float) -> None:
    alarms = 0
    for seed in range(15):
        random = np.random.default_rng(seed)
        Y = (random.random((n, L)) < np.linspace(0.08, 0.4, L)).astype(np.uint8)
        alarms += critical(links(linked(random, Y, strength), Y))
    assert alarms <= 3  # with probability 0.99 where one in 20 is critical


def test_labels_with_a_handful_of_positives_are_seldom_critical() -> None:
    alarms = 0
    for seed in range(25):
        random = np.random.default_rng(seed)
        Y = np.zeros((200, 10), np.uint8)
        for j in range(10):
            Y[random.choice(200, 5 + j % 4, replace=False), j] = 1
        alarms += critical(links(linked(random, Y, 1.4), Y))
    assert alarms <= 4


def test_one_weak_label_among_strong_ones_is_seldom_critical() -> None:
    alarms = 0
    for seed in range(25):
        random = np.random.default_rng(seed)
        Y = (random.random((300, 6)) < 0.2).astype(np.uint8)
        alarms += critical(links(linked(random, Y, np.array([3, 3, 0.5, 3, 3, 3])), Y))
    assert alarms <= 4


def test_few_scored_rows_swap_no_columns() -> None:
    # 3 positives that happen to rank otherwise are no proof, however even their ranks
    S = np.zeros((200, 2))
    Y = np.zeros((200, 2), np.uint8)
    Y[:3, 0] = Y[3:6, 1] = 1
    S[:3, 1] = S[3:6, 0] = 1
    S += np.random.default_rng(0).normal(scale=0.01, size=S.shape)
    assert swaps_by_scores(S, Y, ("a", "b")) == []


def test_that_random_features_show_no_link_says_nothing() -> None:
    random = np.random.default_rng(0)
    Y = (random.random((1500, 8)) < 0.2).astype(np.uint8)
    X = random.normal(size=(1500, 32)).astype(np.float32)
    assert critical(links(X, Y))
    found = links(X, Y, trained=False)
    assert found.alignment is not None
    assert found.alignment.verdict == "cannot be told"
    assert not critical(found)


def test_a_real_but_weak_link_is_a_warning_that_says_what_to_try() -> None:
    random = np.random.default_rng(0)
    Y = (random.random((3000, 14)) < np.linspace(0.05, 0.4, 14)).astype(np.uint8)
    found = links(linked(random, Y, 0.3), Y)
    assert found.alignment is not None
    assert found.alignment.verdict == "labels describe the images weakly"
    first = found.link_findings()[0]
    assert first.severity == "warning"
    assert "try other features" in first.advice
