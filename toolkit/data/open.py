"""Which data set a verb is about: one in hand, one by name, or the one last imported."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import dataset_file, last_dataset, load_dataset, save_dataset
from toolkit.data.synthetic import SYNTHETIC
from toolkit.errors import ToolkitError, UsageError
from toolkit.runtime.progress import Progress


def open_dataset(data: Dataset | str | None, artifacts: Path, progress: Progress) -> Dataset:
    """Return the data set that a verb was given.

    Args:
        data: a data set, which is kept under its name so that what is made of it finds it again;
            the name of one that was imported; or None for ``$TOOLKIT_DATA``, else the one last
            imported, else a synthetic one, which is painted if it is not there.
        artifacts: the artifacts folder.
        progress: where progress is shown.

    Raises:
        UsageError: there is no data set of that name, or ``data`` is something else.
    """
    if isinstance(data, Dataset):
        if not _kept(data, artifacts):
            save_dataset(data, artifacts)
        return data
    if data is not None and not isinstance(data, str):
        raise UsageError(
            f"data: expected a Dataset or the name of one, found {type(data).__name__}; folders "
            "and tables are read by Dataset.read and Dataset.from_frame"
        )
    if data == "":
        raise UsageError("data: expected the name of a data set, found no text")
    chosen = data or os.environ.get("TOOLKIT_DATA") or last_dataset(artifacts)
    if chosen is None:
        if dataset_file(artifacts, SYNTHETIC).is_file():
            return load_dataset(artifacts, SYNTHETIC)
        progress.say("no data set was named or imported: making the synthetic one")
        made = Dataset.synthetic(artifacts=artifacts, progress=progress)
        save_dataset(made, artifacts)
        return made
    return load_dataset(artifacts, chosen)


def _kept(dataset: Dataset, artifacts: Path) -> bool:
    try:
        there = load_dataset(artifacts, dataset.name)
    except ToolkitError:  # none of this name, or one that cannot be read
        return False
    return there.digest == dataset.digest and there.paths == dataset.paths
