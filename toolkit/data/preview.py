"""Preview: what an import would find, before any image is read and anything is kept."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toolkit.data.importer import find_labels
from toolkit.data.readers.at_address import data_path
from toolkit.data.readers.base import MISSING, Options
from toolkit.data.readers.course import image_ids, said_spellings
from toolkit.data.readers.samples import LEFT_OUT
from toolkit.errors import check_choice, counted, listed
from toolkit.pages.tables import html_table
from toolkit.runtime.arguments import checked
from toolkit.storage.names import names_of


@dataclass(frozen=True, repr=False)
class Preview:
    """What a reader found in label files.

    Attributes:
        path: what was read.
        format: as which format.
        found: what was found, in a sentence.
        images: how many images are there.
        labels: of each label ``positives``, and ``unknown``, the share of images for which nobody
            knows.
        unknown: the share of unknown cells.
        parts: images of each part, where a split came with the labels; else empty.
        missing: listed images that are not there.
        passed_over: files that are no images.
        spellings: label names that differ only in case, with their counts; an import refuses them.
        remarks: what a person should know.
        refused: why an import would stop; empty where it would not.
    """

    path: Path
    format: str
    found: str
    images: int
    labels: Mapping[str, Mapping[str, float]]
    unknown: float
    parts: Mapping[str, int]
    missing: Sequence[str]
    passed_over: Sequence[str]
    spellings: Sequence[str]
    remarks: Sequence[str]
    refused: Sequence[str] = ()

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit data import --dry-run --json``."""
        return asdict(self) | {"path": str(self.path)}

    def __repr__(self) -> str:
        """Return what was found, one fact per line."""
        lines = [self.found, *self.remarks]
        if self.parts:
            lines.append("split: " + ", ".join(f"{n:,} {part}" for part, n in self.parts.items()))
        if self.unknown:
            each = {label: share["unknown"] for label, share in self.labels.items()}
            most = sorted(each, key=lambda label: -each[label])
            said = listed((f"{label} {each[label]:.1%}" for label in most), 6)
            lines.append(f"{self.unknown:.1%} of the cells unknown: {said}")
        refused = ["an import would stop: " + "; ".join(self.refused)] if self.refused else []
        return "\n".join([*lines, *refused, "nothing was written"])

    def _repr_html_(self) -> str:
        rows = [(name, each["positives"], each["unknown"]) for name, each in self.labels.items()]
        return html_table(["label", "positives", "unknown"], rows, repr(self).replace("\n", "; "))


@checked
def preview_data(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    image_column: str | None = None,
    labels: str | Sequence[str] | None = None,
    label_prefix: str | None = None,
    separator: str | None = None,
    header: bool = True,
    absent: str | None = None,
    missing: str = "error",
    root: str | os.PathLike[str] | None = None,
    annotations: str | None = None,
) -> Preview:
    """Say what an import would find, and write nothing; no image is read.

    Images that are not there, and label names spelt in two cases, are counted and listed here where
    an import refuses them.

    Args:
        path: a folder, or a file of labels.
        format: see :meth:`~toolkit.data.dataset.Dataset.read`, as for the others.
        image_column: column of a table that names images.
        labels: columns of a table that are labels, or the one that holds lists of them.
        label_prefix: what the names of label columns begin with.
        separator: between labels in a list.
        header: whether a CSV file begins with the names of its columns.
        absent: ``no`` or ``unknown``: what it means that a label is not given.
        missing: ``error`` or ``skip``: what an import would do with images that are not there.
        root: folder that holds the images, where they do not lie beside the labels.
        annotations: ``relevant`` or ``potential``, for MIRFLICKR-25000's own files.

    Raises:
        DataError: the labels cannot be read, or none of the images is there.
        UsageError: an option is not among its choices, or not for the format.
    """
    check_choice("missing", missing, MISSING)
    options = Options(
        annotations=annotations,
        image_column=image_column,
        labels=tuple(names_of(labels)),
        label_prefix=label_prefix,
        separator=separator,
        header=header,
        absent=absent,
        missing="skip",  # and said
        root=None if root is None else Path(root).absolute(),
    )
    known, found = find_labels(data_path(path), format, options)
    image_ids(found.files)  # an id that two have is refused here too
    spelt = said_spellings(found.labels, found.Y)
    remarks = list(found.remarks)
    refused = []
    if found.missing:
        then = "left out" if missing == "skip" else "refused; missing='skip' leaves them out"
        gone = counted(len(found.missing), "image")
        remarks.append(f"{gone} not there ({listed(found.missing, 3)}): {then}")
        refused += [f"{gone} not there"] if missing == "error" else []
    if missing == "error":
        left = [each for each in remarks if each.startswith(LEFT_OUT)]
        refused += [each.removeprefix(LEFT_OUT) for each in left]
    if spelt:
        names = counted(len(spelt), "label")
        remarks.append(f"{names} spelt in several ways, refused: {listed(spelt, 3)}")
        refused.append(f"{names} spelt in several ways")
    if found.passed_over:
        remarks.append(f"not image files, left out: {listed(found.passed_over)}")
    unknown = found.Y < 0
    return Preview(
        path=Path(path).absolute(),
        format=known,
        found=found.found or f"{known}: {counted(len(found.files), 'image')}",
        images=len(found.files),
        labels={
            label: {"positives": int(yes), "unknown": float(share)}
            for label, yes, share in zip(
                found.labels, (found.Y == 1).sum(axis=0), unknown.mean(axis=0), strict=True
            )
        },
        unknown=float(unknown.mean()),
        parts=dict(Counter(found.parts)),
        missing=list(found.missing),
        passed_over=list(found.passed_over),
        spellings=spelt,
        remarks=remarks,
        refused=refused,
    )
