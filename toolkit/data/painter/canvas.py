"""A canvas of twice the final size, and pens that draw on it.

Lengths are in units of the canvas side (0 to 1, y downwards). A pen has its own origin, scale,
angle and mirroring, so that a dog is described once and drawn anywhere.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from toolkit.data.painter.palette import Colour, Dice, shade

Ink = Colour | int
Point = tuple[float, float]
Outline = str | Sequence[Point]
Field = NDArray[np.float32]
Outlined = NDArray[np.complex128]

SIDE = 128
FULL = 2 * SIDE

_TURNS = np.exp(1j * np.linspace(0.0, 2.0 * np.pi, 28, endpoint=False))


class Pen:
    """Draws shapes given in local coordinates: ``origin + unit * point``, mirrored first.

    An outline is a sequence of (x, y) pairs or, as in SVG, a text such as ``"0,-.5 .3,.1"``.
    """

    def __init__(
        self, draw: ImageDraw.ImageDraw, origin: complex, unit: complex, mirrored: bool = False
    ) -> None:
        """Take the place and the scale in pixels, as complex numbers."""
        self._draw = draw
        self._origin = origin
        self._unit = unit
        self._mirrored = mirrored

    def at(self, x: float, y: float, size: float = 1.0, angle: float = 0.0) -> Pen:
        """Return a pen whose origin, scale and angle (radians) are relative to this one."""
        z = complex(-x, y) if self._mirrored else complex(x, y)
        turn = cmath.exp(1j * (-angle if self._mirrored else angle))
        return Pen(
            self._draw, self._origin + self._unit * z, self._unit * size * turn, self._mirrored
        )

    def both(self) -> Iterator[Pen]:
        """Yield this pen and its mirror image: for eyes, ears and whatever else comes in pairs."""
        yield self
        yield Pen(self._draw, self._origin, self._unit, not self._mirrored)

    def polygon(self, outline: Outline, fill: Ink) -> None:
        """Fill a polygon."""
        self._draw.polygon(self._pixels(_points(outline)), fill=fill)

    def shape(self, outline: Outline, fill: Ink) -> None:
        """Fill the smooth closed curve (Catmull-Rom) through some points."""
        self._draw.polygon(self._pixels(_smooth(_points(outline))), fill=fill)

    def twofold(self, outline: Outline, fill: Ink) -> None:
        """Fill the smooth closed curve through the right half of a symmetric outline."""
        half = _points(outline)
        left = -half[half.real != 0.0][::-1].conj()
        self._draw.polygon(self._pixels(_smooth(np.concatenate([half, left]))), fill=fill)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: Ink, angle: float = 0.0
    ) -> None:
        """Fill an ellipse with two radii, turned by an angle in radians."""
        ring = rx * _TURNS.real + 1j * ry * _TURNS.imag
        ring = ring * cmath.exp(1j * angle) if angle else ring
        self._draw.polygon(self._pixels(ring + complex(x, y)), fill=fill)

    def disc(self, x: float, y: float, r: float, fill: Ink) -> None:
        """Fill a circle."""
        self.ellipse(x, y, r, r, fill)

    def ball(self, x: float, y: float, r: float, fill: Colour) -> None:
        """Fill a circle in four tones, so that it looks round and lit from the upper left."""
        for step, tone in enumerate((0.72, 0.9, 1.06, 1.2)):
            away = -0.06 * r * step
            self.disc(x + away, y + away, r * (1.0 - 0.22 * step), shade(fill, tone))

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Ink) -> None:
        """Fill a rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def line(self, outline: Outline, width: float, fill: Ink) -> None:
        """Draw a line of a width in local units, at least one pixel wide."""
        self._stroke(_points(outline), width, fill)

    def curve(self, outline: Outline, width: float, fill: Ink) -> None:
        """Draw a smooth line through some points."""
        self._stroke(_smooth_open(_points(outline)), width, fill)

    def limb(self, joints: Sequence[Point], width: float, fill: Ink) -> None:
        """Draw a bent line with round ends: a leg, an arm, a finger."""
        self.line(joints, width, fill)
        for x, y in joints:
            self.disc(x, y, width / 2, fill)

    def blob(self, x: float, y: float, r: float, fill: Ink, dice: Dice, rough: float = 0.2) -> None:
        """Fill an uneven round shape."""
        radii = r * (1.0 + rough * (2.0 * dice.rng.random(9) - 1.0))
        ring = radii * np.exp(2j * np.pi * np.arange(9) / 9)
        self._draw.polygon(self._pixels(_smooth(ring + complex(x, y))), fill=fill)

    def _stroke(self, z: Outlined, width: float, fill: Ink) -> None:
        pixels = max(1, round(width * abs(self._unit)))
        self._draw.line(self._pixels(z), fill=fill, width=pixels, joint="curve")

    def _pixels(self, z: Outlined) -> list[float]:
        if self._mirrored:
            z = -z.conj()
        flat: list[float] = (self._origin + self._unit * z).view(np.float64).tolist()
        return flat


class Light(NamedTuple):
    """A lamp, a lit window or a star, and the paint that lay there when it was noted."""

    x: float
    y: float
    r: float
    colour: Colour
    under: object


class Canvas:
    """A square picture in the making, its dice, and the lights to switch on at night."""

    def __init__(self, dice: Dice) -> None:
        """Start with a grey sheet."""
        self.dice = dice
        self.lights: list[Light] = []
        self._replace(Image.new("RGB", (FULL, FULL), (128, 128, 128)))

    def _replace(self, image: Image.Image) -> None:
        self.image = image
        self.draw = ImageDraw.Draw(image)

    def pen(
        self,
        x: float = 0.0,
        y: float = 0.0,
        size: float = 1.0,
        angle: float = 0.0,
        mirrored: bool = False,
    ) -> Pen:
        """Return a pen at a place of the canvas; ``size`` is its unit in canvas sides."""
        unit = FULL * size * cmath.exp(1j * angle)
        return Pen(self.draw, complex(x, y) * FULL, unit, mirrored)

    def light(self, x: float, y: float, r: float, colour: Colour) -> None:
        """Note a round light of radius r, to be switched on by :meth:`nightfall`.

        It stays dark if something is painted over its middle before that.
        """
        self.lights.append(Light(x, y, r, colour, self._pixel(x, y)))

    def _pixel(self, x: float, y: float) -> object:
        place = (int(x * FULL), int(y * FULL))
        return self.image.getpixel(place) if 0 <= min(place) <= max(place) < FULL else None

    def _uncovered(self) -> list[Light]:
        return [light for light in self.lights if self._pixel(light.x, light.y) == light.under]

    def gradient(self, top: Colour, bottom: Colour, y0: float = 0.0, y1: float = 1.0) -> None:
        """Fill the rows from y0 to y1 with a vertical gradient."""
        first, last = max(0, int(y0 * FULL)), min(FULL, math.ceil(y1 * FULL))
        if last <= first:
            return
        steps = np.linspace(0.0, 1.0, last - first)[:, None]
        rows = np.asarray(top) * (1.0 - steps) + np.asarray(bottom) * steps
        strip = Image.fromarray(rows.astype(np.uint8)[:, None, :])
        self.image.paste(strip.resize((FULL, last - first)), (0, first))

    def noise(self, across: int, down: int, octaves: int = 4) -> Field:
        """Return a cloudy field (SIDE, SIDE) in about [0, 1], with that many coarse cells."""
        total = np.zeros((SIDE, SIDE), np.float32)
        weight, height = 0.0, 1.0
        for _ in range(octaves):
            cells = self.dice.rng.random((min(SIDE, down), min(SIDE, across)), dtype=np.float32)
            smooth = Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            total += height * np.asarray(smooth)
            weight += height
            height *= 0.55
            across, down = across * 2, down * 2
        return total / weight

    def blend(self, colour: Colour, opacity: Field, box: tuple[float, float] = (0.0, 1.0)) -> None:
        """Lay a colour over the rows of ``box`` with an opacity field in [0, 1]."""
        opacity = np.clip(opacity * 255.0, 0.0, 255.0)
        first, last = (round(min(1.0, max(0.0, edge)) * SIDE) for edge in box)
        opacity[:first] = 0.0
        opacity[last:] = 0.0
        mask = Image.fromarray(opacity.astype(np.uint8)).resize((FULL, FULL))
        self.image.paste(colour, (0, 0, FULL, FULL), mask)

    def layer(self) -> tuple[Image.Image, Pen]:
        """Return an empty mask of the canvas' size and a pen on it, for :meth:`cover`."""
        mask = Image.new("L", (FULL, FULL), 0)
        return mask, Pen(ImageDraw.Draw(mask), 0j, complex(FULL))

    def cover(self, colour: Colour, mask: Image.Image, blur: float = 0.0) -> None:
        """Lay a colour over the canvas through a mask, blurred by a radius in canvas sides."""
        if blur:
            mask = soften(mask, blur)
        self.image.paste(colour, (0, 0, FULL, FULL), mask)

    def blur(self, radius: float) -> None:
        """Put everything painted so far out of focus."""
        lights = self._uncovered()
        self._replace(soften(self.image, radius))
        self.lights = [light._replace(under=self._pixel(light.x, light.y)) for light in lights]

    def nightfall(self, darkness: Colour) -> None:
        """Darken everything by a multiplying colour, then add the glow of the lights."""
        lights = self._uncovered()
        dark = ImageChops.multiply(self.image, Image.new("RGB", (FULL, FULL), darkness))
        halo = Image.new("RGB", (FULL, FULL))
        pen = Pen(ImageDraw.Draw(halo), 0j, complex(FULL))
        for light in lights:
            pen.disc(light.x, light.y, 2.2 * light.r, shade(light.colour, 0.6))
        dark = ImageChops.screen(dark, soften(halo, 0.025))
        core = Pen(ImageDraw.Draw(dark), 0j, complex(FULL))
        for light in lights:
            core.disc(light.x, light.y, light.r, light.colour)
        self._replace(dark)


def soften(image: Image.Image, radius: float) -> Image.Image:
    """Return an image blurred by a radius in canvas sides; wide blurs work on fewer pixels."""
    pixels = radius * FULL
    if pixels < 3.0:
        return image.filter(ImageFilter.GaussianBlur(pixels))
    small = image.reduce(4).filter(ImageFilter.GaussianBlur(pixels / 4))
    return small.resize(image.size, Image.Resampling.BICUBIC)


@cache
def _parsed(outline: str) -> Outlined:
    numbers = [float(number) for number in outline.replace(",", " ").split()]
    return np.array(numbers).view(np.complex128)


def _points(outline: Outline) -> Outlined:
    if isinstance(outline, str):
        return _parsed(outline)
    return np.array(outline, np.float64).view(np.complex128)[:, 0]


_T = np.linspace(0.0, 1.0, 6)[:-1, None]
_BASIS = (
    -0.5 * _T + _T**2 - 0.5 * _T**3,
    1.0 - 2.5 * _T**2 + 1.5 * _T**3,
    0.5 * _T + 2.0 * _T**2 - 1.5 * _T**3,
    -0.5 * _T**2 + 0.5 * _T**3,
)


def _smooth(z: Outlined) -> Outlined:
    # Catmull-Rom: between z[k] and z[k+1], cubic in t with the neighbours z[k-1] and z[k+2]
    return _spline(np.concatenate([z[-1:], z, z[:2]]))


def _smooth_open(z: Outlined) -> Outlined:
    return np.append(_spline(np.concatenate([z[:1], z, z[-1:]])), z[-1])


def _spline(z: Outlined) -> Outlined:
    a, b, c, d = _BASIS
    curve = a * z[:-3] + b * z[1:-2] + c * z[2:-1] + d * z[3:]
    return np.ascontiguousarray(curve.T).ravel()
