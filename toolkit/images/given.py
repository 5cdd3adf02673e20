"""Images as a user gives them: paths, Pillow images or arrays, in a list."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from toolkit.errors import DataError
from toolkit.images.addresses import is_address
from toolkit.images.decode import as_rgb
from toolkit.images.places import connections, first_look, read_place
from toolkit.images.sources import Image, Images
from toolkit.storage.files import digest_bytes

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")  # those that a PNG file holds as they are


def given_images(given: Any) -> Images:
    """Return images in their order, each with the digest of its content.

    Args:
        given: one place such as a path (see :mod:`toolkit.images.places`), Pillow image or array
            ``uint8 (h, w, 3)`` or ``(h, w)``; or several, as a list, a column of a table, or an
            array ``uint8 (n, h, w, 3)``; three dimensions are one picture. What is no file is
            encoded without loss, of more than 8 bits a channel as a file of it would be read.

    Raises:
        DataError: a file cannot be read, or something is no image.
    """
    listing = several(given)
    names = (f"image {at}" for at in range(len(listing)))
    addresses = [each for each in listing if isinstance(each, str) and is_address(each)]
    if not addresses:
        return Images.of(map(given_image, listing, names))
    with ThreadPoolExecutor(connections(addresses)) as pool:
        return Images.of(pool.map(given_image, listing, names))


def several(given: Any) -> list[Any]:
    """Return what was given as a list, a single image in a list of its own."""
    single = isinstance(given, str | os.PathLike | Pillow.Image)
    if isinstance(given, np.ndarray) and given.dtype == np.uint8:
        single = given.ndim in (2, 3)  # several pictures have four dimensions
    if single:
        return [given]
    if isinstance(given, np.ndarray) and given.ndim == 2 and given.shape[1] == 1:
        return list(given[:, 0])  # a table with one column of paths
    if hasattr(given, "iloc") and getattr(given, "ndim", 1) == 2:
        if given.shape[1] != 1:
            raise DataError(f"images: expected one column, found {given.shape[1]}")
        return list(given.iloc[:, 0])
    return list(given)


def given_image(each: Any, name: str) -> Image:
    """Return one image with the digest of its content.

    Args:
        each: a place (see :mod:`toolkit.images.places`), a Pillow image or an array.
        name: of what is no file.

    Raises:
        DataError: a file cannot be read, or it is no image.
    """
    if isinstance(each, str | os.PathLike):
        path = os.fspath(each)
        try:
            if is_address(path):  # of a file in a tar, whoever reads it again needs its range alone
                facts, place = first_look(path)
                return Image(path, place, facts.digest)
            return Image(path, path, digest_bytes(read_place(path)))
        except OSError as error:
            raise DataError(f"image {path} cannot be read: {error.strerror}") from error
    if isinstance(each, np.ndarray):
        if each.dtype != np.uint8 or not (each.ndim == 2 or each.shape[2:] == (3,)):
            raise DataError(
                f"{name}: expected an array uint8 (h, w, 3) or (h, w), found {each.dtype} "
                f"{each.shape}"
            )
        each = Pillow.fromarray(each)
    if not isinstance(each, Pillow.Image):
        raise DataError(
            f"{name}: expected a path, a Pillow image or an array, found {type(each).__name__}"
        )
    upright = ImageOps.exif_transpose(each)  # as a file's orientation is heeded
    if upright.mode not in _MODES:
        upright = as_rgb(upright)  # as of a file
    file = io.BytesIO()
    upright.save(file, format="PNG", compress_level=1)
    data = file.getvalue()
    return Image(name, "", digest_bytes(data), data)
