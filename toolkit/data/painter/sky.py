"""Skies by day and by night, and clouds."""

from __future__ import annotations

import math

import numpy as np

from toolkit.data.painter.canvas import Canvas
from toolkit.data.painter.palette import WHITE, Colour, Dice, hsv, mix, shade

Mood = str
_DUSK_LIT: tuple[Colour, ...] = ((255, 196, 150), (255, 214, 190), (250, 170, 150), (255, 225, 170))


def sky(canvas: Canvas, horizon: float, mood: Mood) -> Colour:
    """Paint a cloudless sky down to the horizon; return its colour there.

    ``mood`` is ``day``, ``dusk``, ``pale`` or ``night``.
    """
    dice = canvas.dice
    if mood == "night":
        top = hsv(dice.between(0.58, 0.74), dice.between(0.4, 0.9), dice.between(0.1, 0.35))
        bottom = mix(top, dice.pick([(90, 60, 80), (130, 90, 60), (40, 70, 120), top]), 0.6)
    elif mood == "dusk":
        top = hsv(dice.between(0.58, 0.85), dice.between(0.25, 0.6), dice.between(0.4, 0.75))
        bottom = hsv(dice.between(0.02, 0.13), dice.between(0.4, 0.8), dice.between(0.85, 1.0))
    elif mood == "pale":
        top = hsv(dice.between(0.5, 0.65), dice.between(0.0, 0.15), dice.between(0.7, 0.95))
        bottom = mix(top, WHITE, dice.between(0.2, 0.7))
    else:
        top = hsv(dice.between(0.53, 0.64), dice.between(0.4, 0.85), dice.between(0.6, 0.95))
        bottom = mix(top, WHITE, dice.between(0.2, 0.75))
    canvas.gradient(top, bottom, 0.0, max(horizon, 0.02))
    canvas.gradient(bottom, bottom, horizon, 1.0)
    if mood == "dusk" and dice.chance(0.5):
        x, y = dice.between(0.1, 0.9), horizon - dice.between(-0.02, 0.2)
        canvas.pen().disc(x, y, dice.between(0.03, 0.08), (255, 238, 190))
    return bottom


def clouds(canvas: Canvas, horizon: float, mood: Mood) -> None:
    """Paint clouds above the horizon: heaps, a broken sheet, streaks, or a storm."""
    dice = canvas.dice
    lit, dim = _cloud_colours(dice, mood)
    kind = dice.pick(["heaps", "heaps", "heaps", "sheet", "sheet", "streaks", "storm"])
    if kind == "heaps":
        for k in range(dice.many(1, 5)):
            # the first one is well up in the sky
            x, y = dice.between(0.08, 0.92), horizon * dice.between(0.15, 0.85 if k else 0.55)
            _heap(canvas, x, y, dice.between(0.08, 0.26), lit, dim)
        return
    across, down = {"sheet": (4, 5), "streaks": (2, 12), "storm": (3, 4)}[kind]
    field = canvas.noise(across, down, 5)
    field = (field - float(field.mean())) / (float(field.std()) + 1e-6)
    rows = np.arange(len(field), dtype=np.float32)[:, None] / len(field)
    # the air thickens towards the horizon, and sheets of cloud fade into it
    near = np.clip((horizon - rows) / 0.08, 0.0, 1.0)
    if kind == "storm":
        canvas.blend(shade(dim, 0.7), near * np.clip(0.8 + 0.2 * field, 0.0, 1.0))
        canvas.blend(lit, near * np.clip(0.45 * field, 0.0, 0.8))
        return
    cover = dice.between(-0.3, 0.7)
    under = np.roll(field, 3, axis=0)
    canvas.blend(dim, near * np.clip((under - cover) * 0.9, 0.0, 0.7))
    canvas.blend(lit, near * np.clip((field - cover) * 1.2, 0.0, 0.96))


def _cloud_colours(dice: Dice, mood: Mood) -> tuple[Colour, Colour]:
    if mood == "dusk":
        return dice.pick(_DUSK_LIT), dice.pick([(120, 90, 120), (150, 90, 90), (90, 80, 110)])
    if mood == "night":
        return (170, 175, 200), (80, 84, 105)
    dim = mix((140, 150, 168), (200, 207, 220), dice.between(0.0, 1.0))
    return mix(WHITE, (235, 235, 240), dice.between(0.0, 1.0)), dice.tinge(dim, 8.0)


def _heap(canvas: Canvas, x: float, y: float, size: float, lit: Colour, dim: Colour) -> None:
    dice = canvas.dice
    puffs = []
    for _ in range(dice.many(9, 16)):
        along = dice.around(0.0, 0.6)
        r = size * dice.between(0.28, 0.55) * (1.05 - 0.45 * abs(along))
        puffs.append((x + along * size * 1.5, y - dice.between(0.5, 1.0) * r, r))
    for colour, lift, share in ((dim, 0.0, 1.0), (mix(dim, lit, 0.6), 0.12, 0.93), (lit, 0.3, 0.8)):
        mask, pen = canvas.layer()
        for px, py, r in puffs:
            pen.ellipse(px - 0.1 * lift * r, py - lift * r, r * share, r * share * 0.8, 240)
        if not lift:
            pen.ellipse(x, y, size * 1.15, size * 0.16, 240)
        canvas.cover(colour, mask, 0.006 + 0.02 * size)


def night_sky(canvas: Canvas, horizon: float) -> None:
    """Switch on the moon, the stars or fireworks above the horizon, at least one of them."""
    dice = canvas.dice
    kind = dice.pick(["stars", "stars", "moon", "moon", "both", "both", "fireworks"])
    if kind in ("stars", "both"):
        for _ in range(dice.many(20, 110)):
            x, y = dice.between(0.0, 1.0), horizon * dice.between(0.0, 0.97)
            star = mix(WHITE, (160, 180, 255), dice.between(0.0, 1.0))
            canvas.light(x, y, dice.pick([0.002, 0.003, 0.005]), star)
    if kind in ("moon", "both"):
        x, y = dice.between(0.1, 0.9), horizon * dice.between(0.15, 0.6)
        canvas.light(x, y, dice.between(0.025, 0.09), (250, 246, 225))
    if kind == "fireworks":
        for _ in range(dice.many(1, 3)):
            x, y = dice.between(0.2, 0.8), horizon * dice.between(0.2, 0.6)
            reach, spark = dice.between(0.1, 0.25), dice.hue((0.4, 0.9), (0.9, 1.0))
            for k in range(60):
                r, angle = reach * dice.between(0.2, 1.0), 2 * math.pi * k / 60
                canvas.light(x + r * math.cos(angle), y + r * math.sin(angle), 0.004, spark)
