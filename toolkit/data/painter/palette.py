"""What the painter paints with: dice to throw, and colours to mix.

Colours are 8-bit RGB; hues, saturations and values lie in [0, 1].
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Colour = tuple[int, int, int]
T = TypeVar("T")

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (12, 12, 14)


class Dice:
    """A numpy Generator with the few throws that a painter needs."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Take the generator that decides every throw."""
        self.rng = rng

    def between(self, low: float, high: float) -> float:
        """Return a number drawn uniformly from [low, high)."""
        return low + (high - low) * float(self.rng.random())

    def around(self, centre: float, spread: float) -> float:
        """Return a normal number cut off at two standard deviations."""
        throw = float(self.rng.standard_normal())
        return centre + spread * min(2.0, max(-2.0, throw))

    def many(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(float(self.rng.random()) * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return float(self.rng.random()) < probability

    def sign(self) -> int:
        """Return -1 or 1."""
        return 1 if self.chance(0.5) else -1

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items, each equally likely."""
        return items[int(float(self.rng.random()) * len(items))]

    def hue(self, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
        """Return a colour of any hue within a range of saturations and of values."""
        return hsv(self.between(0.0, 1.0), self.between(*saturation), self.between(*value))

    def tinge(self, colour: Colour, amount: float = 18.0) -> Colour:
        """Return a colour a little off the given one, in lightness more than in hue."""
        lift = self.around(0.0, amount * 0.7)
        red, green, blue = (c + lift + self.around(0.0, amount * 0.4) for c in colour)
        return clipped(red, green, blue)


def clipped(red: float, green: float, blue: float) -> Colour:
    """Round three channel values into a colour."""
    return (
        min(255, max(0, round(red))),
        min(255, max(0, round(green))),
        min(255, max(0, round(blue))),
    )


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return the colour of a hue, a saturation and a value, each in [0, 1]."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return clipped(255 * red, 255 * green, 255 * blue)


def shade(colour: Colour, factor: float) -> Colour:
    """Return a colour made darker (factor < 1) or lighter (factor > 1)."""
    return clipped(colour[0] * factor, colour[1] * factor, colour[2] * factor)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour ``share`` of the way from the first to the second."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return clipped(red, green, blue)
