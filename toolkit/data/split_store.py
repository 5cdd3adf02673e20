"""Splits and folds of a data set on disk: made once and kept with it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import dataset_file
from toolkit.data.split import (
    PARTS,
    Folds,
    Split,
    file_split,
    load_folds,
    load_split,
    make_folds,
    paper_split,
    save_folds,
    save_split,
    stratified_split,
)
from toolkit.errors import ArtifactError, DataError, UsageError, check_choice, check_whole

SPLITS = ("paper", "stratified", "grouped", "file")


def get_split(dataset: Dataset, name: str, artifacts: Path) -> Split:
    """Return a data set's split, made if it is not kept yet.

    Its file is named after the data set's digest, so a data set imported anew gets a new one.

    Raises:
        UsageError: the name is unknown, ``file`` was never given, or no duplicates were looked for
            that ``grouped`` could keep together.
        DataError: there are too few images to split.
        ArtifactError: the kept file is damaged.
    """
    check_choice("split", name, SPLITS)
    path = _split_file(dataset, name, artifacts)
    if path.is_file():
        return _fitting(load_split(path), dataset, path)
    if name == "file" and dataset.parts:
        part = np.array([PARTS[each] for each in dataset.parts], np.int8)
        return Split("file", dataset.ids, part)
    if name == "file":
        raise UsageError(
            f"data set {dataset.name} has no split of its own: give one with "
            "'toolkit data import … --split-file CSV'"
        )
    if name == "grouped":
        raise UsageError(
            f"data set {dataset.name} has no split by groups of duplicates: make it with "
            f"'toolkit audit --group-duplicates --data {dataset.name}'"
        )
    split = (
        paper_split(dataset.ids) if name == "paper" else stratified_split(dataset.ids, dataset.Y)
    )
    save_split(split, path)
    return split


def keep_file_split(dataset: Dataset, csv: Path, artifacts: Path) -> Split:
    """Read a user's split and keep it as the data set's ``file`` split.

    Raises:
        DataError: it is not a split of these images.
    """
    split = file_split(csv, dataset.ids)
    save_split(split, _split_file(dataset, "file", artifacts))
    return split


def keep_grouped_split(dataset: Dataset, groups: np.ndarray, artifacts: Path) -> Split:
    """Make and keep the data set's ``grouped`` split: stratified, no group torn apart.

    Args:
        dataset: the data set.
        groups: ``int (n,)``, not negative; images of one group show the same picture.
        artifacts: the artifacts folder.

    Raises:
        DataError: there are too few groups to fill three parts.
    """
    split = stratified_split(dataset.ids, dataset.Y, groups=groups)
    save_split(split, _split_file(dataset, "grouped", artifacts))
    return split


def carry_splits(dataset: Dataset, new: Dataset, artifacts: Path) -> None:
    """Keep a data set's splits for one of the same images with other labels.

    A split that was not made yet is made on the labels before, so that no test image becomes one to
    learn from because a label was corrected.
    """
    for name in SPLITS:
        try:
            split = get_split(dataset, name, artifacts)
        except (UsageError, DataError):
            continue  # there is no such split, or too few images for one
        save_split(split, _split_file(new, name, artifacts))


def get_folds(dataset: Dataset, split: Split, artifacts: Path, k: int = 5, seed: int = 0) -> Folds:
    """Return the folds over a split's development set, made if they are not kept yet.

    Folds of the ``grouped`` split keep its groups together.

    Raises:
        UsageError: k is below 2.
        DataError: the development set is too small for k folds.
        ArtifactError: the kept file is damaged.
    """
    k = check_whole("folds", k, 2)
    folder = dataset_file(artifacts, dataset.name).parent / "folds"
    path = folder / f"{split.name}-{split.digest[:8]}-{dataset.digest[:8]}-k{k}-s{seed}.parquet"
    if path.is_file():
        return _fitting(load_folds(path), dataset, path)
    folds = make_folds(split, dataset.Y, k, seed)
    save_folds(folds, path)
    return folds


_Kept = TypeVar("_Kept", bound=Split | Folds)


def _fitting(kept: _Kept, dataset: Dataset, path: Path) -> _Kept:
    if kept.ids != dataset.ids:
        raise ArtifactError(
            f"{path} is of other images than data set {dataset.name}, by whose digest it is named: "
            "it was moved or changed; delete it, and it is made anew"
        )
    return kept


def _split_file(dataset: Dataset, name: str, artifacts: Path) -> Path:
    folder = dataset_file(artifacts, dataset.name).parent / "splits"
    return folder / f"{name}-{dataset.digest[:8]}.parquet"
