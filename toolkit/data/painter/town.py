"""Houses, skylines and streets, and the lights that come on in them at night."""

from __future__ import annotations

from toolkit.data.painter.canvas import Canvas
from toolkit.data.painter.land import ground
from toolkit.data.painter.palette import Colour, shade

LAMP: Colour = (255, 222, 150)
_WALLS: tuple[Colour, ...] = (
    (170, 150, 130),
    (150, 90, 75),
    (190, 185, 175),
    (120, 125, 135),
    (205, 190, 150),
)
_ASPHALTS: tuple[Colour, ...] = ((92, 92, 95), (120, 118, 112), (75, 76, 82))
_ROOFS: tuple[Colour, ...] = ((110, 70, 60), (80, 78, 80), (140, 80, 56))


def skyline(canvas: Canvas, horizon: float, height: float, night: bool) -> None:
    """Paint a row of buildings that stand on the horizon; at night some windows are lit."""
    dice = canvas.dice
    pen = canvas.pen()
    village = dice.chance(0.35)
    height = height * (0.45 if village else 1.0)
    x = -0.05
    while x < 1.0:
        wide = dice.between(0.12, 0.26) if village else dice.between(0.06, 0.2)
        top = horizon - height * dice.between(0.5 if village else 0.35, 1.0)
        facade(canvas, (x, top, x + wide, horizon + 0.01), night)
        if village or dice.chance(0.2):
            gable = [(x - 0.01, top), (x + wide / 2, top - wide * 0.4), (x + wide + 0.01, top)]
            pen.polygon(gable, dice.tinge(dice.pick(_ROOFS), 14))
        x += wide * (dice.between(1.0, 1.8) if village else dice.between(0.8, 1.1))


def facade(canvas: Canvas, box: tuple[float, float, float, float], night: bool) -> None:
    """Paint one building front with rows of windows; ``box`` is left, top, right, bottom."""
    dice = canvas.dice
    x0, y0, x1, y1 = box
    wall = dice.tinge(dice.pick(_WALLS), 22)
    pen = canvas.pen()
    pen.box(x0, y0, x1, y1, wall)
    pen.box(x0 + 0.85 * (x1 - x0), y0, x1, y1, shade(wall, 0.82))
    columns = min(9, max(2, round((x1 - x0) / dice.between(0.03, 0.06))))
    rows = min(9, max(1, round((y1 - y0) / dice.between(0.045, 0.09))))
    dx, dy = (x1 - x0) / columns, (y1 - y0) / rows
    glass = dice.tinge((70, 85, 100), 25)
    lit = dice.between(0.2, 0.7)
    for row in range(rows):
        for column in range(columns):
            x, y = x0 + (column + 0.25) * dx, y0 + (row + 0.25) * dy
            pen.box(x, y, x + 0.5 * dx, y + 0.5 * dy, glass)
            if night and dice.chance(lit):
                canvas.light(x + 0.25 * dx, y + 0.25 * dy, 0.16 * min(dx, dy) + 0.003, LAMP)


def street(canvas: Canvas, horizon: float, night: bool, tallest: float = 1.2) -> None:
    """Paint a row of houses behind a pavement and an empty road that begins at the horizon.

    ``tallest`` bounds the height of the houses, as a share of the sky.
    """
    dice = canvas.dice
    skyline(canvas, horizon, horizon * dice.between(0.4 * tallest, tallest), night)
    asphalt = dice.tinge(dice.pick(_ASPHALTS), 10)
    ground(canvas, horizon, asphalt, 0.15)
    pen = canvas.pen()
    kerb = horizon + dice.between(0.03, 0.09)
    pen.box(0, horizon, 1, kerb, shade(asphalt, 1.4))
    pen.box(0, kerb, 1, kerb + 0.012, shade(asphalt, 0.7))
    if dice.chance(0.5):
        y = horizon + (1 - horizon) * dice.between(0.45, 0.7)
        for k in range(5):
            pen.at(0.25 * k, y).polygon("0,0 .12,0 .1,.02 -.02,.02", (225, 222, 205))
    for _ in range(dice.many(0, 2)):
        _lamp_post(canvas, dice.between(0.05, 0.95), kerb, dice.between(0.3, 0.55), night)


def _lamp_post(canvas: Canvas, x: float, y: float, height: float, night: bool) -> None:
    pen = canvas.pen(x, y, height)
    pen.line("0,0 0,-.9 .05,-1 .2,-1", 0.03, (60, 62, 66))
    pen.ellipse(0.2, -0.97, 0.06, 0.03, LAMP if night else (235, 232, 210))
    if night:
        canvas.light(x + 0.2 * height, y - 0.97 * height, 0.025, LAMP)


def mirror_lights(canvas: Canvas, horizon: float) -> None:
    """Mirror the lights above the horizon in water or wet ground below it."""
    dice = canvas.dice
    for lamp in canvas.lights[:]:
        if lamp.y < horizon and lamp.r > 0.006 and dice.chance(0.5):
            below = horizon + (horizon - lamp.y) * dice.between(0.3, 0.9)
            canvas.light(lamp.x, below, 0.6 * lamp.r, shade(lamp.colour, 0.6))
