"""The camera: turns a painted canvas into a photograph-like picture of the final size."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from toolkit.data.painter.canvas import FULL, SIDE, Canvas
from toolkit.data.painter.palette import Dice


def photograph(canvas: Canvas, night: bool, grey: bool) -> Image.Image:
    """Return the canvas as a picture of SIDE x SIDE pixels, mode RGB, or L if ``grey``.

    The view is turned and cropped a little; then come blur, uneven light, a colour cast, contrast,
    grain and sometimes a frame.
    """
    dice = canvas.dice
    image = _framed_view(canvas.image, dice)
    image = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    # one picture in ten is a poor photograph: far out of focus, faint, or full of grain
    fault = dice.pick(["focus", "faint", "grain"]) if dice.chance(0.1) else "none"
    if fault == "focus" or dice.chance(0.3):
        sharp, soft = (1.6, 2.6) if fault == "focus" else (0.4, 1.2)
        image = image.filter(ImageFilter.GaussianBlur(dice.between(sharp, soft)))
    light = np.asarray(image).astype(np.float32)
    light *= _uneven_light(dice)[:, :, None]
    mean = light.mean(axis=2, keepdims=True)
    colourful = dice.pick([1.0, 1.0, dice.between(0.3, 1.3), 0.0 if dice.chance(0.3) else 0.8])
    light = mean + (light - mean) * colourful
    cast = 1.0 + 0.06 * dice.rng.standard_normal(3)
    light *= np.clip(cast, 0.8, 1.2).astype(np.float32)
    contrast = dice.between(0.3, 0.5) if fault == "faint" else dice.between(0.7, 1.2)
    lift = 0.0 if night else dice.around(6.0, 9.0)
    light = (light - 118.0) * contrast + 118.0 * (0.85 if night else 1.0) + lift
    grain = dice.between(18.0, 30.0) if fault == "grain" else dice.between(0.0, 7.0)
    light += dice.rng.standard_normal((SIDE, SIDE, 1), dtype=np.float32) * grain
    light += dice.rng.standard_normal((SIDE, SIDE, 3), dtype=np.float32) * dice.between(0.0, 4.0)
    if dice.chance(0.06):
        edge = dice.many(3, 8)
        tone = dice.pick([8.0, 246.0])
        light[:edge] = light[-edge:] = tone
        light[:, :edge] = light[:, -edge:] = tone
    picture = Image.fromarray(np.clip(light, 0.0, 255.0).astype(np.uint8))
    return picture.convert("L") if grey else picture


def _framed_view(image: Image.Image, dice: Dice) -> Image.Image:
    if dice.chance(0.4):
        return image
    if dice.chance(0.35):
        # a viewpoint from one side: the far edge is a little shorter than the near one
        near, far = dice.between(0.0, 0.03) * FULL, dice.between(0.05, 0.12) * FULL
        a, b = (near, far) if dice.chance(0.5) else (far, near)
        corners = (0, a, 0, FULL - a, FULL, FULL - b, FULL, b)
        return image.transform(
            (FULL, FULL), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR
        )
    angle = dice.around(0.0, 4.0)
    # the crop hides the corners that the turn leaves empty
    margin = FULL * (0.5 * abs(np.sin(np.radians(angle))) + dice.between(0.0, 0.03))
    turned = image.rotate(angle, Image.Resampling.BILINEAR)
    inside = (margin, margin, FULL - margin, FULL - margin)
    return turned.resize((FULL, FULL), Image.Resampling.BILINEAR, box=inside)


def _uneven_light(dice: Dice) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    steps = np.linspace(-0.5, 0.5, SIDE, dtype=np.float32)
    x, y = steps[None, :], steps[:, None]
    slope_x, slope_y = dice.around(0.0, 0.18), dice.around(0.0, 0.18)
    vignette = dice.between(0.0, 0.7) if dice.chance(0.5) else 0.0
    field: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = (
        1.0
        + np.float32(slope_x) * x
        + np.float32(slope_y) * y
        - np.float32(vignette) * (x**2 + y**2)
    )
    return field
