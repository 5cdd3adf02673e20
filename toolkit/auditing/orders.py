"""Orders: the ways in which a list of labels and a list of files can have been set side by side."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Groups = Mapping[str, Ints]

NUMERIC = "numeric"
SHIFTS = (-1, 1, -2, 2, -3, 3)
_MOST_GROUPS = 4
_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")


@dataclass(frozen=True, eq=False)
class Pairing:
    """One way in which the labels may have come to the wrong images.

    Attributes:
        kind: short name, such as ``order``, ``shift``, ``reversed``, ``restart``.
        sentence: what happened, without a full stop.
        rows: ``int64 (n,)``: the labels of image i stand in row ``rows[i]``; -1 where they are
            nowhere.
    """

    kind: str
    sentence: str
    rows: Ints


def directory_listing(root: Path, files: Sequence[str]) -> Ints:
    """Return the rows of ``files`` in the order in which the system lists them under ``root``.

    This is the order of an unsorted ``os.scandir`` or ``glob``, here and now: another machine, or a
    copy of the folder, may list them otherwise. Files that are gone come last.
    """
    row = {file: i for i, file in enumerate(files)}
    listed = []
    for folder, _, names in os.walk(root):
        base = Path(folder).relative_to(root)
        listed += [row.pop(name) for file in names if (name := (base / file).as_posix()) in row]
    return np.array(listed + sorted(row.values()), np.int64)


def listings(files: Sequence[str], directory: Ints | None = None) -> dict[str, Ints]:
    """Return the orders in which files get listed: name to rows in that order.

    Args:
        files: n files in natural order, so that ``numeric`` is 0 ... n - 1.
        directory: rows in the file system's own order, see :func:`directory_listing`.

    >>> {name: rows.tolist() for name, rows in listings(["a2", "B1", "a10"]).items()}
    {'numeric': [0, 1, 2], 'lexicographic': [1, 2, 0], 'lexicographic, case ignored': [2, 0, 1]}
    """
    n = len(files)
    found = {
        NUMERIC: np.arange(n),
        "lexicographic": np.array(sorted(range(n), key=lambda i: files[i])),
        "lexicographic, case ignored": np.array(sorted(range(n), key=lambda i: files[i].lower())),
    }
    if directory is not None:
        found["directory"] = np.asarray(directory)
    distinct: dict[str, Ints] = {}
    for name, rows in found.items():
        if not any(np.array_equal(rows, other) for other in distinct.values()):
            distinct[name] = rows.astype(np.int64)
    return distinct


def pairings(
    files: Sequence[str], *, directory: Ints | None = None, groupings: Sequence[Groups] = ()
) -> list[Pairing]:
    """Return the plausible pairings, each once, the one that was given left out.

    Two orders: labels in one, files in the other, alone and one row off. One order: off by one to
    three, by file number instead of row where numbers have gaps, reversed. For each of
    ``groupings`` (the parts of a split, the folders; name to rows, ascending): the same inside each
    group, files listed group by group, and a list of labels that starts again with each group.
    """
    n = len(files)
    seen = {np.arange(n).tobytes()}
    found = []
    for pairing in _candidates(files, listings(files, directory), groupings):
        key = pairing.rows.tobytes()
        # a list that starts again changes nothing for its first group
        known = pairing.rows >= 0
        if key not in seen and (pairing.rows[known] != np.flatnonzero(known)).any():
            seen.add(key)
            found.append(pairing)
    return found


def shifted(n: int, by: int) -> Pairing:
    """Return the pairing in which labels come ``by`` rows too late (too early if negative)."""
    rows = np.arange(n) + by
    rows[(rows < 0) | (rows >= n)] = -1
    count = "one row" if abs(by) == 1 else f"{abs(by):,} rows"
    when = "late" if by > 0 else "early"
    return Pairing("shift", f"labels come {count} too {when}", rows)


def _candidates(
    files: Sequence[str], orders: Mapping[str, Ints], groupings: Sequence[Groups]
) -> Iterator[Pairing]:
    n = len(files)
    whole = {"": np.arange(n)}
    yield from _order_pairs(orders, whole, "")
    for by in SHIFTS:
        yield shifted(n, by)
    yield from _by_number(files)
    yield Pairing("reversed", "labels are in the reverse order of the files", np.arange(n)[::-1])
    for first, second in itertools.permutations(orders, 2):
        for by in (-1, 1):
            rows = _between(orders[first], np.roll(orders[second], -by))
            rows[orders[first][-1 if by > 0 else 0]] = -1
            late = f"{_sides(first, second)}, and labels come one row too {_when(by)}"
            yield Pairing("order and shift", late, rows)
    for groups in groupings:
        if len(groups) > 1:
            yield from _order_pairs(orders, groups, " within each of " + ", ".join(groups))
            yield from _inside(groups, n)
            yield from _by_group(groups, orders[NUMERIC])


def _when(by: int) -> str:
    return "late" if by > 0 else "early"


def _sides(labels: str, files: str) -> str:
    return f"labels are in {labels} order, files in {files} order"


def _between(labels: Ints, files: Ints) -> Ints:
    """Row of each image's labels if the k-th label was set beside the k-th file."""
    rows = np.full(len(labels), -1, np.int64)
    rows[labels] = files
    return rows


def _order_pairs(orders: Mapping[str, Ints], groups: Groups, where: str) -> Iterator[Pairing]:
    n = len(orders[NUMERIC])
    for first, second in itertools.permutations(orders, 2):
        rows = np.arange(n)
        for members in groups.values():
            inside = np.zeros(n, bool)
            inside[members] = True
            a, b = (orders[name][inside[orders[name]]] for name in (first, second))
            rows[a] = b
        yield Pairing("order", _sides(first, second) + where, rows)


def _by_number(files: Sequence[str]) -> Iterator[Pairing]:
    """Off by one in the file's number, which is another row where numbers have gaps."""
    found = [_LAST_NUMBER.search(Path(file).stem) for file in files]
    place: dict[tuple[str, int], int] = {}
    keys = []
    for i, (file, match) in enumerate(zip(files, found, strict=True)):
        if match is None:
            return
        stem = Path(file).stem
        key = (str(Path(file).parent) + stem[: match.start()], int(match.group()))
        place[key] = i
        keys.append(key)
    for by in (-1, 1):
        rows = np.array([place.get((text, number + by), -1) for text, number in keys], np.int64)
        what = f"label numbers are one too {'high' if by > 0 else 'low'} for the files' numbers"
        yield Pairing("number", what, rows)


def _inside(groups: Groups, n: int) -> Iterator[Pairing]:
    names = ", ".join(groups)
    for by in (-1, 1):
        rows = np.arange(n)
        for members in groups.values():
            rows[members] = np.roll(members, -by)
            rows[members[-1 if by > 0 else 0]] = -1
        what = f"labels come one row too {_when(by)} within each of {names}"
        yield Pairing("shift", what, rows)
    rows = np.arange(n)
    for members in groups.values():
        rows[members] = members[::-1]
    yield Pairing("reversed", f"labels are in the reverse order within each of {names}", rows)
    largest = max(groups, key=lambda name: len(groups[name]))
    rows = np.full(n, -1, np.int64)
    rows[: len(groups[largest])] = groups[largest]
    what = f"the list of labels starts again from the first image with each of {names}"
    yield Pairing("restart", what, rows)


def _by_group(groups: Groups, numeric: Ints) -> Iterator[Pairing]:
    sequences = list(itertools.permutations(groups)) if len(groups) <= _MOST_GROUPS else []
    for names in sequences or [tuple(groups), tuple(sorted(groups))]:
        listed = np.concatenate([groups[name] for name in names])
        if len(listed) != len(numeric):
            return
        one_by_one = ", then ".join(names)
        for what, a, b in (
            (f"labels are in numeric order, files listed {one_by_one}", numeric, listed),
            (f"labels are listed {one_by_one}, files in numeric order", listed, numeric),
        ):
            yield Pairing("groups", what, _between(a, b))
