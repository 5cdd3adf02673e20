"""Cars, and the vehicles that are none."""

from __future__ import annotations

import math

from toolkit.data.painter.canvas import Pen
from toolkit.data.painter.palette import BLACK, WHITE, Colour, Dice, hsv, mix, shade

STEEL: Colour = (150, 154, 160)
_GREYS: tuple[Colour, ...] = ((225, 225, 228), (160, 164, 170), (50, 52, 58), (95, 98, 104))
_BODIES = (
    # height of the roof; where it ends in front and behind; height of the bonnet
    (-0.36, 0.12, -0.28, 0.2),
    (-0.38, 0.16, -0.44, 0.24),
    (-0.46, 0.3, -0.47, 0.34),
    (-0.31, 0.06, -0.3, 0.18),
    (-0.37, 0.1, -0.1, 0.2),
)


def paint_colour(dice: Dice) -> Colour:
    """Return a car's paint: greys and whites as often as colours."""
    if dice.chance(0.45):
        return dice.tinge(dice.pick(_GREYS), 10)
    hue = dice.pick([0.0, 0.01, 0.07, 0.13, 0.35, 0.55, 0.6, 0.63])
    return hsv(hue, dice.between(0.5, 0.9), dice.between(0.35, 0.85))


def car_side(pen: Pen, dice: Dice) -> None:
    """Draw a car one unit long from the side, its wheels on y = 0."""
    paint = paint_colour(dice)
    dark, glass = shade(paint, 0.68), dice.tinge((70, 86, 100), 15)
    roof, front, rear, nose = dice.pick(_BODIES)
    middle, top = (front + rear) / 2, roof + 0.045
    pen.ellipse(0, 0.0, 0.54, 0.035, (40, 40, 42))
    cabin = [(front + 0.12, -0.2), (front - 0.04, roof), (rear + 0.12, roof), (rear - 0.04, -0.2)]
    pen.shape([*cabin, (0.0, -0.17)], dark)
    back, fore = (rear + 0.04, middle - 0.015), (middle + 0.015, front + 0.02)
    pen.polygon([(back[0], -0.21), (back[0] + 0.09, top), (back[1], top), (back[1], -0.21)], glass)
    pen.polygon([(fore[0], -0.21), (fore[0], top), (fore[1] - 0.08, top), (fore[1], -0.21)], glass)
    for x in (back[0] + 0.05, fore[0]):
        pen.polygon([(x, -0.21), (x + 0.04, top), (x + 0.08, top)], mix(glass, WHITE, 0.4))
    bonnet = [(0.1, -0.23), (0.38, -nose), (0.5, -0.15), (0.5, -0.07), (0.3, -0.05)]
    pen.shape([(-0.49, -0.2), (-0.3, -0.235), *bonnet, (-0.3, -0.05), (-0.5, -0.07)], paint)
    pen.polygon("-.49,-.1 .5,-.1 .48,-.055 -.48,-.055", dark)
    pen.line("-.46,-.185 .42,-.175", 0.012, shade(paint, 1.35))
    pen.line([(middle, -0.22), (middle, -0.08)], 0.008, dark)
    pen.box(middle - 0.08, -0.165, middle - 0.04, -0.155, shade(paint, 0.5))
    pen.ellipse(0.475, -0.145, 0.025, 0.022, (250, 240, 200))
    pen.ellipse(-0.485, -0.15, 0.018, 0.024, (200, 40, 40))
    spokes = dice.many(5, 8)
    for x in (-0.3, 0.3):
        _wheel(pen.at(x, -0.085, 0.1), spokes)


def _wheel(pen: Pen, spokes: int) -> None:
    pen.disc(0, 0, 1.0, (28, 28, 30))
    pen.disc(0, 0, 0.6, STEEL)
    for k in range(spokes):
        angle = 6.283 * k / spokes
        rim = (0.55 * math.cos(angle), 0.55 * math.sin(angle))
        pen.line([(0, 0), rim], 0.09, (80, 82, 86))
    pen.disc(0, 0, 0.16, (60, 60, 64))


def car_front(pen: Pen, dice: Dice, lit: bool) -> None:
    """Draw a car one unit wide from the front or the rear, its wheels on y = 0."""
    paint = paint_colour(dice)
    dark, glass = shade(paint, 0.65), dice.tinge((66, 82, 96), 15)
    rear = dice.chance(0.35)
    h = -dice.between(0.62, 0.82)
    pen.ellipse(0, 0.0, 0.56, 0.05, (40, 40, 42))
    for side in pen.both():
        side.box(0.34, -0.16, 0.48, 0.02, (26, 26, 28))
        side.ellipse(0.52, h * 0.58, 0.06, 0.04, dark)
    pen.twofold([(0.3, h), (0.42, h * 0.5)], dark)
    low, high = h * 0.55, h * 0.92
    pen.polygon([(-0.37, low), (-0.28, high), (0.28, high), (0.37, low)], glass)
    shine = [(-0.3, low), (-0.22, high), (-0.08, high), (-0.16, low)]
    pen.polygon(shine, mix(glass, WHITE, 0.35))
    pen.twofold([(0, h * 0.56), (0.47, h * 0.5), (0.5, -0.2), (0.44, -0.08)], paint)
    pen.curve([(-0.44, h * 0.42), (0, h * 0.47), (0.44, h * 0.42)], 0.012, shade(paint, 1.3))
    lamp = WHITE if lit else (210, 50, 45) if rear else (248, 244, 225)
    r = dice.between(0.06, 0.085)
    for side in pen.both():
        side.ellipse(0.36, h * 0.36, r * 1.25, r, (60, 60, 64))
        side.ellipse(0.36, h * 0.36, r, r * 0.8, lamp)
    if not rear:
        pen.box(-0.22, h * 0.4, 0.22, h * 0.27, (34, 36, 40))
        for k in range(4):
            y = h * 0.385 + 0.025 * k
            pen.line([(-0.2, y), (0.2, y)], 0.008, STEEL)
    pen.box(-0.46, -0.2, 0.46, -0.13, dark)
    pen.box(-0.13, -0.21, 0.13, -0.13, (235, 232, 215))
    pen.line("-.1,-.17 .1,-.17", 0.025, (60, 60, 66))


def bus(pen: Pen, dice: Dice) -> None:
    """Draw a bus one unit long from the side, its wheels on y = 0."""
    paint = paint_colour(dice)
    pen.ellipse(0, 0.0, 0.54, 0.03, (40, 40, 42))
    pen.shape("-.5,-.08 -.5,-.46 .48,-.46 .5,-.08", paint)
    pen.box(-0.46, -0.42, 0.46, -0.27, dice.tinge((70, 86, 100), 15))
    for k in range(6):
        pen.box(-0.33 + 0.14 * k, -0.42, -0.31 + 0.14 * k, -0.27, paint)
    pen.box(-0.49, -0.2, 0.49, -0.16, shade(paint, 0.6))
    pen.box(0.36, -0.4, 0.44, -0.07, shade(paint, 0.5))
    for x in (-0.3, 0.24):
        _wheel(pen.at(x, -0.07, 0.08), 6)


def bicycle(pen: Pen, dice: Dice) -> None:
    """Draw a bicycle one unit long that stands on y = 0."""
    frame = dice.hue((0.3, 0.9), (0.2, 0.8))
    for x in (-0.3, 0.3):
        ring = [(x + 0.2 * math.cos(0.35 * k), -0.2 + 0.2 * math.sin(0.35 * k)) for k in range(19)]
        pen.line(ring, 0.025, (30, 30, 32))
        for k in range(4):
            dx, dy = 0.19 * math.cos(0.785 * k), 0.19 * math.sin(0.785 * k)
            pen.line([(x - dx, -0.2 - dy), (x + dx, -0.2 + dy)], 0.005, STEEL)
    pen.line("-.3,-.2 -.12,-.48 .2,-.48 -.02,-.2 -.3,-.2", 0.03, frame)
    pen.line("-.02,-.2 -.14,-.54", 0.03, frame)
    pen.line(".3,-.2 .18,-.58 .28,-.62", 0.028, frame)
    pen.ellipse(-0.15, -0.56, 0.08, 0.022, BLACK)


def plane(pen: Pen, dice: Dice) -> None:
    """Draw an aeroplane one unit long about the origin."""
    body = dice.tinge((228, 230, 234), 12)
    trim = dice.hue((0.4, 0.9), (0.4, 0.9))
    pen.polygon("-.36,-.02 -.5,-.22 -.42,-.22 -.24,-.04", trim)
    pen.shape("-.5,-.02 -.3,-.07 .4,-.06 .5,0 .4,.05 -.3,.04", body)
    pen.polygon(".08,0 -.16,.26 -.06,.26 .22,.01", shade(body, 0.75))
    pen.polygon(".1,-.04 -.05,-.2 .02,-.2 .2,-.04", shade(body, 0.85))
    for k in range(9):
        pen.box(-0.22 + 0.06 * k, -0.03, -0.2 + 0.06 * k, -0.01, (60, 76, 96))


def balloon(pen: Pen, dice: Dice) -> None:
    """Draw a hot-air balloon one unit tall about the origin."""
    first, second = dice.hue((0.5, 0.9), (0.6, 1.0)), dice.hue((0.3, 0.9), (0.7, 1.0))
    for k, wide in enumerate((0.38, 0.27, 0.16, 0.05)):
        gore = [(0, -0.52), (wide, -0.22), (wide * 0.4, 0.2)]
        pen.twofold(gore, first if k % 2 else second)
    for side in pen.both():
        side.line(".14,.18 .06,.38", 0.01, BLACK)
    pen.box(-0.07, 0.37, 0.07, 0.48, (130, 90, 50))


def boat(pen: Pen, dice: Dice) -> None:
    """Draw a rowing boat one unit long that rests on y = 0."""
    wood = dice.hue((0.3, 0.8), (0.3, 0.8))
    pen.polygon("-.5,-.2 .5,-.24 .36,0 -.36,0", wood)
    pen.polygon("-.5,-.2 .5,-.24 .48,-.18 -.48,-.15", shade(wood, 1.3))
    pen.line("-.1,-.3 .25,.02", 0.025, (150, 110, 70))


def train(pen: Pen, dice: Dice) -> None:
    """Draw a railway carriage one unit long that stands on y = 0."""
    paint = dice.hue((0.4, 0.8), (0.3, 0.8))
    pen.box(-0.7, 0.0, 0.7, 0.02, (90, 80, 70))
    pen.box(-0.5, -0.34, 0.5, -0.05, paint)
    pen.box(-0.5, -0.38, 0.5, -0.34, shade(paint, 0.6))
    pen.box(-0.5, -0.14, 0.5, -0.11, shade(paint, 1.4))
    for k in range(7):
        pen.box(-0.46 + 0.135 * k, -0.3, -0.37 + 0.135 * k, -0.18, (70, 88, 104))
    for x in (-0.36, -0.26, 0.26, 0.36):
        pen.ellipse(x, -0.03, 0.04, 0.04, (34, 34, 36))
