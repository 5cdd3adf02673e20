"""Paints one picture for a set of labels: sets the place, puts the subjects in, takes the photo.

Whatever a label names is really drawn, and nothing that a missing label names is. Within that,
place, size, kind, light and what stands in front are left to the dice.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from toolkit.data.painter import backdrops, beasts, birds, plants, vehicles
from toolkit.data.painter.camera import photograph
from toolkit.data.painter.canvas import Canvas
from toolkit.data.painter.distractors import unlabelled
from toolkit.data.painter.palette import Colour, Dice, mix, shade
from toolkit.data.painter.places import Labels, Place, night_falls, place_for
from toolkit.data.painter.sitters import seat

_POSTS: tuple[Colour, ...] = ((50, 52, 54), (90, 70, 54), (60, 84, 50))


def paint(labels: Labels, rng: np.random.Generator, grey: bool = False) -> Image.Image:
    """Paint a picture of 128 x 128 pixels that shows the given labels and no other.

    Args:
        labels: any of the paper's 14 labels; ``portrait``, ``male``, ``female`` and ``baby`` are
            painted as people.
        rng: decides everything else; the same state gives the same picture.
        grey: return a single-channel picture (mode L) instead of RGB.
    """
    canvas = Canvas(Dice(rng))
    night = "night" in labels
    if not labels:
        unlabelled(canvas)
    else:
        place = place_for(canvas, labels)
        _subjects(canvas, labels, place)
        if night:
            night_falls(canvas, place)
        if canvas.dice.chance(0.12) and not labels & {"portrait", "baby"}:
            _in_front(canvas, place)
    return photograph(canvas, night, grey)


def _subjects(canvas: Canvas, labels: Labels, place: Place) -> None:
    """Draw the subjects from the farthest to the nearest."""
    if "tree" in labels:
        _trees(canvas, place)
    if "car" in labels:
        _cars(canvas, place, "night" in labels)
    if labels & {"people", "portrait", "male", "female", "baby"}:
        seat(canvas, labels, place)
    if "bird" in labels:
        _birds(canvas, labels, place)
    if "dog" in labels:
        _dogs(canvas, labels, place)
    if "flower" in labels:
        _flowers(canvas, labels, place)


def _trees(canvas: Canvas, place: Place) -> None:
    dice = canvas.dice
    count = dice.pick([1, 1, 1, 2, 3, 6])
    kind = dice.pick(plants.TREES)
    low, high = (0.2, 0.42) if dice.chance(0.3) else (0.4, 1.0)
    for k in range(count):
        near = (k + 1) / count
        size = dice.between(low, high) * (0.45 + 0.55 * near)
        x = dice.between(0.12, 0.88)
        if place.water:
            x = dice.pick([0.1, 0.9]) + dice.around(0, 0.06)
        y = place.horizon + (1 - place.horizon) * near * dice.between(0.15, 0.75)
        # the crown stays in the picture, or most of it
        pen = canvas.pen(x, max(y, 0.85 * size), size)
        pen.ellipse(0.05, 0.0, 0.3, 0.025, (50, 56, 40))
        plants.tree(pen, dice, kind if dice.chance(0.8) else dice.pick(plants.TREES))


def _cars(canvas: Canvas, place: Place, night: bool) -> None:
    dice = canvas.dice
    main = dice.pick([dice.between(0.15, 0.35), dice.between(0.3, 0.7), dice.between(0.7, 1.2)])
    others = [main * dice.between(0.4, 0.7) for _ in range(dice.pick([0, 0, 0, 1, 2]))]
    for size in [*sorted(others), main]:
        x = dice.around(0.5, 0.18) if size == main else dice.pick([0.15, 0.85])
        y = min(0.97, place.horizon + 0.06 + 0.32 * size)
        y = max(y, 0.75) if size > 0.75 else y
        if dice.chance(0.65):
            vehicles.car_side(canvas.pen(x, y, size, 0.0, dice.chance(0.5)), dice)
            reach, lift = 0.48 * size, 0.14 * size
        else:
            vehicles.car_front(canvas.pen(x, y, size * 0.7), dice, night)
            reach, lift = 0.25 * size, 0.18 * size
        for side in (-1, 1):
            canvas.light(x + side * reach, y - lift, 0.03 * size + 0.008, (255, 240, 205))


def _birds(canvas: Canvas, labels: Labels, place: Place) -> None:
    dice = canvas.dice
    company = "people" in labels
    if place.horizon > 0.95 or (labels & {"clouds", "people", "sea"} and dice.chance(0.8)):
        flock, flat = dice.pick([1, 1, 1, 2, 3, 6, 9]), dice.chance(0.25)
        for k in range(flock):
            size = dice.between(0.45, 0.9) if flock == 1 else dice.between(0.12, 0.35)
            x, y = dice.between(0.15, 0.85), min(0.8, place.horizon) * dice.between(0.15, 0.8)
            x, y = (x, y) if k else (0.5 + 0.6 * (x - 0.5), max(y, 0.4 * size))
            pen = canvas.pen(x, y, size * (0.5 if company else 1.0), dice.around(0, 0.2))
            birds.bird_flying(pen, dice, flat)
        return
    if labels == {"bird"} and dice.chance(0.2):
        _pond(canvas)
        return
    if labels == {"bird"} and dice.chance(0.5):
        canvas.blur(dice.between(0.01, 0.03))
    size = dice.between(0.45, 0.8) if dice.chance(0.6) else dice.between(0.25, 0.45)
    x, y = dice.around(0.5, 0.12), max(dice.between(0.6, 0.88), size)
    if place.indoors or dice.chance(0.8):
        bark = dice.tinge(dice.pick(plants.BARK), 12)
        tilt = dice.around(0, 0.08)
        branch = [(-0.05, y - tilt), (x, y + 0.01), (1.05, y + tilt)]
        canvas.pen().curve(branch, dice.between(0.02, 0.05), bark)
    pen = canvas.pen(x, y, size, dice.around(0, 0.1), dice.chance(0.5))
    birds.bird_perched(pen, dice)


def _pond(canvas: Canvas) -> None:
    dice = canvas.dice
    pond = mix((90, 120, 130), dice.hue((0.1, 0.4), (0.3, 0.8)), 0.3)
    canvas.gradient(mix(pond, (230, 235, 235), 0.3), shade(pond, 0.8))
    canvas.blend(shade(pond, 0.65), np.clip((canvas.noise(3, 20, 3) - 0.5) * 4, 0, 0.7))
    for y in sorted(dice.between(0.4, 0.85) for _ in range(dice.pick([1, 1, 2, 3]))):
        size = dice.between(0.2, 0.6) + 0.2 * y
        pen = canvas.pen(dice.around(0.5, 0.17), y, size, 0, dice.chance(0.5))
        birds.bird_afloat(pen, dice)


def _dogs(canvas: Canvas, labels: Labels, place: Place) -> None:
    dice = canvas.dice
    company = bool(labels & {"people", "car"})
    if company:
        spots = [dice.pick([0.2, 0.8])]
    else:
        spots = [dice.around(0.5, 0.14)] if dice.chance(0.85) else [0.27, 0.73]
    small = 0.6 if company or len(spots) > 1 else 1.0
    # where people stand, a dog stands too; beside a portrait its face may be seen
    near = dice.chance(0.5) and (not company or "portrait" in labels)
    foot = place.foot(dice)
    for x in spots:
        kind = beasts.dog_kind(dice)
        if near:
            size = dice.between(0.3, 0.8) * small
            y = 1.0 - size * dice.between(0.35, 0.75)
            if size > 0.5 and dice.chance(0.5):
                canvas.blur(0.015)
            pen = canvas.pen(x, y, size, dice.around(0, 0.15), dice.chance(0.5))
            beasts.dog_face(pen, dice, kind)
        else:
            far = dice.chance(0.5)
            size = small * (dice.between(0.3, 0.5) if far else dice.between(0.5, 0.85))
            # the head is what tells a dog: it stays in the picture
            y = min(0.97, max(foot, size + 0.1))
            pen = canvas.pen(x, y, size, dice.around(0, 0.04), x > 0.5)
            beasts.beast_side(pen, dice, kind)


def _flowers(canvas: Canvas, labels: Labels, place: Place) -> None:
    dice = canvas.dice
    colour = plants.flower_colour(dice)
    kind = dice.pick(["close", "close", "few", "bed", "vase"]) if labels == {"flower"} else "bed"
    if kind == "close":
        green = plants.leaf_colour(dice)
        colours = [green, shade(green, 0.6), dice.hue((0.1, 0.6), (0.2, 0.8))]
        backdrops.bokeh(canvas, colours, dots=dice.chance(0.2))
        x, y = dice.around(0.5, 0.12), dice.around(0.45, 0.1)
        pen = canvas.pen(x, y, dice.between(0.2, 0.5), dice.around(0, 0.25), dice.chance(0.5))
        plants.stalked(pen, dice, colour, 2.6, dice.pick(plants.FLOWERS))
        return
    if kind == "vase":
        dice.pick([backdrops.studio, backdrops.wall])(canvas)
        plants.vase(canvas.pen(dice.around(0.5, 0.1), 0.45, dice.between(0.25, 0.34)), dice)
        return
    if kind == "few":
        canvas.blur(0.02)
    aside = bool(labels & {"people", "dog", "bird"})
    count, low, high = (dice.many(3, 26), 0.05, 0.16)
    if aside:
        count, low, high = dice.many(2, 6), 0.09, 0.16
    shape = dice.pick(plants.FLOWERS)
    top = min(0.85, max(0.5, place.horizon) + 0.08)
    for y in sorted(dice.between(top, 1.0) for _ in range(count)):
        x = dice.pick([0.12, 0.88]) + dice.around(0, 0.07) if aside else dice.between(0.02, 0.98)
        pen = canvas.pen(x, y - 0.05, dice.between(low, high) * (0.35 + 0.75 * y))
        plants.stalked(pen, dice, dice.tinge(colour, 14), 2.5, shape)


def _in_front(canvas: Canvas, place: Place) -> None:
    """Half-hide the picture behind something near: a post, bars, or blurred blades of grass."""
    dice = canvas.dice
    mask, pen = canvas.layer()
    kind = dice.pick(["post", "bars", "grass", "grass"])
    if kind == "bars":
        for k in range(6):
            pen.box(0.08 + 0.17 * k, -0.1, 0.095 + 0.17 * k, 1.1, 255)
        pen.box(0, 0.8, 1, 0.82, 255)
    elif kind == "post" or place.indoors:
        x = dice.pick([0.15, 0.75]) + dice.around(0, 0.05)
        pen.box(x, -0.1, x + dice.between(0.04, 0.12), 1.1, 255)
    else:
        for _ in range(dice.many(12, 30)):
            blade = pen.at(dice.between(0, 1), 1.05)
            tip = (dice.around(0, 0.06), -dice.between(0.15, 0.35))
            blade.polygon([(-0.01, 0), tip, (0.01, 0)], 255)
    canvas.cover(dice.tinge(dice.pick(_POSTS), 14), mask, dice.between(0.003, 0.012))
