"""The verb relabel_data: a new version of a data set with a person's corrections."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data.corrections import read_corrections
from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import list_datasets, save_dataset
from toolkit.data.open import open_dataset
from toolkit.data.readers.frame import require_frame
from toolkit.data.split_store import carry_splits
from toolkit.errors import DataError, UsageError, counted, listed
from toolkit.members.stale import stale_members
from toolkit.pages.tables import facts_table
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder
from toolkit.storage.files import safe_name

if TYPE_CHECKING:
    import pandas as pd

_VERSION = re.compile(r"(.+)-v(\d+)")


@dataclass(frozen=True, repr=False)
class Relabelled:
    """A new version of a data set.

    Attributes:
        dataset: the new version, kept under its name.
        correction: what provenance says of the corrections.
        stale: names of members that were fitted on the labels before.
    """

    dataset: Dataset
    correction: dict[str, Any]
    stale: list[str]

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit data relabel --json``."""
        name, digest = self.dataset.name, self.dataset.digest
        return {"name": name, "digest": digest, **self.correction, "stale": self.stale}

    def __repr__(self) -> str:
        """Return what was changed, and what is stale."""
        said = self.correction
        each = listed((f"{label} {count}" for label, count in said["by_label"].items()), 8)
        lines = [
            f"{self.dataset.name}: {counted(said['changed'], 'label')} of {said['from']} changed "
            f"({each}), {said['cells'] - said['changed']:,} confirmed"
        ]
        if said["left"]:
            lines.append(f"{counted(said['left'], 'row')} without a value, left as they were")
        if self.stale:
            lines.append(
                f"made on the labels before, stale: {listed(self.stale, 8)}; make them again with "
                f"--data {self.dataset.name}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return facts_table({key: value for key, value in self.facts().items() if key != "list"})


@checked
def relabel_data(
    corrections: str | os.PathLike[str] | pd.DataFrame,
    data: Dataset | str | None = None,
    *,
    name: str | None = None,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Relabelled:
    """Make a new version of a data set with a person's corrections of its labels.

    The images and their digests stay, so embeddings are found again, and so do splits: test images
    stay test images. What was changed is kept in the new version's provenance under
    ``corrections``. Members fitted on the labels before are named; wherever one is used with the
    new version it is refused, or left out, and said to be stale.

    Args:
        corrections: a table (CSV, JSON lines, Parquet) or a data frame with columns image, label
            and value: 1 yes, 0 no, -1 unknown. Rows without a value are left; other columns are
            passed over, so that a list of suspected label errors (``Audit.label_errors``) with a
            column ``value`` will do.
        data: the data set, or its name; see :func:`~toolkit.data.open.open_dataset`.
        name: of the new version; by default the data set's with ``-v2``, ``-v3`` and so on. With
            the data set's own name the new version takes its place.
        artifacts: where everything is kept.
        progress: where progress is shown.

    Raises:
        DataError: an image or a label is not the data set's, a value is none of 1, 0 and -1, one
            cell has two values, or nothing would change; nothing is written.
        UsageError: another data set has the name, or there is none to correct.
    """
    given = Path(corrections) if isinstance(corrections, str | os.PathLike) else corrections
    if not isinstance(given, Path):
        require_frame("corrections", given)
    elif not given.is_file():
        raise DataError(f"expected a file of corrections, found none at {given}")
    progress, folder = choose_progress(progress), artifacts_folder(artifacts)
    dataset = open_dataset(data, folder, progress)
    there = list_datasets(folder)
    name = _next(dataset.name, there) if name is None else safe_name(name, "data set name")
    if name in there and name != dataset.name:
        raise UsageError(
            f"a data set named {name!r} is there: choose another name, or {dataset.name!r} to "
            "replace that one"
        )
    found = read_corrections(given, dataset)
    if not found.changes(dataset).any():
        raise DataError(
            f"{found.source}: all {len(found.rows):,} corrections agree with the labels of "
            f"{dataset.name}: there is nothing to change"
        )
    Y = dataset.Y.copy()
    Y[found.rows, found.columns] = found.values
    facts = found.facts(dataset)
    history = [*dataset.provenance.get("corrections", ()), facts]
    new = replace(
        dataset, name=name, Y=Y, provenance={**dataset.provenance, "corrections": history}
    )
    carry_splits(dataset, new, folder)
    save_dataset(new, folder)
    return Relabelled(new, facts, stale_members(folder, [dataset.digest]))


def _next(name: str, there: list[str]) -> str:
    """Return the first free name of a next version.

    >>> _next("photos", []), _next("photos-v2", ["photos-v3"])
    ('photos-v2', 'photos-v4')
    """
    version = _VERSION.fullmatch(name)
    stem, number = (version[1], int(version[2])) if version else (name, 1)
    while (name := f"{stem}-v{(number := number + 1)}") in there:
        continue
    return safe_name(name, "data set name")
