"""Colour statistics of pictures: what the pixels themselves tell, with no label or network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from toolkit.images.pixel_store import PixelKey, PixelStore
from toolkit.images.sources import Images

SIDE = 32
_BLOCK = 2048


def colour_statistics(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Describe the colours of ``uint8 (n, S, S, 3)`` pictures.

    Returns:
        ``float32 (n, 8)``: mean and standard deviation of each channel, and mean and standard
        deviation of the saturation (greatest less least channel), all of [0, 1]; and ``float32
        (n, 1)``, 1 where the channels are equal everywhere: a single-channel picture.

    >>> grey = np.full((1, 2, 2, 3), 51, np.uint8)
    >>> statistics, single = colour_statistics(grey)
    >>> statistics[0, :3].round(2), single.tolist()
    (array([0.2, 0.2, 0.2], dtype=float32), [[1.0]])
    """
    values = pixels.reshape(len(pixels), -1, 3).astype(np.float32) / 255
    spread = values.max(2) - values.min(2)
    parts = [values.mean(1), values.std(1), spread.mean(1)[:, None], spread.std(1)[:, None]]
    single = (spread.max(1) == 0)[:, None]
    return np.concatenate(parts, 1).astype(np.float32), single.astype(np.float32)


def brightness(statistics: np.ndarray) -> np.ndarray:
    """Return the mean brightness of pictures by what :func:`colour_statistics` says of them.

    Args:
        statistics: ``float32 (n, 8)``.

    Returns:
        ``float32 (n,)`` of [0, 1]: red, green and blue as ITU-R BT.601 weighs them; NaN where
        nothing is known.
    """
    weighed: np.ndarray = statistics[:, :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    return weighed


def dataset_colours(images: Images, artifacts: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return :func:`colour_statistics` of images, decoded once to 32 pixels and kept.

    An image that cannot be decoded has NaN.
    """
    store = PixelStore(artifacts, PixelKey(SIDE, SIDE))
    store.fill(images)
    places = store.find(images.digests)
    statistics = np.full((len(images), 8), np.nan, np.float32)
    single = np.full((len(images), 1), np.nan, np.float32)
    there = np.flatnonzero(places >= 0)
    for start in range(0, len(there), _BLOCK):
        rows = there[start : start + _BLOCK]
        statistics[rows], single[rows] = colour_statistics(store.read(places[rows]))
    return statistics, single
