"""The images that a user gives: folders, files, CSV lists, and pictures in memory."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image as Picture

from toolkit.data.readers.course import image_id, is_image_name
from toolkit.data.readers.folder import list_images
from toolkit.errors import DataError, UsageError, listed
from toolkit.images.given import several
from toolkit.storage.files import natural_key

logger = logging.getLogger(__name__)
Source = str | Picture | np.ndarray
Given = str | os.PathLike[str] | Picture | np.ndarray | Iterable[Any]


def find_images(given: Given) -> Iterator[tuple[str, Source]]:
    """Yield name and source of each image, in order.

    A single folder's images are named by their files' names; a CSV list's by what its column
    ``image`` says, relative to the list; other files by their paths as given; pictures in memory by
    their place among what is given, from 0. What else lies in a folder is passed over with a
    warning; a link that leads nowhere is an image that cannot be read.

    Args:
        given: a folder, an image file, a CSV file with a column ``image``, a picture of Pillow's,
            a ``uint8 (h, w, 3)`` array; or several of these.

    Raises:
        UsageError: a path is none of these, or the only one and not there.
        DataError: a folder has no images, a list no column.
    """
    listing = several(given)
    for place, one in enumerate(listing):
        if not isinstance(one, str | os.PathLike):
            yield str(place), one
            continue
        path = Path(one)
        if not os.fspath(one):
            raise UsageError("expected an image, a folder of images or a CSV list, found no path")
        try:
            folder = path.is_dir()
        except OSError as error:  # a name longer than the system takes
            raise UsageError(
                f"expected an image, a folder of images or a CSV list, found {str(path)[:60]!r} "
                f"and more ({error.strerror})"
            ) from error
        if folder:
            files, rest = list_images(path)
            broken = [name for name in rest if is_image_name(name) and (path / name).is_symlink()]
            files = sorted([*files, *broken], key=lambda file: (natural_key(image_id(file)), file))
            for file in files:
                yield (file if len(listing) == 1 else str(path / file)), str(path / file)
            others = [name for name in rest if name not in broken]
            if others:
                logger.warning("passed over in %s: %s", path, listed(others))
        elif path.suffix.lower() == ".csv" and path.is_file():
            yield from _listed(path)
        elif len(listing) == 1 and not path.exists() and not path.is_symlink():
            raise UsageError(
                f"expected an image, a folder of images or a CSV list, found no {path}"
            )
        elif is_image_name(path.name):
            yield str(path), str(path)
        else:
            raise UsageError(f"expected an image, a folder of images or a CSV list, found {path}")


def _listed(table: Path) -> Iterator[tuple[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            header = [name.strip() for name in rows.fieldnames or []]
            if "image" not in header:
                raise DataError(f"{table} has no column 'image': its header is {header[:8]}")
            rows.fieldnames = header
            for row in rows:
                name = (row["image"] or "").strip()
                if name:
                    yield name, str(table.parent / name)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a CSV file in UTF-8: {error}") from error
