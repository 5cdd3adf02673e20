"""What a writer of labels is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Content:
    """Images and labels on their way out.

    Attributes:
        ids: of n images.
        files: path of each image relative to the folder that the export is relative to.
        paths: absolute path of each image.
        shapes: ``int32 (n, 2)``, width and height in pixels; 0 where unknown.
        labels: L names.
        Y: ``int8 (n, L)``: 1 yes, 0 no, -1 unknown.
        parts: ``train``, ``validation`` or ``test`` of each image; empty without a split.
        own_ids: ``ids`` where reading would not make them from ``files``, else empty.
        metadata: by name, further facts of each image, as text.
        images: ``path``, or ``bytes`` for the images' content, where the format can hold it.
    """

    ids: Sequence[str]
    files: Sequence[str]
    paths: Sequence[str]
    shapes: np.ndarray
    labels: Sequence[str]
    Y: np.ndarray
    parts: Sequence[str] = ()
    own_ids: Sequence[str] = ()
    images: str = "path"
    metadata: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def named(self, row: int, value: int) -> list[str]:
        """Return the labels that have a value in a row."""
        return [self.labels[at] for at in np.flatnonzero(self.Y[row] == value).tolist()]


@dataclass(frozen=True)
class Writer:
    """A format that labels go out in.

    Attributes:
        endings: of its files.
        write: writes a whole file to a temporary path.
        holds: what ``images`` may be.
    """

    endings: tuple[str, ...]
    write: Callable[[Content, Path], None]
    holds: tuple[str, ...] = ("path",)
