"""Grounds without a horizon: studios, walls, rooms, patterns, and blurred patches of colour."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from toolkit.data.painter import things
from toolkit.data.painter.canvas import Canvas
from toolkit.data.painter.palette import BLACK, WHITE, Colour, mix, shade

_WALLS: tuple[Colour, ...] = (
    (150, 80, 62),
    (170, 150, 130),
    (120, 96, 74),
    (190, 190, 186),
    (110, 130, 140),
)
_FLOORS: tuple[Colour, ...] = ((140, 100, 66), (110, 110, 112), (170, 150, 128))


def studio(canvas: Canvas) -> None:
    """Paint a plain backdrop, unevenly lit."""
    dice = canvas.dice
    colour = dice.hue((0.0, 0.55), (0.12, 0.95))
    canvas.gradient(colour, shade(colour, dice.between(0.5, 1.0)))
    canvas.blend(mix(colour, WHITE, 0.4), canvas.noise(2, 2, 3) * dice.between(0.0, 0.6))


def wall(canvas: Canvas) -> None:
    """Paint a wall of bricks, planks, tiles or plaster."""
    dice = canvas.dice
    pen = canvas.pen()
    kind = dice.pick(["bricks", "planks", "tiles", "plaster"])
    colour = dice.tinge(dice.pick(_WALLS), 20)
    canvas.gradient(shade(colour, 0.8), shade(colour, 0.7))
    size = dice.between(0.06, 0.16)
    if kind == "planks":
        for k in range(int(1 / size) + 1):
            pen.box(k * size, 0, (k + 0.93) * size, 1, dice.tinge(colour, 14))
    elif kind != "plaster":
        bricks = kind == "bricks"
        long = size * (2.2 if bricks else 1.0)
        for row in range(int(1 / size) + 1):
            away = -0.5 * long * (row % 2) if bricks else 0.0
            for column in range(int(1 / long) + 2):
                x, y = column * long + away, row * size
                pen.box(x, y, x + long * 0.94, y + size * 0.9, dice.tinge(colour, 14))
    stains = np.clip(canvas.noise(5, 5, 5) - 0.45, 0, 1) * dice.between(0.4, 2.0)
    canvas.blend(shade(colour, 0.5), stains)


def room(canvas: Canvas) -> float:
    """Paint a room with some furniture; return the height of the floor's far edge."""
    dice = canvas.dice
    floor = dice.between(0.6, 0.82)
    paper = dice.hue((0.02, 0.4), (0.45, 0.95))
    canvas.gradient(paper, shade(paper, 0.85), 0, floor)
    wood = dice.tinge(dice.pick(_FLOORS), 16)
    canvas.gradient(shade(wood, 0.8), wood, floor, 1.0)
    pen = canvas.pen()
    pen.box(0, floor - 0.015, 1, floor + 0.005, mix(paper, WHITE, 0.5))
    if dice.chance(0.4):
        corner = pen if dice.chance(0.5) else canvas.pen(1.0, mirrored=True)
        corner.polygon([(0, 0), (0.2, 0), (0.2, floor), (0, 1.0)], shade(paper, 0.75))
    for k in range(7):
        board = [(0.5 + (k - 3) * 0.12, floor), (0.5 + (k - 3) * 0.4, 1)]
        pen.line(board, 0.004, shade(wood, 0.7))
    for _ in range(dice.many(0, 3)):
        picture = pen.at(dice.between(0.1, 0.9), dice.between(0.12, 0.45))
        w, h = dice.between(0.06, 0.14), dice.between(0.06, 0.14)
        picture.box(-w, -h, w, h, dice.pick([BLACK, WHITE, (150, 110, 60)]))
        picture.box(-0.8 * w, -0.8 * h, 0.8 * w, 0.8 * h, dice.hue((0.1, 0.6), (0.4, 0.95)))
    if dice.chance(0.4):
        window = pen.at(dice.between(0.2, 0.8), 0.0)
        window.box(-0.16, 0.08, 0.16, 0.46, WHITE)
        for side in window.both():
            side.box(0.015, 0.1, 0.145, 0.44, (190, 214, 232))
    for _ in range(dice.many(0, 2)):
        thing, size, lift = dice.pick(
            [
                (things.sofa, 0.6, 0.0),
                (things.shelf, 0.6, 0.25),
                (things.chair, 0.45, 0.0),
                (things.lamp, 0.45, 0.0),
                (things.guitar, 0.4, 0.0),
                (things.clock, 0.2, 0.45),
            ]
        )
        foot = floor + dice.between(0.01, 0.12) - lift
        thing(canvas.pen(dice.between(0.1, 0.9), foot, size * dice.between(0.8, 1.2)), dice)
    return floor


def pattern(canvas: Canvas) -> None:
    """Paint an abstract pattern: stripes, tiles, rings, a fan, shards, marble or scribbles."""
    dice = canvas.dice
    colours = [dice.hue((0.0, 0.9), (0.15, 1.0)) for _ in range(dice.many(2, 5))]
    canvas.gradient(colours[0], shade(colours[0], 0.8))
    pen = canvas.pen(0.5, 0.5, dice.between(1.4, 2.0), dice.between(0, 6.3))
    step = dice.between(0.04, 0.14)
    count = int(1 / step)
    kind = dice.pick(["stripes", "checks", "dots", "rings", "fan", "shards", "marble", "scribble"])
    if kind == "stripes":
        for k in range(count + 1):
            y = -0.5 + k * step
            pen.box(-0.5, y, 0.5, y + step * dice.between(0.2, 0.8), dice.pick(colours))
    elif kind in ("checks", "dots"):
        for row in range(count + 1):
            for column in range(count + 1):
                cell = pen.at(-0.5 + column * step, -0.5 + row * step, step)
                if kind == "dots":
                    cell.disc(0, 0, 0.34, colours[-1])
                elif (row + column) % 2:
                    cell.box(0, 0, 1, 1, colours[(row * column) % len(colours)])
    elif kind == "rings":
        for k in range(count):
            pen.disc(0, 0, 0.5 - 0.5 * k * step, colours[k % len(colours)])
    elif kind == "fan":
        for k in range(24):
            a, b = 0.2618 * k, 0.2618 * (k + 1)
            ray = [(0, 0), (math.cos(a), math.sin(a)), (math.cos(b), math.sin(b))]
            pen.polygon(ray, colours[k % len(colours)])
    elif kind == "shards":
        for _ in range(40):
            shard = pen.at(dice.between(-0.5, 0.5), dice.between(-0.5, 0.5))
            corners = [(dice.around(0, 0.12), dice.around(0, 0.12)) for _ in range(3)]
            shard.polygon(corners, dice.tinge(dice.pick(colours), 30))
    elif kind == "marble":
        veins = 0.5 + 0.5 * np.sin(canvas.noise(3, 3, 5) * dice.between(20, 70))
        canvas.blend(colours[1], veins.astype(np.float32))
        canvas.blend(colours[-1], np.clip(canvas.noise(8, 8, 4) * 3 - 1.6, 0, 1))
    else:
        for _ in range(dice.many(10, 40)):
            path = [(dice.around(0, 0.3), dice.around(0, 0.3)) for _ in range(4)]
            pen.curve(path, dice.between(0.005, 0.03), dice.pick(colours))


def bokeh(canvas: Canvas, colours: Sequence[Colour], dots: bool) -> None:
    """Fill the canvas with soft patches, as of a background far out of focus."""
    dice = canvas.dice
    canvas.gradient(dice.pick(colours), dice.pick(colours))
    pen = canvas.pen()
    for _ in range(dice.many(10, 24)):
        x, y = dice.between(0, 1), dice.between(0, 1)
        pen.disc(x, y, dice.between(0.05, 0.3), dice.tinge(dice.pick(colours), 30))
    canvas.blur(dice.between(0.03, 0.07))
    for _ in range(dice.many(4, 16) if dots else 0):
        mask, spot = canvas.layer()
        x, y = dice.between(0, 1), dice.between(0, 1)
        spot.disc(x, y, dice.between(0.015, 0.05), dice.many(60, 150))
        canvas.cover(mix(dice.pick(colours), WHITE, 0.6), mask, 0.004)
