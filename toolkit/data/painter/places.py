"""Where the subjects of a picture stand: a landscape, a roadside, a room; and nightfall over it."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.data.painter import backdrops, land, plants, town, water
from toolkit.data.painter.canvas import Canvas
from toolkit.data.painter.palette import Colour, Dice, shade
from toolkit.data.painter.sky import clouds, night_sky, sky

Labels = frozenset[str]
_BY_NIGHT: tuple[Colour, ...] = (town.LAMP, (255, 170, 90), (150, 200, 255), (255, 120, 120))
_WOODED = frozenset({"tree", "bird", "flower", "people", "female", "male"})


@dataclass(frozen=True)
class Place:
    """The ground begins at ``horizon``, a height on the canvas; 1 means that there is none."""

    horizon: float
    water: bool = False
    indoors: bool = False

    def foot(self, dice: Dice) -> float:
        """Return a height on the ground at which something may stand."""
        return self.horizon + (1.0 - self.horizon) * dice.between(0.1, 0.9)


def place_for(canvas: Canvas, labels: Labels) -> Place:
    """Paint the place for some labels; sea, river, clouds and night are part of it."""
    dice = canvas.dice
    mood = "night" if "night" in labels else dice.pick(["day", "day", "day", "pale", "dusk"])
    if "clouds" in labels and mood == "pale":
        mood = "day"
    if labels & {"sea", "river", "clouds", "tree", "night"}:
        return _landscape(canvas, labels, mood)
    if "car" in labels:
        return _roadside(canvas, mood)
    if "bird" in labels and dice.chance(0.45):
        sky(canvas, 1.0, mood)
        return Place(1.0)
    if labels & {"portrait", "baby"} or dice.chance(0.4):
        return _indoors(canvas, near=bool(labels & {"portrait", "baby"}))
    if dice.chance(0.4):
        return _roadside(canvas, mood)
    return Place(land.open_land(canvas, mood)[0])


def _landscape(canvas: Canvas, labels: Labels, mood: str) -> Place:
    dice = canvas.dice
    if "tree" in labels and labels <= _WOODED and dice.chance(0.15):
        canvas.gradient((200, 210, 190), land.soil_colour(dice))
        plants.wood(canvas.pen(), dice)
        return Place(0.7)
    horizon = _horizon(canvas, labels)
    air = sky(canvas, horizon, mood)
    if "clouds" in labels:
        clouds(canvas, horizon, mood)
    if horizon == 1.0:
        return Place(1.0)
    if "sea" in labels:
        water.sea(canvas, horizon, mood, air)
        return Place(horizon, water=True)
    night, soil = mood == "night", land.soil_colour(dice)
    built = 0.6 if "car" in labels else 0.4 if night else 0.18
    if "river" not in labels and dice.chance(built):
        # houses must not hide the clouds
        town.street(canvas, horizon, night, 0.5 if "clouds" in labels else 1.2)
        return Place(horizon)
    if dice.chance(0.7):
        land.hills(canvas, horizon, air, soil)
    if dice.chance(0.6 if night else 0.1):
        tallest = 0.2 if "clouds" in labels else 0.4
        town.skyline(canvas, horizon, dice.between(0.1, tallest), night)
    land.ground(canvas, horizon, soil)
    if "river" in labels:
        water.river(canvas, horizon, air)
        return Place(horizon, water=True)
    if "car" in labels or dice.chance(0.15):
        land.road(canvas, horizon)
    return Place(horizon)


def _horizon(canvas: Canvas, labels: Labels) -> float:
    dice = canvas.dice
    if labels & {"sea", "river"}:
        return dice.between(0.25, 0.55)
    if "portrait" in labels:
        return dice.between(0.6, 0.8)
    if labels == {"clouds"} and dice.chance(0.2):
        return 1.0
    return dice.between(0.5, 0.85) if "clouds" in labels else dice.between(0.3, 0.7)


def _roadside(canvas: Canvas, mood: str) -> Place:
    dice = canvas.dice
    if dice.chance(0.35):
        horizon, _ = land.open_land(canvas, mood)
        land.road(canvas, horizon)
        return Place(horizon)
    horizon = dice.between(0.4, 0.72)
    sky(canvas, horizon, mood)
    town.street(canvas, horizon, night=False)
    return Place(horizon)


def _indoors(canvas: Canvas, near: bool) -> Place:
    dice = canvas.dice
    kind = dice.pick(["studio", "studio", "room", "room", "wall", "bokeh", "pattern"])
    if kind == "room" or (kind == "pattern" and not near):
        return Place(backdrops.room(canvas), indoors=True)
    if kind == "bokeh":
        colours = [dice.hue((0.1, 0.6), (0.2, 0.85)) for _ in range(4)]
        backdrops.bokeh(canvas, colours, dots=dice.chance(0.3))
    elif kind == "pattern":
        backdrops.pattern(canvas)
        canvas.blur(0.02)
    else:
        (backdrops.studio if kind == "studio" else backdrops.wall)(canvas)
    return Place(0.75, indoors=True)


def night_falls(canvas: Canvas, place: Place) -> None:
    """Darken the picture and switch on the sky, the windows and the lamps."""
    dice = canvas.dice
    night_sky(canvas, place.horizon)
    for _ in range(dice.many(0, 5)):
        y = place.horizon + dice.around(0.0, 0.05)
        canvas.light(dice.between(0, 1), y, dice.between(0.006, 0.02), dice.pick(_BY_NIGHT))
    if place.water or dice.chance(0.3):
        town.mirror_lights(canvas, place.horizon)
    # at the blue hour there is light left in the sky
    dark = dice.between(0.6, 0.95) if dice.chance(0.35) else dice.between(0.35, 0.6)
    canvas.nightfall(dice.tinge(shade((180, 195, 255), dark), 8))
