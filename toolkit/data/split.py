"""Splits and folds: which images are learned from, tuned on and tested on, decided once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from toolkit.data.readers.part_words import SAID
from toolkit.data.readers.split_table import Given, assign, meaning, split_rows
from toolkit.data.stratify import check_groups, iterative_stratification
from toolkit.errors import ArtifactError, DataError, UsageError, counted, listed
from toolkit.storage.files import digest_of, natural_key
from toolkit.storage.tables import read_table, write_table

TRAIN, VALIDATION, TEST = 0, 1, 2
PARTS = {"train": TRAIN, "validation": VALIDATION, "val": VALIDATION, "test": TEST}
FORMAT = 1
PAPER_SEED = 42
RATIOS = (0.8, 0.1, 0.1)
_SMALLEST = 10  # of fewer images a tenth is none


@dataclass(frozen=True, eq=False)
class Split:
    """A partition of a data set's images into train, validation and test.

    Attributes:
        name: ``paper``, ``stratified``, ``grouped`` or ``file``.
        ids: image ids, in the data set's order.
        part: ``int8 (n,)``, read-only: TRAIN, VALIDATION or TEST for each image.
        groups: ``int64 (n,)``, read-only: images of one group share a part and, later, a fold; None
            where every image stands for itself.
    """

    name: str
    ids: tuple[str, ...]
    part: np.ndarray
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Freeze the arrays, so that the digest stays true."""
        _freeze(self, "part", np.int8)
        if not np.isin(self.part, (TRAIN, VALIDATION, TEST)).all():
            raise DataError(f"split {self.name} has part codes other than 0, 1 and 2")
        if self.groups is not None:
            _freeze(self, "groups", np.int64)
            check_groups(self.groups, len(self.ids))
            places = np.unique(np.stack([self.groups, self.part]), axis=1)
            if len(np.unique(self.groups)) != places.shape[1]:
                raise DataError(f"split {self.name} tears groups apart: split again by groups")

    @property
    def train(self) -> np.ndarray:
        """Row indices of the training set, ascending."""
        return np.flatnonzero(self.part == TRAIN)

    @property
    def validation(self) -> np.ndarray:
        """Row indices of the validation set, ascending."""
        return np.flatnonzero(self.part == VALIDATION)

    @property
    def test(self) -> np.ndarray:
        """Row indices of the test set, ascending."""
        return np.flatnonzero(self.part == TEST)

    @property
    def development(self) -> np.ndarray:
        """Row indices of train and validation together, ascending."""
        return np.flatnonzero(self.part != TEST)

    @cached_property
    def digest(self) -> str:
        """Digest over ids and parts: two splits with one digest are the same partition."""
        grouped = [] if self.groups is None else [self.groups.tolist()]
        return digest_of("split", self.ids, self.part.tolist(), *grouped)


@dataclass(frozen=True, eq=False)
class Folds:
    """Cross-validation folds over a split's development set, shared by every member.

    Attributes:
        ids: image ids, in the data set's order.
        split: name of the split that the folds were made for.
        fold: ``int16 (n,)``, read-only: fold number of each image, -1 outside the development set.
        k: number of folds.
        seed: seed that they were made with.
    """

    ids: tuple[str, ...]
    split: str
    fold: np.ndarray
    k: int
    seed: int

    def __post_init__(self) -> None:
        """Freeze the arrays, so that the digest stays true."""
        _freeze(self, "fold", np.int16)
        if np.unique(self.fold[self.fold != -1]).tolist() != list(range(self.k)):
            raise DataError(f"not every one of {self.k} folds has images: ask for fewer folds")

    @cached_property
    def digest(self) -> str:
        """Digest over ids, fold numbers and k; stored with every prediction made on them."""
        return digest_of("folds", self.ids, self.fold.tolist(), self.k)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield ``(fold number, rows to fit on, rows held out)`` for each fold."""
        for number in range(self.k):
            held = self.fold == number
            yield number, np.flatnonzero((self.fold != -1) & ~held), np.flatnonzero(held)


def paper_split(ids: Sequence[str]) -> Split:
    """Return the paper's split: ``RandomState(42).permutation(n)`` over naturally sorted ids.

    The first n // 10 of the permutation are validation, the next n // 10 test, the rest train
    (facts of the paper's published code).

    Raises:
        DataError: ids repeat or are not in natural order, or they are fewer than 10.
    """
    _require_enough(len(ids))
    if list(ids) != sorted(set(ids), key=natural_key):
        raise DataError("the paper's split needs ids in natural order (im2, im10), each once")
    tenth = len(ids) // 10
    # the stream of RandomState is frozen by NumPy's policy; that of default_rng is not
    order = np.random.RandomState(PAPER_SEED).permutation(len(ids))
    part = np.full(len(ids), TRAIN, np.int8)
    part[order[:tenth]] = VALIDATION
    part[order[tenth : 2 * tenth]] = TEST
    return Split("paper", tuple(ids), part)


def stratified_split(
    ids: Sequence[str], Y: np.ndarray, seed: int = 0, groups: np.ndarray | None = None
) -> Split:
    """Return a split of 80 / 10 / 10 % in which every label keeps its share.

    Args:
        ids: n image ids.
        Y: ``(n, L)`` of 0 and 1.
        seed: the same seed gives the same split.
        groups: ``int (n,)``, not negative; images of one group always share a part. The split is
            then named ``grouped`` and holds them, so that its folds keep them together too.

    Raises:
        DataError: shapes differ, or there are too few images or groups to fill three parts.
    """
    _require_enough(len(ids))
    _check_labels(Y, len(ids))
    part = iterative_stratification(known_positives(Y), RATIOS, seed, groups).astype(np.int8)
    name = "stratified" if groups is None else "grouped"
    return _filled(Split(name, tuple(ids), part, groups), "train", "validation", "test")


def file_split(path: Path, ids: Sequence[str]) -> Split:
    """Read a split from a file with an image and its part a line.

    CSV, JSON lines or Parquet with the columns ``image`` and ``split``, or two columns of any
    names, as :func:`~toolkit.data.readers.split_table.split_rows` reads them. A part is train,
    validation (or val) or test, in any case, or 0, 1 or 2. An image goes by its id, its file name,
    or the bare number in it where that is not ambiguous, and must be named exactly once.

    Raises:
        DataError: the file cannot be read as that, names an unknown image, a part that is none
            of these, or an image twice, or leaves images out; the first few are listed.
    """
    given = split_rows(path)
    meant = meaning(given)
    if not meant:
        words = listed(sorted({each.word for each in given}))
        raise DataError(
            f"split file {path} holds {words}: expected train, val and test, or numbers, of which "
            f"{SAID}; of 0 and 1 alone some mean training by 1, and others test"
        )
    found = assign(given, ids, f"split file {path}", meant)
    missing = [image for image, word in zip(ids, found.words, strict=True) if not word]
    example = f"ids look like {next(iter(ids), '')!r}"
    for wrong, what, remedy in (
        (_shown(found.unknown), "names images that the data set does not have", example),
        (_shown(found.repeated), "names images more than once", "keep one line for each"),
        (missing, "leaves images out", "add a line for each"),
    ):
        if wrong:
            count = f"{len(wrong)}: {listed(wrong, 3)}"
            raise DataError(f"split file {path} {what} ({count}): {remedy}")
    part = np.array([PARTS[meant[word]] for word in found.words], np.int8)
    return _filled(Split("file", tuple(ids), part), "train", "test")


def _shown(given: Sequence[Given]) -> list[str]:
    return [f"{each.place.rpartition(', ')[2]}: {each.image[:60]!r}" for each in given]


def make_folds(
    split: Split, Y: np.ndarray, k: int = 5, seed: int = 0, groups: np.ndarray | None = None
) -> Folds:
    """Return k folds of one size over the development set, every label spread evenly over them.

    Args:
        split: the split; its test images get fold -1.
        Y: ``(n, L)`` of 0 and 1, for all images of the split.
        k: number of folds, from 2.
        seed: the same seed gives the same folds.
        groups: ``int (n,)``, not negative; images of one group always share a fold. By default the
            split's own.

    Raises:
        UsageError: k is below 2.
        DataError: shapes differ, or there are fewer development images (or groups) than folds.
    """
    if k < 2:
        raise UsageError(f"the number of folds must be 2 or more, not {k}")
    _check_labels(Y, len(split.ids))
    rows = split.development
    groups = split.groups if groups is None else groups
    if groups is not None:
        check_groups(groups, len(split.ids))
        groups = groups[rows]
    units = len(rows) if groups is None else len(np.unique(groups))
    if units < k:
        what = "images" if groups is None else "groups of images"
        raise DataError(f"{units} development {what} cannot fill {k} folds: ask for fewer folds")
    fold = np.full(len(split.ids), -1, np.int16)
    spread = known_positives(Y[rows])
    fold[rows] = iterative_stratification(spread, np.full(k, 1 / k), seed, groups)
    return Folds(split.ids, split.name, fold, k, seed)


def save_split(split: Split, path: Path) -> None:
    """Write a split atomically as Parquet: ``image``, ``part`` and, if it has any, ``group``."""
    meta = {"format": FORMAT, "name": split.name, "codes": PARTS, "digest": split.digest}
    grouped = {} if split.groups is None else {"group": split.groups}
    write_table(path, {"image": split.ids, "part": split.part, **grouped}, meta)


def load_split(path: Path) -> Split:
    """Read what :func:`save_split` wrote; raise ArtifactError if it is missing or damaged."""

    def build(of: dict[str, Any], meta: dict[str, Any]) -> Split:
        return Split(meta["name"], of["image"], of["part"], of.get("group"))

    return _read(path, "split", build)


def save_folds(folds: Folds, path: Path) -> None:
    """Write folds atomically as Parquet with the columns ``image`` and ``fold``."""
    meta = {"format": FORMAT, "split": folds.split, "k": folds.k, "seed": folds.seed}
    write_table(path, {"image": folds.ids, "fold": folds.fold}, {**meta, "digest": folds.digest})


def load_folds(path: Path) -> Folds:
    """Read what :func:`save_folds` wrote; raise ArtifactError if it is missing or damaged."""

    def build(of: dict[str, Any], meta: dict[str, Any]) -> Folds:
        return Folds(of["image"], meta["split"], of["fold"], meta["k"], meta["seed"])

    return _read(path, "folds", build)


_Kept = TypeVar("_Kept", bound=Split | Folds)


def _read(path: Path, what: str, build: Callable[[dict[str, Any], dict[str, Any]], _Kept]) -> _Kept:
    try:
        columns, meta = read_table(path, f"the {what} file")
        kept = build(columns, meta)
        if meta["format"] == FORMAT and meta["digest"] == kept.digest:
            return kept
    except (KeyError, DataError):
        pass
    raise ArtifactError(f"{path} does not hold whole {what} in format {FORMAT}: make it again")


def _freeze(record: Split | Folds, field: str, dtype: type) -> None:
    ids, values = tuple(record.ids), np.asarray(getattr(record, field))
    if len(set(ids)) != len(ids) or values.shape != (len(ids),):
        raise DataError(f"ids of a split repeat, or there is not one {field} for each of them")
    kept: np.ndarray = values.astype(dtype)  # a copy
    if not np.array_equal(kept, values):
        raise DataError(f"{field} numbers of a split do not fit into {np.dtype(dtype)}")
    kept.setflags(write=False)
    object.__setattr__(record, "ids", ids)
    object.__setattr__(record, field, kept)


def _require_enough(n: int) -> None:
    if n < _SMALLEST:
        raise DataError(f"{counted(n, 'image')} too few to split: at least {_SMALLEST} are needed")


def _filled(split: Split, *parts: str) -> Split:
    empty = [part for part in parts if PARTS[part] not in split.part]
    if empty:
        where = f"the {split.name} split leaves {listed(empty)} without images"
        raise DataError(f"{where}: add images, or split without groups")
    return split


def known_positives(Y: np.ndarray) -> np.ndarray:
    """Return 1 where a label is known to apply, else 0: what folds are balanced by."""
    positive: np.ndarray = (Y == 1).astype(np.uint8)
    return positive


def _check_labels(Y: np.ndarray, n: int) -> None:
    if Y.ndim != 2 or len(Y) != n or not np.isin(Y, (0, 1, -1)).all():
        raise DataError(f"labels must be {n} rows of 0, 1 and -1, got an array of shape {Y.shape}")
