from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data.split import RATIOS
from toolkit.data.stratify import iterative_stratification

# the same examples on every run, and no time limit on a busy machine
steady = settings(derandomize=True, deadline=None, database=None, max_examples=40)


def deviations(Y: np.ndarray, subset: np.ndarray, k: int) -> np.ndarray:
    """Positives of each label in each subset, less the subset's share of them: ``(k, L)``."""
    sizes = np.bincount(subset, minlength=k)
    counts = np.stack([Y[subset == j].sum(axis=0, dtype=np.int64) for j in range(k)])
    ideal: np.ndarray = counts - np.outer(sizes, Y.sum(axis=0)) / len(Y)
    return ideal


@st.composite
def label_tables(draw: st.DrawFn, smallest: int = 10) -> np.ndarray:
    n = draw(st.integers(smallest, 90))
    shares = draw(st.lists(st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.6, 0.95, 1.0]), min_size=1))
    random = np.random.RandomState(draw(st.integers(0, 2**16)))
    Y = (random.random_sample((n, len(shares))) < shares).astype(np.uint8)
    if draw(st.booleans()):
        Y[:, 0] = Y.max(axis=1)  # one label implied by the others, as "people" by "portrait"
    return Y


ratio_choices = st.sampled_from([RATIOS, (0.5, 0.5), (1 / 3,) * 3, (0.2,) * 5])
seeds = st.integers(0, 2**16)


@steady
@given(Y=label_tables(30), ratios=ratio_choices, seed=seeds)
def test_stratification_meets_sizes_and_spreads_every_label(
    Y: np.ndarray, ratios: tuple[float, ...], seed: int
) -> None:
    k = len(ratios)
    subset = iterative_stratification(Y, ratios, seed)
    assert subset.shape == (len(Y),)
    assert set(subset) <= set(range(k))
    sizes = np.bincount(subset, minlength=k)
    assert np.abs(sizes - len(Y) * np.array(ratios)).max() < 1
    off = np.abs(deviations(Y, subset, k))
    rare = Y.sum(axis=0) <= len(Y) / 10
    assert off[:, rare].max(initial=0) < 2
    random = np.random.RandomState(seed)
    by_chance = [np.abs(deviations(Y, random.permutation(subset), k)).sum() for _ in range(20)]
    # tables of a few positives leave nothing to gain but rounding
    assert off.sum() <= np.mean(by_chance) + 0.5


@pytest.mark.parametrize(
    "shares",
    [
        np.linspace(0.002, 0.2, 14),
        np.linspace(0.9, 0.99, 10),  # rare negatives
        np.concatenate([np.linspace(0.01, 0.05, 20), np.linspace(0.2, 0.45, 20)]),
    ],
    ids=["sparse", "dense", "mixed"],
)
def test_rare_labels_come_within_about_one_of_their_share(shares: np.ndarray) -> None:
    for seed in range(4):
        random = np.random.RandomState(seed)
        Y = (random.random_sample((600, len(shares))) < shares).astype(np.uint8)
        rare = np.minimum(Y.sum(axis=0), 600 - Y.sum(axis=0)) <= 60
        subset = iterative_stratification(Y, (0.2,) * 5, seed)
        by_chance = deviations(Y, random.permutation(subset), 5)
        assert np.abs(deviations(Y, subset, 5))[:, rare].max() < 1.3
        assert np.abs(by_chance)[:, rare].max() > 2


@steady
@given(Y=label_tables(), seed=seeds)
def test_order_of_rows_does_not_matter_for_evenness(Y: np.ndarray, seed: int) -> None:
    shuffled = np.random.RandomState(seed).permutation(len(Y))
    for rows in (Y, Y[shuffled]):
        subset = iterative_stratification(rows, (0.2,) * 5, seed)
        rare = rows.sum(axis=0) <= len(rows) / 10
        assert np.abs(deviations(rows, subset, 5))[:, rare].max(initial=0) < 2


@steady
@given(Y=label_tables(30), seed=seeds, clusters=st.integers(12, 60))
def test_groups_are_never_torn(Y: np.ndarray, seed: int, clusters: int) -> None:
    groups = np.random.RandomState(seed).randint(0, clusters, len(Y)) * 7
    subset = iterative_stratification(Y, (0.2,) * 5, seed, groups)
    for group in np.unique(groups):
        assert len(set(subset[groups == group])) == 1
    largest = np.bincount(groups).max()
    sizes = np.bincount(subset, minlength=5)
    assert np.abs(sizes - len(Y) / 5).max() <= largest


def test_pairs_of_duplicates_still_spread_evenly() -> None:
    random = np.random.RandomState(5)
    half = (random.random_sample((400, 6)) < 0.1).astype(np.uint8)
    Y, groups = np.repeat(half, 2, axis=0), np.repeat(np.arange(400), 2)
    subset = iterative_stratification(Y, (0.2,) * 5, 0, groups)
    assert (subset[::2] == subset[1::2]).all()
    assert np.abs(deviations(Y, subset, 5)).max() <= 3
    assert np.bincount(subset).tolist() == [160] * 5


def test_large_groups_go_first_so_that_small_ones_fill_up() -> None:
    groups = np.concatenate([np.repeat(np.arange(6), [40, 30, 20, 10, 10, 10]), np.arange(6, 126)])
    with_label = np.where(groups < 6, 1, 0)[:, None]
    for seed in range(5):
        subset = iterative_stratification(with_label, (0.5, 0.5), seed, groups)
        assert deviations(with_label, subset, 2).tolist() == [[0], [0]]
        without = np.zeros((120, 1), np.uint8)
        subset = iterative_stratification(without, (0.5, 0.5), seed, groups[:120])
        assert np.bincount(subset).tolist() == [60, 60]
