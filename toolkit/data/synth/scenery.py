"""Where pictures are set: skies and clouds, land, rivers and roads, the sea and rooms."""

from __future__ import annotations

import numpy as np

from toolkit.data.synth.canvas import WHITE, Canvas, Colour, X, Y, hue, mix, shade
from toolkit.data.synth.sketch import outline

_OVERHEAD = {  # hues, saturation and value
    "day": (0.53, 0.62, 0.6, 0.8),
    "pale": (0.5, 0.65, 0.08, 0.85),
    "dusk": (0.6, 0.9, 0.45, 0.6),
    "night": (0.6, 0.7, 0.8, 0.3),
}


def sky(canvas: Canvas, horizon: float, mood: str) -> Colour:
    """Paint a sky (``day``, ``pale``, ``dusk`` or ``night``); return its colour at the horizon."""
    dice, night = canvas.dice, mood == "night"
    top = hue(dice, *_OVERHEAD[mood])
    low = mix(top, WHITE, dice.uniform(0.0, 0.25 if night else 0.75))
    low = hue(dice, 0.02, 0.12, 0.6, 0.95) if mood == "dusk" else low
    canvas.gradient(top, low, 0, horizon)
    for k in range(dice.randint(15, 90) if night else mood == "dusk"):
        r = dice.uniform(0.001, 0.005) if k else dice.uniform(0.03, 0.09)
        star = outline("dot", complex(dice.random(), horizon * dice.random()), complex(r, r))
        canvas.fill(star, (255, 244, 212))
    return low


def clouds(canvas: Canvas, horizon: float, air: Colour) -> None:
    """Paint heaps of cloud, or a torn sheet of it, above the horizon."""
    dice = canvas.dice
    cover = canvas.noise(dice.randint(3, 5), 7) - dice.uniform(-0.8, 0.3)
    for k in range(dice.choice([0, 1, 2, 3, 4])):
        size = dice.uniform(0.1, 0.26)
        # the first one is well up in the sky; all are flat below
        up = Y - horizon * dice.uniform(0.2, 0.8 if k else 0.55)
        up /= np.where(up < 0, size, 0.4 * size)
        heap = 1 - ((X - dice.uniform(0.1, 0.9)) / (1.6 * size)) ** 2 - up**2
        cover = np.maximum(cover if k else -9, heap + 0.4 * canvas.noise(8, 9))
    near = np.clip((horizon - Y) / 0.08, 0, 1)
    canvas.blend(mix((150, 158, 176), air, 0.3), near * np.clip(2.5 * cover, 0, 0.95))
    canvas.blend(mix(WHITE, air, 0.1), near * (1.6 * np.roll(cover, -4, axis=0) - 0.2))


def ground(canvas: Canvas, horizon: float, colour: Colour) -> None:
    """Paint uneven ground up to the horizon."""
    canvas.gradient(mix(colour, (200, 200, 190), 0.2), shade(colour, 0.85), horizon)
    canvas.blend(shade(colour, 0.62), 0.4 * canvas.noise(6, 24), horizon)


def land(canvas: Canvas, horizon: float, air: Colour) -> None:
    """Paint green or dry land up to the horizon, and often hills that stand there."""
    dice, x = canvas.dice, np.linspace(-0.05, 1.05, 40)
    soil = hue(dice, *dice.choice([(0.19, 0.33), (0.19, 0.33), (0.08, 0.14)]), 0.5, 0.5)
    for k in range(dice.choice([0, 1, 2])):
        wave = np.sin((4 - k) * x + dice.uniform(0, 6)) + 0.5 * np.abs(np.sin(11 * x)) + 1.2
        ridge = x + 1j * (horizon - dice.uniform(0.03, 0.07) * (wave + 0.2 * np.sin(31 * x)))
        tone = mix(mix(air, (100, 120, 140), 0.6), soil, 0.2 + 0.3 * k)
        canvas.fill([*ridge, 1.1 + 1.1j, -0.1 + 1.1j], tone)
    ground(canvas, horizon, soil)


def winding(canvas: Canvas, horizon: float, air: Colour, wet: bool) -> None:
    """Paint what winds towards the viewer: a river with glints, or a road with a broken line."""
    dice, t = canvas.dice, np.arange(25) / 24
    x = dice.uniform(0.3, 0.7) + dice.uniform(-0.3, 0.3) * t
    x += 0.2 * (0.1 + t) * np.sin(dice.uniform(0, 6) + 6 * t**0.7)
    z, half = x + 1j * (horizon + (1.03 - horizon) * t**1.7), dice.uniform(0.15, 0.4) * t**1.7
    water = mix(dice.choice([(40, 105, 160), (60, 120, 125), (75, 115, 95)]), air, 0.25)
    fill = water if wet else shade((112, 108, 104), dice.uniform(0.7, 1.3))
    for wider, tone in ((1.2 * half, mix(fill, (150, 130, 95), 0.7)), (half, fill)):
        canvas.fill([*(z - wider - 0.006), *(z + wider + 0.006)[::-1]], tone)
    for k in (dice.randint(3, 24) for _ in range(dice.randint(40, 110) if wet else 0)):
        tone = mix(fill, dice.choice([WHITE, WHITE, (20, 40, 30)]), dice.uniform(0.15, 0.6))
        at = z[k] + half[k] * dice.uniform(-0.85, 0.85)
        canvas.fill(outline("dot", at, 0.01 + 0.12 * half[k] + 0.003j), tone)
    for k in () if wet else range(4, 24, 3):
        canvas.fill(outline("line", 0.06 * half[k], *z[k : k + 2]), (235, 230, 210))


def sea(canvas: Canvas, horizon: float, air: Colour) -> None:
    """Paint a sea from the horizon down and perhaps a beach."""
    dice, swell = canvas.dice, canvas.noise(5, 48)
    deep = mix(hue(dice, 0.5, 0.62, 0.65, 0.55), air, dice.uniform(0.0, 0.3))
    canvas.gradient(mix(deep, air, 0.3), deep, horizon)
    canvas.blend(shade(deep, 0.6), 0.5 * swell, horizon)
    canvas.blend(mix(deep, WHITE, 0.5), -0.4 * swell, horizon)
    if dice.random() < 0.6:
        x, sand = np.linspace(-0.2, 1.2, 12), hue(dice, 0.09, 0.13, 0.3, 0.85)
        y = horizon + (1 - horizon) * dice.uniform(0.5, 0.85) + 0.02 * np.sin(9 * x)
        for drop, tone in ((-0.03, WHITE), (0.0, shade(sand, 0.78)), (0.03, sand)):
            canvas.fill([*(x + 1j * (y + drop)), 1.2 + 1.2j, -0.2 + 1.2j], tone)


def indoors(canvas: Canvas, floor: float) -> None:
    """Paint a room with a floor up to a height, or colours far out of focus."""
    dice = canvas.dice
    colour = hue(dice, 0, 1, dice.choice([0.1, 0.4]), dice.uniform(0.45, 0.9))
    canvas.gradient(colour, shade(colour, dice.uniform(0.6, 1)), 0)
    if dice.random() < 0.5:
        ground(canvas, floor, hue(dice, 0.06, 0.1, 0.45, 0.6))
    else:
        for _ in range(3):
            canvas.blend(hue(dice, 0, 1, 0.5, 0.6), 0.5 * canvas.noise(2, 2))
