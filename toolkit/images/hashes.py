"""Hashes: one pass that decodes every file fully, for perceptual hashes and damaged files."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from toolkit.images.decode import UndecodableError, decode_pillow
from toolkit.images.places import connections, read_place, reading_order
from toolkit.runtime.processor import cores

Hashes = npt.NDArray[np.uint64]

_SIDE = 32
_LOW = 8


@dataclass(frozen=True, eq=False)
class ImageHashes:
    """Perceptual hashes of images, or why an image cannot be decoded; one entry an image.

    Attributes:
        difference: ``uint64 (n,)``, difference hash: is each pixel of an 8 x 8 thumbnail brighter
            than its left neighbour?
        frequency: ``uint64 (n,)``, DCT hash: is each of the 64 lowest frequencies of a 32 x 32
            thumbnail above their median (the constant term left out)?
        flat: ``bool (n,)``: hardly any structure, so the hashes mean nothing.
        problem: why an image cannot be decoded; empty where it can.
    """

    difference: Hashes
    frequency: Hashes
    flat: npt.NDArray[np.bool_]
    problem: tuple[str, ...]

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Tell which images have hashes that mean something."""
        bad: npt.NDArray[np.bool_] = np.array([bool(text) for text in self.problem]) | self.flat
        return ~bad


def hash_images(
    paths: Sequence[str | os.PathLike[str]], on_image: Callable[[int], None] | None = None
) -> ImageHashes:
    """Decode every image, in threads, and return its hashes or why it cannot be decoded.

    Args:
        paths: n files, or other places (see :mod:`toolkit.images.places`).
        on_image: called with 1 for each image.
    """
    places = [os.fspath(path) for path in paths]
    order = reading_order(places).tolist()
    found: list[tuple[int, int, bool, str]] = [(0, 0, True, "")] * len(places)
    with ThreadPoolExecutor(connections(places, max(2, cores()))) as pool:
        for row, one in zip(order, pool.map(_hashed, (places[row] for row in order)), strict=True):
            found[row] = one
            if on_image is not None:
                on_image(1)
    difference, frequency, flat, problem = zip(*found, strict=True)
    return ImageHashes(
        np.array(difference, np.uint64), np.array(frequency, np.uint64), np.array(flat), problem
    )


def _hashed(place: str) -> tuple[int, int, bool, str]:
    try:
        data = read_place(place)
        grey = decode_pillow(data, _SIDE).convert("L")
    except OSError as error:
        return 0, 0, True, f"cannot be read: {error.strerror}"
    except UndecodableError as error:
        return 0, 0, True, _plain(data, str(error))
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32)
    row = np.asarray(grey.resize((_LOW + 1, _LOW), Image.Resampling.BOX), np.float32)
    return difference_hash(row), frequency_hash(small), bool(small.std() < 2.0), ""


def _plain(data: bytes, reason: str) -> str:
    if not data:
        return "is empty"
    try:
        with Image.open(io.BytesIO(data)):
            pass
    except Exception:  # Pillow's plugins raise errors of many kinds on hostile files
        return f"is no image: {reason}"
    # a header that can be read and a body that cannot
    return f"is truncated or damaged: {reason}"


def difference_hash(pixels: npt.ArrayLike) -> int:
    """Return the 64-bit difference hash of brightness ``pixels`` (8, 9).

    >>> difference_hash(np.tile(np.arange(9), (8, 1))) == 2**64 - 1
    True
    """
    grey = np.asarray(pixels)
    return _bits(grey[:, 1:] > grey[:, :-1])


def frequency_hash(pixels: npt.ArrayLike) -> int:
    """Return the 64-bit hash of the low frequencies of brightness ``pixels`` (32, 32).

    Brightness and contrast do not enter: a median of the frequencies is the threshold, and the
    constant term, which would be one wasted bit, is replaced by the next frequency.
    """
    low = _cosines() @ np.asarray(pixels, np.float64) @ _cosines().T
    kept = np.append(low[:_LOW, :_LOW].ravel()[1:], low[_LOW, 0])
    return _bits(kept > np.median(kept))


@cache
def _cosines() -> npt.NDArray[np.float64]:
    """Return the first nine rows of the discrete cosine transform (DCT-II) of 32 samples."""
    places = (2 * np.arange(_SIDE) + 1) / (2 * _SIDE)
    basis: npt.NDArray[np.float64] = np.cos(np.pi * np.outer(np.arange(_LOW + 1), places))
    return basis


def _bits(flags: npt.NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(flags.ravel()).tobytes(), "big")
