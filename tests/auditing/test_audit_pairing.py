from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.auditing.alignment import alignment
from toolkit.auditing.breaks import find_break
from toolkit.auditing.linear_probe import LinearProbe, principal_components
from toolkit.auditing.orders import directory_listing, listings, pairings, shifted
from toolkit.auditing.pairing import explain, shift_profile
from toolkit.data.importer import published_order

Make = Callable[..., Any]
FILES = [f"im{i}.jpg" for i in range(1, 124) if i % 10 != 7]


def test_the_papers_pairing_is_among_those_searched_and_undone() -> None:
    truth = np.arange(len(FILES))
    given = truth[published_order(FILES)]
    found = [p for p in pairings(FILES) if np.array_equal(given[p.rows], truth)]
    assert [p.sentence for p in found] == [
        "labels are in numeric order, files in lexicographic order"
    ]


def test_no_pairing_comes_twice_or_changes_nothing() -> None:
    groups = {"train": np.arange(80), "test": np.arange(80, len(FILES))}
    found = pairings(FILES, groupings=[groups])
    assert len({p.rows.tobytes() for p in found}) == len(found)
    for pairing in found:
        known = np.flatnonzero(pairing.rows >= 0)
        assert (pairing.rows[known] != known).any(), pairing.sentence
        assert len(np.unique(pairing.rows[known])) == len(known)


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("labels come one row too late", lambda n: np.roll(np.arange(n), 1)),
        ("labels are in the reverse order of the files", lambda n: np.arange(n)[::-1]),
        (
            "labels come one row too late within each of a, b",
            lambda n: np.concatenate([np.roll(np.arange(50), 1), np.roll(np.arange(50, n), 1)]),
        ),
        (
            "labels are in numeric order, files listed b, then a",
            lambda n: np.argsort(np.r_[np.arange(50, n), np.arange(50)]),
        ),
        (
            "labels are in numeric order, files in lexicographic order within each of a, b",
            lambda n: np.concatenate(
                [published_order(FILES[:50]), 50 + published_order(FILES[50:])]
            ),
        ),
    ],
)
def test_each_fault_is_undone_by_the_pairing_of_its_name(
    sentence: str, fault: Callable[[int], np.ndarray]
) -> None:
    n = len(FILES)
    given = fault(n)
    groups = {"a": np.arange(50), "b": np.arange(50, n)}
    (pairing,) = [p for p in pairings(FILES, groupings=[groups]) if p.sentence == sentence]
    known = pairing.rows >= 0
    assert known.sum() >= n - 2
    assert np.array_equal(given[pairing.rows[known]], np.flatnonzero(known))


def test_numbers_with_gaps_are_shifted_by_number_not_by_row() -> None:
    number = {int(file[2:-4]): row for row, file in enumerate(FILES)}
    (pairing,) = [
        p for p in pairings(FILES) if p.sentence.startswith("label numbers are one too h")
    ]
    for value, row in number.items():
        assert pairing.rows[row] == number.get(value + 1, -1)


def test_the_directory_lists_every_file_once(tmp_path: Path) -> None:
    files = ["a/1.jpg", "a/2.jpg", "b/10.jpg", "b/9.jpg", "top.jpg"]
    for file in [*files[1:], "b/other.txt"]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"")
    found = directory_listing(tmp_path, files)
    assert sorted(found) == list(range(5))
    assert found[-1] == 0  # the file that is gone
    assert "directory" in listings(files, found)


def test_the_profile_of_shifts_peaks_at_the_shift(scenes: Make) -> None:
    X, Y, _, _ = scenes(0, n=300)
    probe = LinearProbe(principal_components(X))
    for by in (-40, 0, 17):
        profile = shift_profile(probe, np.roll(Y, by, axis=0))
        assert int(profile.argmax()) - (len(Y) - 1) == by


def test_the_profile_is_the_squared_length_of_lagged_cross_products(scenes: Make) -> None:
    X, Y, _, _ = scenes(1, n=80)
    probe = LinearProbe(principal_components(X))
    y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    profile = shift_profile(probe, Y)
    for by in (-33, -1, 0, 5, 60):
        pairs = [(i, i + by) for i in range(80) if 0 <= i + by < 80]
        cross = sum(np.outer(probe.Z[i], y[k]) for i, k in pairs)
        expected = (np.asarray(cross) ** 2).sum() / len(pairs)
        assert profile[by + 79] == pytest.approx(expected, rel=1e-3)


def test_any_shift_is_explained(scenes: Make) -> None:
    X, Y, labels, files = scenes(0)
    probe = LinearProbe(principal_components(X))
    given = np.roll(Y, -123, axis=0)
    found = alignment(probe, given, labels, permutations=99)
    explanation = explain(probe, given, found, pairings(files))
    assert explanation is not None
    assert explanation.sentence == "labels come 123 rows too early"
    assert explanation.auroc_after > 0.95
    assert np.array_equal(explanation.pairing.repaired(given)[123:], Y[123:])
    json.dumps(explanation.facts(), allow_nan=False)


def test_shifts_beyond_the_rows_have_no_labels() -> None:
    assert shifted(4, 1).rows.tolist() == [1, 2, 3, -1]
    assert shifted(4, -2).rows.tolist() == [-1, -1, 0, 1]


@pytest.mark.parametrize(("by", "what"), [(-1, "a line was lost"), (1, "a line was put in")])
def test_a_lost_or_doubled_line_is_placed(scenes: Make, by: int, what: str) -> None:
    near = 0
    for seed in range(6):
        X, Y, _, files = scenes(seed)
        probe = LinearProbe(principal_components(X))
        assert find_break(probe, Y, files) is None
        at = 250 + 40 * seed
        given = np.insert(Y, at, Y[at], 0)[:-1] if by > 0 else np.delete(Y, at, 0)
        given = given if by > 0 else np.vstack([given, Y[:1]])
        found = find_break(probe, given, files)
        assert found is not None
        assert what in found.sentence
        rows = found.pairing.rows
        known = rows >= 0
        first = int(np.flatnonzero(rows[known] != np.flatnonzero(known))[0])
        near += abs(first - at) <= 15
    assert near >= 5
