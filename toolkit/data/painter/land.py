"""Land without trees or water: hills, mountains, meadows, dunes and roads."""

from __future__ import annotations

import numpy as np

from toolkit.data.painter.canvas import Canvas, Point
from toolkit.data.painter.palette import Colour, Dice, hsv, mix, shade
from toolkit.data.painter.sky import Mood, sky

SNOW: Colour = (238, 242, 248)
_ROADS: tuple[Colour, ...] = ((110, 108, 105), (150, 130, 105), (80, 80, 84), (180, 160, 130))


def ridge(dice: Dice, base: float, height: float, jagged: bool) -> list[Point]:
    """Return the skyline of a range of hills or mountains, from the left edge to the right."""
    x = np.linspace(-0.02, 1.02, 45)
    y = np.zeros_like(x)
    amplitude, waves = 1.0, dice.between(0.6, 1.6)
    for _ in range(5 if jagged else 2):
        wave = x * waves + dice.between(0.0, 1.0)
        if jagged:
            y += amplitude * (1.0 - 4.0 * np.abs(wave % 1.0 - 0.5))
        else:
            y += amplitude * np.sin(2.0 * np.pi * wave)
        amplitude, waves = amplitude * 0.5, waves * 2.1
    y = base - height * (y - y.min()) / (np.ptp(y) + 1e-9)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def hills(canvas: Canvas, horizon: float, air: Colour, soil: Colour) -> None:
    """Paint one to three ranges that stand on the horizon, the farther the paler."""
    dice = canvas.dice
    jagged = dice.chance(0.4)
    far, near = mix(air, (110, 125, 140), 0.6), shade(soil, 0.8)
    layers = dice.many(1, 3)
    for layer in range(layers):
        height = dice.between(0.05, 0.22) * (1.5 if jagged else 1.0) * (1.0 - 0.25 * layer)
        line = ridge(dice, horizon, height, jagged)
        colour = mix(far, near, (layer + 0.6) / layers * 0.8)
        _above(canvas, line, horizon + 0.01, colour)
        if jagged and layer == 0 and dice.chance(0.6):
            _snow(canvas, line, horizon - height * dice.between(0.4, 0.7))


def _above(canvas: Canvas, line: list[Point], base: float, colour: Colour) -> None:
    canvas.pen().polygon([*line, (1.02, base), (-0.02, base)], colour)


def _snow(canvas: Canvas, line: list[Point], limit: float) -> None:
    # one cap for each peak, cut off by a ragged line that stays inside the mountain
    cap: list[Point] = []
    for x, y in [*line, (1.1, 1.0)]:
        if y < limit:
            cap.append((x, y))
        elif cap:
            drip = [(a, b + (limit - b) * canvas.dice.between(0.6, 1.0)) for a, b in cap[::-1]]
            if len(cap) > 1:
                canvas.pen().polygon(cap + drip, SNOW)
            cap = []


def ground(canvas: Canvas, horizon: float, colour: Colour, rough: float = 0.5) -> None:
    """Paint ground from the horizon down, mottled and darker towards the viewer."""
    dice = canvas.dice
    canvas.gradient(mix(colour, (200, 200, 190), 0.2), shade(colour, 0.85), horizon, 1.0)
    patches = np.clip((canvas.noise(6, 24, 4) - 0.5) * 4 * rough, 0, 0.8)
    canvas.blend(shade(colour, 0.62), patches, (horizon, 1.0))
    pen = canvas.pen()
    for _ in range(dice.many(0, 90)):
        depth = dice.between(0.0, 1.0) ** 0.6
        x, y = dice.between(0.0, 1.0), horizon + (1.0 - horizon) * depth
        blade = pen.at(x, y, 0.004 + 0.03 * depth)
        blade.line([(0, 0), (dice.around(0, 0.3), -1)], 0.08, dice.tinge(colour, 40))


def soil_colour(dice: Dice) -> Colour:
    """Return a green, a dry yellow or a brown."""
    if dice.chance(0.7):
        return hsv(dice.between(0.19, 0.33), dice.between(0.35, 0.75), dice.between(0.3, 0.65))
    return hsv(dice.between(0.08, 0.15), dice.between(0.25, 0.6), dice.between(0.45, 0.75))


def open_land(canvas: Canvas, mood: Mood) -> tuple[float, Colour]:
    """Paint treeless land under a cloudless sky; return its horizon and its colour."""
    dice = canvas.dice
    horizon = dice.between(0.3, 0.7)
    air = sky(canvas, horizon, mood)
    soil = soil_colour(dice)
    if dice.chance(0.6):
        hills(canvas, horizon, air, soil)
    ground(canvas, horizon, soil)
    return horizon, soil


def dunes(canvas: Canvas, mood: Mood) -> None:
    """Paint a desert or a field of snow."""
    dice = canvas.dice
    horizon = dice.between(0.3, 0.6)
    sky(canvas, horizon, mood)
    sand = dice.tinge(dice.pick([(214, 176, 120), SNOW, (190, 140, 96)]), 10)
    canvas.gradient(sand, sand, horizon, 1.0)
    for k in range(dice.many(3, 6)):
        base = horizon + (1.1 - horizon) * (k + 1) / 5
        line = ridge(dice, base - 0.06, dice.between(0.04, 0.14), jagged=False)
        _above(canvas, line, 1.1, dice.tinge(shade(sand, 0.78 + 0.07 * k), 6))


class Course:
    """The bends of a river or a road, from the horizon (index 0) to the viewer (index 29)."""

    def __init__(self, dice: Dice, horizon: float, wide: float) -> None:
        """Take the width at the viewer, in canvas sides."""
        phase, bends = dice.between(0.0, 6.3), dice.between(0.5, 1.4)
        start, end = dice.between(0.3, 0.7), dice.between(0.2, 0.8)
        t = np.linspace(0.0, 1.0, 30)
        self.near = t**1.7
        swing = 0.22 * (0.15 + t) * np.sin(phase + 6.3 * bends * t**0.7)
        self.middle = start + (end - start) * t + swing
        self.half = 0.006 + 0.5 * wide * self.near * (1.0 + 0.15 * np.sin(9.0 * t + phase))
        self.y = horizon + 0.005 + (1.02 - horizon) * self.near

    def fill(self, canvas: Canvas, colour: Colour, wider: float = 1.0) -> None:
        """Paint the whole course in one colour."""
        left = np.stack([self.middle - wider * self.half, self.y], axis=1)
        right = np.stack([self.middle + wider * self.half, self.y], axis=1)
        canvas.pen().polygon([*left.tolist(), *right[::-1].tolist()], colour)


def road(canvas: Canvas, horizon: float) -> None:
    """Paint a winding road or path: the shape of a river, but dry."""
    dice = canvas.dice
    course = Course(dice, horizon, dice.between(0.15, 0.35))
    colour = dice.tinge(dice.pick(_ROADS), 10)
    course.fill(canvas, shade(colour, 0.8), 1.2)
    course.fill(canvas, colour)
    if dice.chance(0.6):
        middle, y, near = course.middle.tolist(), course.y.tolist(), course.near.tolist()
        for k in range(4, 30, 3):
            dash = [(middle[k - 1], y[k - 1]), (middle[k], y[k])]
            canvas.pen().line(dash, 0.03 * near[k], (235, 230, 210))
