"""The sea and rivers."""

from __future__ import annotations

import numpy as np

from toolkit.data.painter.canvas import Canvas, Pen
from toolkit.data.painter.land import Course, ridge
from toolkit.data.painter.palette import WHITE, Colour, Dice, hsv, mix, shade
from toolkit.data.painter.sky import Mood

_SANDS: tuple[Colour, ...] = ((214, 192, 150), (196, 170, 130), (120, 110, 100), (230, 215, 185))
_STREAMS: tuple[Colour, ...] = ((70, 110, 130), (90, 120, 110), (60, 90, 80), (110, 105, 80))
_BANKS: tuple[Colour, ...] = ((120, 100, 75), (90, 105, 60), (150, 140, 120))
_BRIDGES: tuple[Colour, ...] = ((150, 140, 125), (120, 80, 60), (95, 98, 104))


def sea(canvas: Canvas, horizon: float, mood: Mood, air: Colour) -> None:
    """Paint a sea from the horizon down: swell, glitter, perhaps rocks, a shore and a sail."""
    dice = canvas.dice
    deep = hsv(dice.between(0.48, 0.62), dice.between(0.3, 0.8), dice.between(0.3, 0.75))
    if mood in ("dusk", "pale"):
        deep = mix(deep, shade(air, 0.7), 0.5)
    canvas.gradient(mix(deep, air, dice.between(0.2, 0.5)), deep, horizon, 1.0)
    rough = dice.between(0.3, 1.0)
    _ripples(canvas, deep, horizon, 1.0, (5, 48), rough)
    pen = canvas.pen()
    pen.line([(0, horizon), (1, horizon)], 0.004, shade(deep, 0.75))
    for _ in range(dice.many(10, 60)):
        depth = dice.between(0.0, 1.0) ** 1.5
        crest = pen.at(dice.between(0.0, 1.0), horizon + (1.0 - horizon) * depth)
        foam = mix(deep, WHITE, dice.between(0.3, 0.9))
        crest.ellipse(0, 0, 0.01 + 0.12 * depth * rough, 0.001 + 0.006 * depth, foam)
    if mood == "dusk" or dice.chance(0.2):
        middle = dice.between(0.2, 0.8)
        for _ in range(70):
            depth = dice.between(0.0, 1.0)
            spark = pen.at(middle, horizon + (1 - horizon) * depth)
            x = dice.around(0.0, 0.02 + 0.08 * depth)
            spark.ellipse(x, 0, 0.012 + 0.02 * depth, 0.003, (255, 240, 200))
    if dice.chance(0.3):
        _island(canvas, horizon, deep)
    if dice.chance(0.25):
        _rocks(canvas, horizon)
    if dice.chance(0.5):
        _shore(canvas, horizon)
    if dice.chance(0.35):
        y = horizon + dice.between(0.0, 0.1)
        _sail(canvas.pen(dice.between(0.1, 0.9), y, dice.between(0.06, 0.2)), dice)


def _ripples(
    canvas: Canvas, water: Colour, top: float, bottom: float, cells: tuple[int, int], rough: float
) -> None:
    swell = canvas.noise(*cells, 3)
    canvas.blend(shade(water, 0.6), np.clip((swell - 0.52) * 5 * rough, 0, 0.7), (top, bottom))
    light = np.clip((0.44 - swell) * 5 * rough, 0, 0.6)
    canvas.blend(mix(water, WHITE, 0.5), light, (top, bottom))


def _shore(canvas: Canvas, horizon: float) -> None:
    dice = canvas.dice
    sand = dice.pick(_SANDS)
    y = horizon + (1 - horizon) * dice.between(0.45, 0.85)
    tilt = dice.around(0.0, 0.12)
    wave = [(x / 8, y + tilt * (x / 8 - 0.5) + dice.around(0, 0.012)) for x in range(-1, 10)]
    for drop, colour in ((-0.035, (235, 242, 242)), (0.0, shade(sand, 0.75)), (0.03, sand)):
        edge = [(x, v + drop) for x, v in wave]
        canvas.pen().polygon([*edge, (1.2, 1.3), (-0.2, 1.3)], dice.tinge(colour, 6))


def _island(canvas: Canvas, horizon: float, deep: Colour) -> None:
    dice = canvas.dice
    line = ridge(dice, 0.0, 1.0, jagged=dice.chance(0.5))
    island = canvas.pen(dice.between(-0.3, 0.8), horizon + 0.004, 1.0)
    wide, tall = dice.between(0.2, 0.6), dice.between(0.03, 0.12)
    # the ends of the ridge sink into the water
    coast = [(wide * x, tall * y * min(1.0, 8 * max(0.0, x * (1 - x)))) for x, y in line]
    island.polygon(coast, mix(deep, (70, 80, 70), 0.6))


def _rocks(canvas: Canvas, horizon: float) -> None:
    dice = canvas.dice
    x, y = dice.between(0.0, 1.0), horizon + (1 - horizon) * dice.between(0.2, 0.7)
    stone = dice.tinge((78, 74, 70), 16)
    for _ in range(dice.many(2, 6)):
        r = dice.between(0.03, 0.1)
        rock = canvas.pen(x + dice.around(0, 0.12), y + dice.around(0, 0.03))
        rock.ellipse(0, 0.5 * r, 1.3 * r, 0.3 * r, (226, 236, 238))
        rock.blob(0, 0, r, dice.tinge(stone, 12), dice, 0.35)
        rock.blob(-0.2 * r, -0.3 * r, 0.55 * r, shade(stone, 1.3), dice, 0.35)


def _sail(pen: Pen, dice: Dice) -> None:
    cloth = dice.pick([WHITE, (240, 230, 210), (200, 60, 50), (60, 90, 150)])
    pen.polygon("-.45,-.14 .5,-.14 .32,.04 -.32,.04", dice.hue((0.2, 0.7), (0.2, 0.6)))
    pen.line("0,-.1 0,-1", 0.03, (80, 60, 50))
    pen.polygon(".04,-.96 .04,-.2 .46,-.2", cloth)
    pen.polygon("-.04,-.85 -.04,-.2 -.36,-.2", shade(cloth, 0.88))


def river(canvas: Canvas, horizon: float, air: Colour) -> None:
    """Paint a river in land that begins at the horizon: winding, or broad and seen across."""
    dice = canvas.dice
    water = mix(dice.pick(_STREAMS), air, 0.35)
    bank = mix(dice.pick(_BANKS), water, 0.2)
    if dice.chance(0.3):
        _across(canvas, horizon, water, bank)
        return
    course = Course(dice, horizon, dice.between(0.25, 0.8))
    course.fill(canvas, bank, 1.22)
    course.fill(canvas, water)
    pen = canvas.pen()
    middle, half = course.middle.tolist(), course.half.tolist()
    y, near = course.y.tolist(), course.near.tolist()
    for _ in range(dice.many(30, 90)):
        k = dice.many(3, 29)
        glint = pen.at(middle[k] + half[k] * dice.between(-0.85, 0.85), y[k] + dice.around(0, 0.01))
        tone = mix(water, dice.pick([WHITE, air, (30, 50, 40)]), dice.between(0.15, 0.6))
        glint.ellipse(0, 0, 0.008 + 0.1 * half[k], 0.002 + 0.004 * near[k], tone)
    for _ in range(dice.many(0, 9)):
        k = dice.many(8, 29)
        stone = dice.tinge((125, 120, 112), 20)
        place = pen.at(middle[k] + dice.sign() * half[k] * dice.between(0.75, 1.1), y[k])
        place.blob(0, 0, 0.01 + 0.04 * near[k], stone, dice)
        place.blob(-0.004, -0.008, 0.007 + 0.03 * near[k], shade(stone, 1.2), dice)
    if dice.chance(0.3):
        _bridge(canvas, horizon + (1 - horizon) * dice.between(0.08, 0.3))


def _across(canvas: Canvas, horizon: float, water: Colour, bank: Colour) -> None:
    dice = canvas.dice
    top = horizon + (1 - horizon) * dice.between(0.08, 0.25)
    bottom = horizon + (1 - horizon) * dice.between(0.65, 0.95)
    tilt = dice.around(0.0, 0.06)
    far = [(x / 8, top + dice.around(0, 0.008) + tilt * x / 8) for x in range(-1, 10)]
    near = [(x / 8, bottom + dice.around(0, 0.02) - tilt * x / 8) for x in range(9, -2, -1)]
    pen = canvas.pen()
    pen.at(0, -0.015).polygon(far + near, bank)
    pen.at(0, 0.03).polygon(far + near, shade(bank, 0.85))
    pen.polygon(far + near, water)
    ripples = mix(water, dice.pick([WHITE, (40, 60, 60)]), 0.45)
    for _ in range(dice.many(30, 90)):
        depth = dice.between(0.06, 0.94)
        ripple = pen.at(dice.between(0.0, 1.0), top + 0.03 + (bottom - top - 0.06) * depth)
        ripple.ellipse(0, 0, 0.02 + 0.06 * depth, 0.002 + 0.003 * depth, ripples)
    if dice.chance(0.45):
        _bridge(canvas, top + dice.between(0.02, 0.06))


def _bridge(canvas: Canvas, y: float) -> None:
    dice = canvas.dice
    stone = dice.tinge(dice.pick(_BRIDGES), 12)
    high = dice.between(0.05, 0.1)
    mask, pen = canvas.layer()
    pen.box(-0.1, y - high, 1.1, y + high * 0.4, 255)
    arches = dice.many(3, 6)
    for k in range(arches):
        pen.ellipse((k + 0.5) / arches, y + high * 0.4, 0.4 / arches, high * 1.05, 0)
    canvas.cover(stone, mask)
    canvas.pen().box(-0.1, y - high * 1.15, 1.1, y - high * 0.85, shade(stone, 1.15))
