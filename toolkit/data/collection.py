"""The data sets kept under an artifacts folder: imported, painted, fetched, described, listed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import last_dataset, list_datasets, save_dataset
from toolkit.data.fetch import fetch_mirflickr25k
from toolkit.data.info import describe
from toolkit.data.open import open_dataset
from toolkit.data.split_store import SPLITS, get_split, keep_file_split
from toolkit.data.synthetic import IMAGES, SYNTHETIC
from toolkit.errors import DataError, UsageError
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder

Folder = str | os.PathLike[str] | None


@checked
def import_data(
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    format: str | None = None,
    image_column: str | None = None,
    labels: str | Sequence[str] | None = None,
    label_prefix: str | None = None,
    separator: str | None = None,
    header: bool = True,
    absent: str | None = None,
    missing: str = "error",
    root: Folder = None,
    annotations: str | None = None,
    pairing: str = "by-id",
    split_file: str | os.PathLike[str] | None = None,
    artifacts: Folder = None,
    progress: Any = None,
) -> Dataset:
    """Read images with labels and keep the data set under its name; see :meth:`Dataset.read`.

    Args:
        path: a folder, or a file of labels.
        name: of the data set; by default made from the path.
        format: see :meth:`Dataset.read`, as for all options up to ``pairing``.
        image_column: column of a table that names images.
        labels: columns of a table that are labels, or the one that holds lists of them.
        label_prefix: what the names of label columns begin with.
        separator: between labels in a list.
        header: whether a CSV file begins with the names of its columns.
        absent: ``no`` or ``unknown``: what it means that a label is not given.
        missing: ``error`` or ``skip``, for listed images that are not there.
        root: folder that holds the images, where they do not lie beside the labels.
        annotations: ``relevant`` or ``potential``, for MIRFLICKR-25000's own files.
        pairing: ``by-id``, or ``published``.
        split_file: a file with an image and its part a line (CSV, JSON lines, Parquet), kept as the
            split named ``file``.
        artifacts: where everything is kept.
        progress: where progress is shown.
    """
    progress, folder = choose_progress(progress), artifacts_folder(artifacts)
    dataset = Dataset.read(
        path,
        name,
        format=format,
        image_column=image_column,
        labels=labels,
        label_prefix=label_prefix,
        separator=separator,
        header=header,
        absent=absent,
        missing=missing,
        root=root,
        annotations=annotations,
        pairing=pairing,
        progress=progress,
    )
    if dataset.parts:
        progress.say("a split came with the labels: --split file (split='file') goes by it")
    if split_file is not None:
        keep_file_split(dataset, Path(split_file), folder)
    save_dataset(dataset, folder)
    if pairing == "published":
        progress.say("warning: labels were paired by position, as published; this is a known fault")
    return dataset


@checked
def synth_data(
    images: int = IMAGES,
    name: str = SYNTHETIC,
    *,
    seed: int = 0,
    artifacts: Folder = None,
    progress: Any = None,
) -> Dataset:
    """Paint a synthetic data set and keep it under its name; see :meth:`Dataset.synthetic`."""
    folder = artifacts_folder(artifacts)
    dataset = Dataset.synthetic(images, name, seed=seed, artifacts=folder, progress=progress)
    save_dataset(dataset, folder)
    return dataset


@checked
def fetch_data(what: str, *, artifacts: Folder = None, progress: Any = None) -> Dataset:
    """Download the official archives of a data set from their publisher and import them.

    Args:
        what: ``mirflickr25k``.
        artifacts: where everything is kept.
        progress: where progress is shown.

    Raises:
        UsageError: it is another one.
        FetchError: a download could not be completed or did not verify.
    """
    progress, folder = choose_progress(progress), artifacts_folder(artifacts)
    if what != "mirflickr25k":
        raise UsageError(f"expected mirflickr25k as what is fetched, found {what!r}")
    with progress.task("downloading (bytes)") as task:

        def on_progress(done: int, total: int | None) -> None:
            if total is not None:
                task.start(total)
            task.advance(done - task.done)

        source = fetch_mirflickr25k(folder / "datasets" / what / "source", on_progress=on_progress)
    return import_data(source, what, artifacts=folder, progress=progress)


@checked
def describe_data(
    data: Dataset | str | None = None, *, artifacts: Folder = None, progress: Any = None
) -> dict[str, Any]:
    """Return what a data set holds; see :func:`~toolkit.data.info.describe`."""
    folder = artifacts_folder(artifacts)
    dataset = open_dataset(data, folder, choose_progress(progress))
    splits = {}
    for split in SPLITS:
        try:
            splits[split] = get_split(dataset, split, folder)
        except (UsageError, DataError):
            continue  # no split of the user's own, or too few images to split
    return describe(dataset, splits)


@checked
def list_data(*, artifacts: Folder = None) -> dict[str, Any]:
    """Return ``datasets``, the names of the data sets, and ``last``, the one last imported."""
    folder = artifacts_folder(artifacts)
    return {"datasets": list_datasets(folder), "last": last_dataset(folder)}
