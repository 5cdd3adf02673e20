"""Orders: the ways in which a list of labels and a list of files can have been paired by place."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Groups = Mapping[str, Ints]

NUMERIC = "numeric"
SHIFTS = (-1, 1, -2, 2, -3, 3)
_MOST_GROUPS = 4
_NUMBERED = re.compile(r"(.*\D|)(\d+)\D*")


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

    def repaired(self, Y: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the labels ``Y`` (n, L) as they should stand; images without any get zeros.

        Where labels may be unknown (-1), theirs are.
        """
        given = np.asarray(Y)
        none = -1 if (given < 0).any() else 0
        rows: npt.NDArray[Any] = np.where(self.rows[:, None] >= 0, given[self.rows], none)
        return rows.astype(given.dtype)


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
    every = range(len(files))
    found = {
        NUMERIC: list(every),
        "lexicographic": sorted(every, key=lambda i: files[i]),
        "lexicographic, case ignored": sorted(every, key=lambda i: files[i].lower()),
    }
    if directory is not None:
        found["directory"] = list(map(int, directory))
    distinct = {tuple(rows): name for name, rows in reversed(found.items())}
    return {name: np.array(rows, np.int64) for rows, name in reversed(distinct.items())}


def pairings(
    files: Sequence[str], *, directory: Ints | None = None, groupings: Sequence[Groups] = ()
) -> list[Pairing]:
    """Return the plausible pairings, each once, the one that was given left out.

    Labels in one order and files in another or the same, alone and one row off; reversed; off by
    one in the file's number, where numbers have gaps. For each of ``groupings`` (the parts of a
    split, the folders; name to rows, ascending): the same inside each group, files listed group by
    group, and a list of labels that starts again with each group.
    """
    seen = {np.arange(len(files)).tobytes()}
    found = []
    for pairing in _candidates(files, listings(files, directory), groupings):
        key = pairing.rows.tobytes()
        # a list that starts again changes nothing for its first group
        known = pairing.rows >= 0
        if key not in seen and (pairing.rows[known] != np.flatnonzero(known)).any():
            seen.add(key)
            found.append(pairing)
    return found


def late(by: int) -> str:
    """Say by how many rows labels come too late (too early if negative).

    >>> late(1), late(-1200)
    ('one row too late', '1,200 rows too early')
    """
    count = "one row" if abs(by) == 1 else f"{abs(by):,} rows"
    return f"{count} too {'late' if by > 0 else 'early'}"


def shifted(n: int, by: int) -> Pairing:
    """Return the pairing in which labels come ``by`` rows too late (too early if negative)."""
    rows = np.arange(n) + by
    rows[(rows < 0) | (rows >= n)] = -1
    return Pairing("shift", f"labels come {late(by)}", rows)


def _candidates(
    files: Sequence[str], orders: Mapping[str, Ints], groupings: Sequence[Groups]
) -> Iterator[Pairing]:
    n = len(files)
    several = [groups for groups in groupings if len(groups) > 1]
    yield from _inside({"": np.arange(n)}, orders, "")
    yield from _by_number(files)
    for groups in several:
        yield from _inside(groups, orders, " within each of " + ", ".join(groups))
        yield from _by_group(groups, orders[NUMERIC])


def _inside(groups: Groups, orders: Mapping[str, Ints], where: str) -> Iterator[Pairing]:
    """Orders and shifts, the same inside each group, and each group reversed."""
    for first, second in itertools.product(orders, orders):
        for by in (0, 1, -1):
            rows = orders[NUMERIC].copy()
            for members in groups.values():
                inside = np.zeros(len(rows), bool)
                inside[members] = True
                a, b = (orders[name][inside[orders[name]]] for name in (first, second))
                rows[a] = np.roll(b, -by)
                if by:
                    rows[a[-1 if by > 0 else 0]] = -1
            said = {}
            if first != second:
                said["order"] = f"labels are in {first} order, files in {second} order"
            if by:
                said["shift"] = f"labels come {late(by)}"
                if first == second != NUMERIC:
                    said["shift"] += f" in {first} order"
            yield Pairing(" and ".join(said), ", and ".join(said.values()) + where, rows)
    rows = orders[NUMERIC].copy()
    for members in groups.values():
        rows[members] = members[::-1]
    of = where or " of the files"
    yield Pairing("reversed", f"labels are in the reverse order{of}", rows)


def _by_number(files: Sequence[str]) -> Iterator[Pairing]:
    """Off by one in the file's number, which is another row where numbers have gaps."""
    found = [_NUMBERED.fullmatch(os.path.splitext(file)[0]) for file in files]
    keys = [(each[1], int(each[2])) for each in found if each]
    place = {key: i for i, key in enumerate(keys)}
    for by in (-1, 1) if all(found) else ():
        rows = np.array([place.get((text, number + by), -1) for text, number in keys], np.int64)
        what = f"label numbers are one too {'high' if by > 0 else 'low'} for the files' numbers"
        yield Pairing("number", what, rows)


def _by_group(groups: Groups, numeric: Ints) -> Iterator[Pairing]:
    """Files or labels listed group by group, and a list of labels that starts again."""
    largest = max(groups.values(), key=len)
    rows = np.full(len(numeric), -1, np.int64)
    rows[: len(largest)] = largest
    what = f"the list of labels starts again from the first image with each of {', '.join(groups)}"
    yield Pairing("restart", what, rows)
    if sum(map(len, groups.values())) != len(numeric):
        return
    sequences = list(itertools.permutations(groups)) if len(groups) <= _MOST_GROUPS else []
    for names in sequences or [tuple(groups), tuple(sorted(groups))]:
        listed = np.concatenate([groups[name] for name in names])
        back = np.argsort(listed)
        one_by_one = ", then ".join(names)
        what = f"labels are in numeric order, files listed {one_by_one}"
        yield Pairing("groups", what, listed)
        yield Pairing("groups", f"labels are listed {one_by_one}, files in numeric order", back)
