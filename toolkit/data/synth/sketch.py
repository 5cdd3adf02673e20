"""Draws sketches: subjects written down as text, with what may vary left to the dice.

A line of a sketch holds parts, separated by semicolons. It may begin with how often it is drawn,
``30%``, or with ``else``: whenever the line before was not. A part is a verb (a leading ``2``
draws its mirror image, too), an ink (made darker or lighter as in ``skin*.8``) and points ``x,y``.
``pick INK #rrggbb ...`` mixes an ink as one of some colours, ``hue INK low,high saturation,value``
in a hue between two; the first mixture of an ink counts. ``spray INK count,r centre radii``
scatters dots in an ellipse, lit from above. The other verbs are those of :func:`outline`.
"""

from __future__ import annotations

import cmath
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

import numpy as np

from toolkit.data.synth.canvas import BLACK, WHITE, Canvas, Colour, Points, hue, shade

_CIRCLE = np.exp(2j * np.pi * np.arange(28) / 28)


def outline(verb: str, *points: complex) -> Points:
    """Return the outline of a ``poly`` or a smooth ``curve`` through points; of a ``sym``, a curve
    given by its right half; of a ``dot``: centre, radii; or of a ``line``: width, points.
    """
    z = np.array(points)
    if verb == "dot":
        z = z[0] + z[1].real * _CIRCLE.real + 1j * z[1].imag * _CIRCLE.imag
    elif verb == "sym":
        z = _smooth(np.concatenate([z, -z[z.real != 0][::-1].conj()]))
    elif verb == "line":
        # there and back again: a closed curve, which is widened to its left
        path = _smooth(np.concatenate([z[1:], z[:0:-1]]))
        along = np.roll(path, -1) - np.roll(path, 1)
        z = path + 0.5j * z[0].real * along / (np.abs(along) + 1e-9)
    return _smooth(z) if verb == "curve" else z


def _smooth(z: Points) -> Points:
    # the four-point scheme of Dyn, Levin & Gregory (1987), twice: four times the points
    for _ in range(2):
        p = np.concatenate([z[-1:], z, z[:2]])
        z = np.stack([p[1:-2], (9 * (p[1:-2] + p[2:-1]) - p[:-3] - p[3:]) / 16], axis=1).ravel()
    return z


def draw(
    canvas: Canvas, texts: Sequence[str], size: float, at: complex, gap: float = 0, **inks: Colour
) -> None:
    """Draw sketches side by side about a place, each a little turned and perhaps mirrored."""
    dice = canvas.dice
    for k, text in enumerate(texts):
        place = at + gap * (k - (len(texts) - 1) / 2) + 1j * dice.uniform(-0.03, 0.03)
        unit = size * cmath.rect(dice.uniform(0.9, 1.1), dice.uniform(-0.12, 0.12))
        wide = dice.choice([-1, 1]) * dice.uniform(0.85, 1.15)
        for z, colour in _shapes(dice, text, {"white": WHITE, "black": BLACK, **inks}):
            canvas.fill(place + unit * (wide * z.real + 1j * z.imag), colour)


def _shapes(dice: Random, text: str, inks: dict[str, Colour]) -> Iterator[tuple[Points, Colour]]:
    drawn = True
    for line in filter(None, text.splitlines()):
        first, _, rest = line.partition(" ")
        plain = first != "else" and not first.endswith("%")
        drawn = not drawn if first == "else" else plain or dice.random() < float(first[:-1]) / 100
        for verb, ink, tone, z in map(
            _parsed, (line if plain else rest).split(";") if drawn else ()
        ):
            if verb == "pick":
                inks.setdefault(ink, tuple(int(dice.choice(z).real).to_bytes(3, "big")))
            elif verb == "hue":
                inks.setdefault(ink, hue(dice, z[0].real, z[0].imag, z[1].real, z[1].imag))
            elif verb == "spray":
                for _ in range(int(z[0].real)):
                    away = cmath.rect(dice.random() ** 0.5, dice.uniform(0, 6.3))
                    centre = z[1] + complex(away.real * z[2].real, away.imag * z[2].imag)
                    light = tone * (0.95 - 0.3 * away.imag + dice.uniform(-0.15, 0.15))
                    dot = outline("dot", centre, (1 + 1j) * z[0].imag * dice.uniform(0.5, 1.2))
                    yield dot, shade(inks[ink], light)
            else:
                shape, colour = outline(verb.lstrip("2"), *z), shade(inks[ink], tone)
                yield shape, colour
                if verb.startswith("2"):
                    yield -shape.conj(), colour


@cache
def _parsed(part: str) -> tuple[str, str, float, Points]:
    verb, ink, *words = part.split()
    ink, _, tone = ink.partition("*")
    pairs = [word.partition(",") for word in words]
    z = [complex(int(x[1:], 16) if x[0] == "#" else float(x), float(y or 0)) for x, _, y in pairs]
    return verb, ink, float(tone or 1), np.array(z)
