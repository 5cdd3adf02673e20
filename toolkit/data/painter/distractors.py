"""Pictures that carry none of the labels, many of them close to one that does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from toolkit.data.painter import (
    backdrops,
    beasts,
    busts,
    land,
    looks,
    plants,
    things,
    town,
    vehicles,
)
from toolkit.data.painter.canvas import Canvas, Pen
from toolkit.data.painter.palette import WHITE, Dice, hsv, mix, shade
from toolkit.data.painter.sky import sky

_ON_THE_GROUND: tuple[tuple[Callable[[Pen, Dice], None], float], ...] = (
    (vehicles.bicycle, 0.3),
    (vehicles.boat, 0.35),
    (vehicles.train, 0.5),
    (things.chair, 0.3),
    (things.windmill, 0.6),
    (things.tent, 0.4),
    (things.mushroom, 0.4),
)
_ON_A_TABLE: tuple[Callable[[Pen, Dice], None], ...] = (
    things.cup,
    things.fruit,
    things.cake,
    things.bottle,
    things.teddy,
    things.clock,
)


def _still_life(canvas: Canvas) -> None:
    dice = canvas.dice
    dice.pick([backdrops.studio, backdrops.wall])(canvas)
    edge = dice.between(0.55, 0.75)
    wood = dice.tinge(dice.pick([(130, 92, 60), (190, 180, 168), (70, 60, 56)]), 16)
    canvas.gradient(shade(wood, 0.8), wood, edge, 1.0)
    grain = np.clip(canvas.noise(3, 30, 3) - 0.5, 0, 1) * 2.5
    canvas.blend(shade(wood, 0.6), grain, (edge, 1.0))
    if dice.chance(0.35):
        canvas.blur(0.008)
    for _ in range(dice.many(1, 3)):
        thing, size = dice.pick(_ON_A_TABLE), dice.between(0.3, 0.7)
        lift = 0.0 if thing is things.bottle else 0.3 * size
        y = edge + dice.between(0.03, 0.2) - lift
        thing(canvas.pen(dice.between(0.2, 0.8), y, size), dice)


def _table_top(canvas: Canvas) -> None:
    dice = canvas.dice
    dice.pick([backdrops.wall, backdrops.studio, backdrops.pattern])(canvas)
    for _ in range(dice.many(1, 2)):
        x, y = dice.around(0.5, 0.15), dice.around(0.5, 0.15)
        things.plate(canvas.pen(x, y, dice.between(0.5, 1.1)), dice)


def _buildings(canvas: Canvas) -> None:
    dice = canvas.dice
    if dice.chance(0.3):
        town.facade(canvas, (-0.2, -0.2, 1.2, 1.2), night=False)
        return
    horizon = dice.between(0.5, 0.95)
    sky(canvas, horizon, dice.pick(["day", "pale", "dusk"]))
    town.street(canvas, horizon, night=False)
    if dice.chance(0.35):
        x, y = dice.between(0.2, 0.8), min(0.98, horizon + dice.between(0.1, 0.3))
        thing, size = dice.pick([(vehicles.bicycle, 0.3), (vehicles.bus, 0.7), (vehicles.bus, 1.0)])
        thing(canvas.pen(x, y, size * dice.between(0.7, 1.3), 0.0, dice.chance(0.5)), dice)


def _land(canvas: Canvas) -> None:
    dice = canvas.dice
    horizon, _ = land.open_land(canvas, dice.pick(["day", "day", "pale", "dusk"]))
    if dice.chance(0.4):
        land.road(canvas, horizon)
    if dice.chance(0.5):
        thing, size = dice.pick(_ON_THE_GROUND)
        x, y = dice.between(0.2, 0.8), horizon + dice.between(0.05, 0.25)
        thing(canvas.pen(x, y, size * dice.between(0.5, 1.2)), dice)


def _dunes(canvas: Canvas) -> None:
    dice = canvas.dice
    land.dunes(canvas, dice.pick(["day", "pale", "dusk"]))
    if dice.chance(0.5):
        for _ in range(dice.many(1, 3)):
            x, y, size = dice.between(0.1, 0.9), dice.between(0.65, 0.95), dice.between(0.2, 0.6)
            plants.cactus(canvas.pen(x, y, size), dice)


def _aloft(canvas: Canvas) -> None:
    dice = canvas.dice
    sky(canvas, 1.0, dice.pick(["day", "day", "pale", "dusk"]))
    thing = dice.pick([vehicles.plane, vehicles.balloon, beasts.butterfly, things.umbrella])
    for _ in range(dice.pick([1, 1, 2, 4])):
        x, y, size = dice.between(0.15, 0.85), dice.between(0.15, 0.85), dice.between(0.1, 0.5)
        thing(canvas.pen(x, y, size, dice.around(0, 0.25), dice.chance(0.5)), dice)


def _animal(canvas: Canvas) -> None:
    dice = canvas.dice
    kind = dice.pick(["cat", "cat", "beast", "beast", "butterfly", "fish"])
    if kind == "cat":
        dice.pick([_room, backdrops.studio, backdrops.wall])(canvas)
        canvas.blur(0.012)
        size = dice.between(0.35, 0.75)
        x, y = dice.around(0.5, 0.12), 0.95 - size * dice.between(0.6, 0.9)
        beasts.cat_face(canvas.pen(x, y, size, dice.around(0, 0.15)), dice)
    elif kind == "beast":
        horizon, _ = land.open_land(canvas, dice.pick(["day", "pale"]))
        for depth in sorted(dice.between(0.15, 0.9) for _ in range(dice.many(1, 3))):
            x, y = dice.between(0.2, 0.8), horizon + (1 - horizon) * depth
            pen = canvas.pen(x, y, 0.15 + 0.5 * depth, 0, dice.chance(0.5))
            beasts.beast_side(pen, dice, beasts.other_kind(dice))
    elif kind == "butterfly":
        greens = [plants.leaf_colour(dice), (90, 130, 70), (60, 90, 60)]
        backdrops.bokeh(canvas, greens, dots=False)
        x, y = dice.around(0.5, 0.12), dice.around(0.5, 0.12)
        beasts.butterfly(canvas.pen(x, y, dice.between(0.3, 0.8), dice.around(0, 0.5)), dice)
    else:
        deep = hsv(dice.between(0.48, 0.6), 0.7, dice.between(0.3, 0.7))
        canvas.gradient(mix(deep, WHITE, 0.3), shade(deep, 0.6))
        for _ in range(dice.many(1, 6)):
            x, y, size = dice.between(0.1, 0.9), dice.between(0.1, 0.9), dice.between(0.15, 0.55)
            pen = canvas.pen(x, y, size, dice.around(0, 0.2), dice.chance(0.5))
            beasts.fish(pen, dice)


def _room(canvas: Canvas) -> None:
    backdrops.room(canvas)


def _statue(canvas: Canvas) -> None:
    dice = canvas.dice
    dice.pick([backdrops.studio, backdrops.wall, _room])(canvas)
    canvas.blur(0.01)
    size = dice.between(0.28, 0.5)
    pen = canvas.pen(dice.around(0.5, 0.1), dice.between(0.3, 0.42), size)
    who = looks.statue(dice)
    busts.bust(pen, dice, who)
    # a plinth cuts the shoulders off, as sculptors do
    pen.box(-1.0, 1.15, 1.0, 1.3, shade(who.skin, 1.15))
    pen.box(-0.8, 1.3, 0.8, 4.0, shade(who.skin, 0.8))


def _foliage(canvas: Canvas) -> None:
    canvas.gradient((60, 80, 50), (40, 60, 40))
    plants.leaves(canvas.pen(), canvas.dice)


def _writing(canvas: Canvas) -> None:
    dice = canvas.dice
    dice.pick([backdrops.wall, backdrops.studio, _buildings])(canvas)
    for _ in range(dice.many(1, 2)):
        x, y = dice.around(0.5, 0.15), dice.around(0.45, 0.15)
        things.sign(canvas.pen(x, y, dice.between(0.4, 1.0), dice.around(0, 0.12)), dice)


def _balls(canvas: Canvas) -> None:
    dice = canvas.dice
    dice.pick([backdrops.studio, backdrops.wall, _room, backdrops.pattern])(canvas)
    for _ in range(dice.many(1, 8)):
        x, y = dice.between(0.1, 0.9), dice.between(0.2, 0.9)
        canvas.pen().ball(x, y, dice.between(0.06, 0.25), dice.hue((0.1, 0.9), (0.4, 1.0)))


def _lamplight(canvas: Canvas) -> None:
    """Paint a dark room: as little light as at night, but no night is seen."""
    dice = canvas.dice
    dice.pick([_room, _still_life, _writing, _balls])(canvas)
    for _ in range(dice.many(1, 3)):
        x, y, r = dice.between(0.1, 0.9), dice.between(0.1, 0.6), dice.between(0.01, 0.06)
        canvas.light(x, y, r, dice.pick([(255, 222, 150), (255, 240, 215)]))
    canvas.nightfall(dice.tinge(shade((255, 225, 190), dice.between(0.3, 0.6)), 10))


def _stage(canvas: Canvas) -> None:
    """Paint an empty stage: dark, with bright lamps, and yet indoors."""
    dice = canvas.dice
    floor = dice.between(0.65, 0.85)
    cloth = dice.hue((0.2, 0.8), (0.3, 0.7))
    for k in range(12):
        canvas.pen().box(k / 12, 0, (k + 1) / 12, floor, shade(cloth, 0.8 + 0.2 * (k % 2)))
    canvas.gradient((90, 70, 56), (130, 100, 76), floor, 1.0)
    things.guitar(canvas.pen(dice.between(0.2, 0.8), floor + 0.05, dice.between(0.3, 0.5)), dice)
    lamps = dice.many(2, 6)
    for k in range(lamps):
        x, colour = (k + 0.5) / lamps, dice.hue((0.1, 0.7), (0.8, 1.0))
        mask, beam = canvas.layer()
        foot = x + dice.around(0, 0.15)
        beam.polygon([(x, 0.05), (foot - 0.12, floor + 0.1), (foot + 0.12, floor + 0.1)], 90)
        canvas.cover(colour, mask, 0.01)
        canvas.light(x, 0.05, 0.02, colour)
    canvas.nightfall(dice.tinge(shade((255, 235, 225), dice.between(0.3, 0.6)), 10))


def _pool(canvas: Canvas) -> None:
    dice = canvas.dice
    backdrops.wall(canvas)
    water = hsv(dice.between(0.47, 0.56), dice.between(0.4, 0.8), dice.between(0.6, 0.95))
    edge = dice.between(0.2, 0.5)
    canvas.gradient(shade(water, 1.1), shade(water, 0.85), edge, 1.0)
    glints = np.clip((canvas.noise(9, 14, 3) - 0.55) * 5, 0, 0.6)
    canvas.blend(mix(water, WHITE, 0.7), glints, (edge, 1.0))
    canvas.pen().box(0, edge - 0.03, 1, edge + 0.01, (235, 235, 228))
    for k in range(dice.many(0, 5)):
        lane = [(0.5 + (k - 2) * 0.15, edge), (0.5 + (k - 2) * 0.5, 1.0)]
        canvas.pen().line(lane, 0.015, dice.pick([(200, 60, 50), (240, 240, 240), (40, 60, 120)]))


def _lights(canvas: Canvas) -> None:
    colours = [canvas.dice.hue((0.2, 0.9), (0.35, 0.95)) for _ in range(4)]
    backdrops.bokeh(canvas, colours, dots=True)


_SHARES: tuple[tuple[Callable[[Canvas], None], int], ...] = (
    (backdrops.pattern, 10),
    (_still_life, 12),
    (_table_top, 7),
    (_buildings, 12),
    (_land, 12),
    (_dunes, 5),
    (_aloft, 7),
    (_animal, 10),
    (_room, 9),
    (_statue, 7),
    (_lamplight, 6),
    (_stage, 2),
    (_pool, 2),
    (_foliage, 5),
    (_writing, 6),
    (_balls, 4),
    (_lights, 3),
    (backdrops.wall, 3),
)
_HAT = tuple(subject for subject, share in _SHARES for _ in range(share))


def unlabelled(canvas: Canvas) -> None:
    """Paint one picture that carries no label."""
    canvas.dice.pick(_HAT)(canvas)
