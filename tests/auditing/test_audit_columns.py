from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from toolkit.auditing.column_blocks import contradicting_run, swapped_blocks, swaps_in_groups
from toolkit.auditing.columns import ColumnSwap, better_by, swaps_by_counts, swaps_by_scores
from toolkit.auditing.contradictions import contradictions
from toolkit.auditing.linear_probe import LinearProbe, principal_components, standardized
from toolkit.statistics.metrics import auroc

Make = Callable[..., Any]


def swapped(Y: np.ndarray, a: int, b: int, rows: Any = slice(None)) -> np.ndarray:
    out = Y.copy()
    out[rows, a], out[rows, b] = Y[rows, b], Y[rows, a]
    return out


def test_the_gain_is_a_difference_of_two_aurocs(scenes: Make) -> None:
    _, Y, _, _ = scenes(0, n=100)
    S = np.random.default_rng(0).integers(5, size=Y.shape).astype(float)  # with ties
    gain, z = better_by(S, Y)
    for a in range(Y.shape[1]):
        assert np.allclose(
            gain[a], auroc(Y, np.repeat(S[:, [a]], Y.shape[1], axis=1)) - auroc(Y, S)
        )
    assert ((z > 0) == (gain > 0)).all()


def test_the_error_of_a_difference_is_that_of_resampling() -> None:
    random = np.random.default_rng(0)
    y = (np.arange(400) < 120).astype(int)
    base = random.normal(size=400) + y
    S = np.stack([base + random.normal(size=400), base + 0.5 * random.normal(size=400)], axis=1)
    Y = np.stack([y, y], axis=1)
    gain, z = better_by(S, Y)
    assert z[0, 1] == -np.inf
    gaps = []
    for _ in range(400):
        rows = random.integers(400, size=400)
        gaps.append(better_by(S[rows], Y[rows])[0][1, 0])
    assert z[1, 0] == pytest.approx(gain[1, 0] / np.std(gaps), rel=0.15)


def test_a_cycle_of_three_is_told_from_a_swap(scenes: Make) -> None:
    X, Y, labels, _ = scenes(1)
    scores = LinearProbe(principal_components(X)).scores_from(Y, np.arange(350))[350:]
    given = Y[350:].copy()
    given[:, [0, 3, 5]] = given[:, [3, 5, 0]]
    (found,) = swaps_by_scores(scores, given, labels)
    assert found.columns == {"bird": "lake", "lake": "road", "road": "bird"}
    assert all(found.auroc_after[c] > found.auroc_before[c] for c in found.columns)
    assert "the column bird holds the labels of lake" in found.sentence
    json.dumps(found.facts(), allow_nan=False)
    assert swaps_by_scores(scores, Y[350:], labels) == []


def test_related_labels_are_not_taken_for_swapped_ones() -> None:
    # whoever is in a portrait is a person: each predicts the other's column nearly as well
    random = np.random.default_rng(0)
    for _ in range(20):
        people = random.random(400) < 0.3
        portrait = people & (random.random(400) < 0.5)
        Y = np.stack([people, portrait], axis=1).astype(np.uint8)
        S = Y.sum(axis=1, keepdims=True) + random.normal(size=(400, 2))
        assert swaps_by_scores(S, Y, ("people", "portrait")) == []


def test_a_swap_in_a_part_or_half_is_found_there(scenes: Make) -> None:
    for seed in range(5):
        X, Y, labels, files = scenes(seed, rarest=0.12)
        probe = LinearProbe(principal_components(X))
        part = np.random.default_rng(seed).permutation(np.arange(len(Y)) % 5)
        groups = {"train": np.flatnonzero(part > 1), "test": np.flatnonzero(part == 0)}
        groups["validation"] = np.flatnonzero(part == 1)
        given = swapped(Y, 2, 6, groups["test"])
        (found,) = swaps_in_groups(probe, given, labels, groups)
        assert (found.where, found.columns) == ("test", {"dog": "sign", "sign": "dog"})
        given = swapped(Y, 1, 4, slice(350, 700))
        (found,) = swapped_blocks(probe, given, labels, files, groups)
        assert set(found.columns) == {"car", "moon"}
        assert swapped_blocks(probe, Y, labels, files, groups) == []


def test_a_run_is_found_about_where_it_is(scenes: Make) -> None:
    X, Y, _, _ = scenes(3, rarest=0.12)
    given = swapped(Y, 0, 7, slice(200, 380))
    scores = LinearProbe(principal_components(X)).scores(given)
    run = contradicting_run(scores, given)
    assert run is not None
    assert abs(run[0] - 200) < 20
    assert abs(run[1] - 380) < 20


def each_pair_in_turn(S: np.ndarray, Y: np.ndarray) -> tuple[int, int] | None:
    """Order each pair's rows at random, whatever its chance: what is to be found."""
    scores, random = standardized(S), np.random.default_rng(0)
    runs, usual = [], []

    def largest(values: np.ndarray) -> tuple[float, int, int]:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        end = int((sums - np.minimum.accumulate(sums))[1:].argmax())
        start = int(sums[: end + 1].argmin())
        return float(sums[end + 1] - sums[start]), start, end

    for a, b in combinations(range(Y.shape[1]), 2):
        rows = np.flatnonzero(Y[:, a] != Y[:, b])
        side = Y[rows, a] > Y[rows, b]
        if min(side.sum(), (~side).sum()) < 6:
            continue
        gap = scores[rows, a] - scores[rows, b]
        against = (gap[side].mean() + gap[~side].mean()) / 2 - gap
        against[~side] *= -1
        against /= max(float(against.std()), 1e-12)
        height, start, end = largest(against)
        runs.append((height, int(rows[start]), int(rows[end]), a, b))
        heights = [largest(random.permutation(against))[0] for _ in range(29)]
        usual.append((np.mean(heights), np.std(heights) * np.sqrt(6) / np.pi))
    if not runs:
        return None
    found = contradictions(scores, (Y == 1).astype(np.int8))
    above = [max(run[0], 0.0) for run in runs]  # without a row that contradicts, any run is none
    np.testing.assert_allclose(found.height.clip(0), above, rtol=1e-9)
    assert list(zip(found.a, found.b, strict=True)) == [run[3:] for run in runs]
    height, first, last, _, _ = max(runs)
    mean, scale = np.array(usual).T
    p = np.exp((mean - height) / np.maximum(scale, 1e-12) - np.euler_gamma)
    # no pair is passed over that counts
    assert (found.chance(height) > p / 5)[p > 1e-4].all()
    return (first, last) if p.sum() <= 0.01 else None


@pytest.mark.parametrize("few", [0, 10**9])
def test_what_is_passed_over_changes_nothing(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.auditing.column_blocks._FEW_PAIRS", few)
    monkeypatch.setattr("toolkit.auditing.contradictions._CELLS", 2000)
    found = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        share = random.uniform(0.005, 0.3, 9)
        Y = (random.random((500, 9)) < share).astype(np.int8)
        S = random.choice([0.0, 1.0, 3.0], 9) * Y + random.normal(size=Y.shape)
        a, b = share.argsort()[-2:]
        given = swapped(Y, a, b, slice(100, 220)) if seed % 2 else Y
        found.append(contradicting_run(S, given))
        assert found[-1] == each_pair_in_turn(S, given)
    assert None in found
    assert any(run is not None for run in found)


def test_a_global_swap_needs_something_that_knows_the_names(scenes: Make) -> None:
    X, Y, labels, files = scenes(4)
    given = swapped(Y, 1, 2)
    probe = LinearProbe(principal_components(X))
    # within the data set nothing contradicts it: it is a renaming
    assert swapped_blocks(probe, given, labels, files, {}) == []
    # two data sets of one kind: a probe of the first knows the names
    scores = probe.scores_from(Y, np.arange(300))[300:]
    (by_scores,) = swaps_by_scores(scores, given[300:], labels)
    assert set(by_scores.columns) == {"car", "dog"}


def test_published_counts_name_columns_of_very_different_frequency() -> None:
    random = np.random.default_rng(0)
    share = {"rare": 0.02, "common": 0.3, "middle": 0.1, "twin": 0.1}
    Y = (random.random((2000, 4)) < list(share.values())).astype(np.uint8)
    assert swaps_by_counts(Y, tuple(share), share, "counts") == []
    (found,) = swaps_by_counts(swapped(Y, 0, 1), tuple(share), share, "counts")
    assert set(found.columns) == {"rare", "common"}
    # counts cannot tell twins apart, and must not try
    assert swaps_by_counts(swapped(Y, 2, 3), tuple(share), share, "counts") == []
    # a sample in which a label is simply rarer than published is no swap
    fewer = Y.copy()
    fewer[::2, 1] = 0
    assert swaps_by_counts(fewer, tuple(share), share, "counts") == []


def test_counts_name_columns_that_all_moved_but_say_nothing_of_other_data() -> None:
    random = np.random.default_rng(1)
    share = {f"l{j}": 0.01 * 1.6**j for j in range(7)}
    names = tuple(share)
    Y = (random.random((4000, 7)) < list(share.values())).astype(np.uint8)
    moved = random.permutation(7)
    found = swaps_by_counts(Y[:, moved], names, share, "counts")
    renamed = {a: b for swap in found for a, b in swap.columns.items()}
    assert renamed == {names[b]: names[a] for b, a in enumerate(moved) if a != b}
    for seed in range(20):
        random = np.random.default_rng(seed)
        other = (random.random((4000, 7)) < random.uniform(0.01, 0.3, 7)).astype(np.uint8)
        assert swaps_by_counts(other, names, share, "counts") == []


def test_of_many_labels_that_are_alike_none_look_exchanged_in_turn() -> None:
    names = [f"label {at}" for at in range(100)]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        latent = rng.normal(size=(60, 1))
        Y = latent + 0.5 * rng.normal(size=(60, 100)) > 0.8
        S = latent + rng.normal(size=(60, 100))
        assert swaps_by_scores(S, Y.astype(int), names) == []


def test_of_many_columns_a_sentence_names_the_first_five() -> None:
    columns = {f"a{at}": f"a{(at + 1) % 8}" for at in range(8)}
    said = ColumnSwap(columns, "everywhere", 10, "scores", 0.001).sentence
    assert said.count("holds the labels of") == 5
    assert "and 3 more columns likewise" in said
