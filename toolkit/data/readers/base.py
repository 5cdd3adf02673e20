"""What a reader of labels returns, and the readers there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Labelled:
    """Images and their labels as a reader found them.

    Attributes:
        root: folder that ``files`` are relative to.
        files: n image files, in natural order of their ids.
        labels: L label names, sorted.
        Y: ``uint8 (n, L)``.
        passed_over: names of files that are no images.
        facts: of the format, kept as the data set's provenance.
    """

    root: Path
    files: list[str]
    labels: tuple[str, ...]
    Y: np.ndarray
    passed_over: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A label format.

    Attributes:
        recognises: says whether a path is of this format, without reading much.
        read: from a path and the options given to the reader, such as ``annotations``.
    """

    recognises: Callable[[Path], bool]
    read: Callable[..., Labelled]
