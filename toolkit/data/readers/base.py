"""What a reader of labels is given and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import UsageError, check_choice

ABSENT = ("no", "unknown")
MISSING = ("error", "skip")
ID_KEY = "toolkit_id"  # column or key of ids in our own exports, where paths do not give them
METADATA = "metadata."  # what names of columns of metadata begin with there
PARTS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def part_named(name: str) -> str:
    """Return the part of a split that a file's name tells, or an empty text.

    >>> part_named("instances_val2017"), part_named("train-00000-of-00004"), part_named("photos")
    ('validation', 'train', '')
    """
    words = name.replace("-", "_").lower().rstrip("0123456789").split("_")
    return next((PARTS[word] for word in reversed(words) if word in PARTS), "")


@dataclass(frozen=True)
class Options:
    """How labels are read, where that cannot be seen.

    Attributes:
        annotations: ``relevant`` or ``potential``, for MIRFLICKR-25000's own files.
        image_column: column of a table that names images.
        labels: columns of a table that are labels, or the one that holds lists of them.
        label_prefix: what the names of label columns begin with; it is taken off.
        separator: between labels in a list.
        header: whether a table of text begins with the names of its columns.
        absent: what it means that a label is not given for an image: ``no`` or ``unknown``; None
            for what the format says.
        missing: what becomes of listed images that are not there: ``error`` or ``skip``.
        root: folder that holds the images, where they do not lie beside the labels.
    """

    annotations: str | None = None
    image_column: str | None = None
    labels: tuple[str, ...] = ()
    label_prefix: str | None = None
    separator: str | None = None
    header: bool = True
    absent: str | None = None
    missing: str = "error"
    root: Path | None = None

    def __post_init__(self) -> None:
        """Check the choices."""
        if self.absent is not None:
            check_choice("absent", self.absent, ABSENT)
        check_choice("missing", self.missing, MISSING)

    def only(self, format: str, *names: str) -> None:
        """Raise UsageError if an option is given that a format has no use for."""
        for each in fields(self):
            if each.name not in (*names, "missing") and getattr(self, each.name) != each.default:
                raise UsageError(f"{each.name} is not for {format}: leave the option out")


@dataclass(frozen=True)
class Labelled:
    """Images and their labels as a reader found them.

    Attributes:
        root: folder that ``files`` are relative to.
        files: n image files or addresses, in natural order of their ids.
        labels: L label names, sorted.
        Y: ``(n, L)``: 1 yes, 0 no, -1 unknown.
        passed_over: names of files that are no images.
        facts: of the format, kept as the data set's provenance.
        parts: ``train``, ``validation`` or ``test`` of each image; empty without a split.
        found: what was found, in a sentence.
        ids: of the images, in natural order; empty where they are the files' names without ending.
        remarks: what a person should know.
        missing: listed images that are not there and were left out.
        metadata: by name, further facts of each image, as text.
    """

    root: Path
    files: list[str]
    labels: tuple[str, ...]
    Y: np.ndarray
    passed_over: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    parts: Sequence[str] = ()
    found: str = ""
    ids: Sequence[str] = ()
    remarks: Sequence[str] = ()
    missing: Sequence[str] = ()
    metadata: Mapping[str, Sequence[str]] = field(default_factory=dict)


def absence(absent: str) -> str:
    """Return what it means that a label is not given, in a sentence for a person."""
    if absent == "no":
        return "a label that is not given counts as no (absent='unknown' leaves it unknown)"
    return "a label that is not given is unknown (absent='no' takes it for no)"


@dataclass(frozen=True)
class Format:
    """A label format.

    Attributes:
        recognises: says whether a path is of this format, without reading much.
        read: from a path and options.
    """

    recognises: Callable[[Path], bool]
    read: Callable[[Path, Options], Labelled]
