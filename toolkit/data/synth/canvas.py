"""What pictures are painted with: 8-bit RGB colours, and a canvas of twice the final size.

Lengths are in canvas sides (0 to 1, y downwards); points are complex, x + iy.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, ...]
Field = NDArray[np.float32]
Points = NDArray[np.complex128]

SIDE = 128
FULL = 2 * SIDE
WHITE: Colour = (250, 250, 248)
BLACK: Colour = (14, 14, 16)
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE


def hue(dice: Random, low: float, high: float, strong: float, light: float) -> Colour:
    """Return a colour of a hue from low to high, about as saturated and as light as given."""
    saturation, value = strong * dice.uniform(0.6, 1.2), light * dice.uniform(0.7, 1.15)
    drawn = colorsys.hsv_to_rgb(dice.uniform(low, high) % 1, min(1, saturation), min(1, value))
    return _clip(255 * c for c in drawn)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour ``share`` of the way from the first to the second."""
    return _clip(a + (b - a) * share for a, b in zip(first, second, strict=True))


def shade(colour: Colour, factor: float) -> Colour:
    """Return a colour made darker (factor < 1) or lighter (factor > 1)."""
    return _clip(c * factor for c in colour)


def _clip(channels: Iterable[float]) -> Colour:
    return tuple(min(255, max(0, round(c))) for c in channels)


class Canvas:
    """A square picture in the making, and the dice that decide everything about it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.dice = Random(int(rng.integers(2**62)))
        self.image = Image.new("RGB", (FULL, FULL))

    def fill(self, outline: Points | Sequence[complex], colour: Colour) -> None:
        """Fill a polygon."""
        corners = (FULL * np.asarray(outline, complex)).view(float).tolist()
        ImageDraw.Draw(self.image).polygon(corners, fill=colour)

    def blend(self, colour: Colour, opacity: Field, y0: float = 0) -> None:
        """Lay a colour over the rows from y0 down with an opacity field (SIDE, SIDE)."""
        mask = (np.clip(opacity, 0, 1) * (y0 <= Y) * 255).astype(np.uint8)
        self.image.paste(colour, (0, 0), Image.fromarray(mask.repeat(2, 0).repeat(2, 1)))

    def gradient(self, top: Colour, bottom: Colour, y0: float, y1: float = 1) -> None:
        """Fill the rows from y0 down: from one colour to another, reached at y1."""
        self.blend(top, np.ones_like(Y), y0)
        self.blend(bottom, (Y - y0) / (y1 - y0 + 0.01), y0)

    def noise(self, across: int, down: int) -> Field:
        """Return a cloudy field (SIDE, SIDE) of mean 0 and deviation 1."""
        total = np.zeros_like(Y)
        for k in range(4):
            shape = min(SIDE, down << k), min(SIDE, across << k)
            cells = Image.fromarray(self.rng.random(shape, dtype=np.float32))
            total += 0.55**k * np.asarray(cells.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        return np.asarray((total - total.mean()) / (total.std() + 1e-6), np.float32)
