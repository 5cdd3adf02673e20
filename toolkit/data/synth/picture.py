"""Paints one picture for a set of labels: sets the place, puts the subjects in, takes the photo.

Whatever a label names is drawn, and nothing that a missing label names is.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from toolkit.data.synth import people, scenery, subjects
from toolkit.data.synth.canvas import SIDE, Canvas, X, Y
from toolkit.data.synth.sketch import draw

# from the farthest to the nearest: sketches, sizes, at most how many, whether they stand; what has
# no label may be taken for one, as heads of stone may for a portrait
_SUBJECTS: dict[str, list[tuple[tuple[str, ...], float, float, int, bool]]] = {
    "": [(subjects.ASTRAY, 0.2, 0.7, 1, True), ((people.MAN, people.WOMAN), 0.03, 0.5, 1, False)],
    "tree": [(subjects.TREES, 0.12, 0.7, 3, True)],
    "car": [((subjects.CAR,), 0.1, 0.5, 1, True)],
    "people": [],
    "bird": [((subjects.PERCHED,), 0.1, 0.4, 1, False), ((subjects.FLYING,), 0.08, 0.25, 4, False)],
    "dog": [((subjects.DOG,), 0.12, 0.5, 1, True), ((subjects.DOG_FACE,), 0.15, 0.45, 1, False)],
    "flower": [(subjects.FLOWERS, 0.07, 0.3, 1, False), (subjects.FLOWERS, 0.04, 0.09, 8, True)],
}
_FACES = {"male": people.MAN, "female": people.WOMAN, "baby": people.BABY}
_PEOPLE = {*_FACES, "people", "portrait"}
_STONE = dict.fromkeys(
    ["skin", "hair", "cloth", "trousers", "lips", "iris", "white"], (172, 168, 160)
)
_SHADOW = dict.fromkeys(_STONE, (34, 32, 40))


def paint(labels: frozenset[str], rng: np.random.Generator, grey: bool = False) -> Image.Image:
    """Paint a picture of 128 x 128 pixels that shows the given labels and no other.

    ``labels`` are some of the paper's 14; ``portrait``, ``male``, ``female`` and ``baby`` are
    painted as people. ``rng`` decides everything else; the same state gives the same picture. With
    ``grey`` it has a single channel (mode L instead of RGB).
    """
    canvas = Canvas(rng)
    dice, horizon, aside = canvas.dice, _place(canvas, labels), bool(labels & _PEOPLE)
    for label, kinds in _SUBJECTS.items():
        if label == "people" and aside:
            _people(canvas, labels, horizon)
        elif label in labels or (not label and not labels and dice.random() < 0.75):
            texts, least, most, count, standing = dice.choice(kinds)
            size = dice.uniform(least, most) * (0.7 if aside else 1)
            x = dice.choice([0.15, 0.85]) if aside else dice.uniform(0.3, 0.7)
            y = dice.uniform(max(horizon, 0.7), 0.95) if standing else dice.uniform(0.3, 0.6)
            chosen = dice.choices(texts, k=dice.randint(1, count))
            inks = {} if label else _STONE
            draw(canvas, chosen, size, x + 1j * y, 0.1 + 0.3 * size, **inks)
    return _photograph(canvas, "night" in labels, grey)


def _place(canvas: Canvas, labels: frozenset[str]) -> float:
    """Paint the place; return the height of its horizon, 1 where there is nothing but sky."""
    dice, horizon = canvas.dice, canvas.dice.uniform(0.45, 0.8)
    mood = "night" if "night" in labels else dice.choice(["day", "day", "dusk", "pale"])
    if labels & {"sea", "river"}:
        horizon = dice.uniform(0.25, 0.5)
    elif labels in ({"clouds"}, {"bird"}) and dice.random() < 0.3:
        horizon = 1.0
    elif not labels & {"clouds", "tree", "night", "car"} and dice.random() < 0.6:
        scenery.indoors(canvas, horizon)
        return horizon
    air = scenery.sky(canvas, horizon, "day" if mood == "pale" and "clouds" in labels else mood)
    if "clouds" in labels:
        scenery.clouds(canvas, horizon, air)
    if "sea" in labels:
        scenery.sea(canvas, horizon, air)
        return horizon
    scenery.land(canvas, horizon, air)
    if "river" in labels or dice.random() < (0.8 if "car" in labels else 0.3):
        scenery.winding(canvas, horizon, air, wet="river" in labels)
    return horizon


def _people(canvas: Canvas, labels: frozenset[str], horizon: float) -> None:
    """Draw faces near for a portrait or a baby, else figures far: shadows where no sex is named."""
    dice, x = canvas.dice, canvas.dice.uniform(0.4, 0.6)
    named = [face for label, face in _FACES.items() if label in labels]
    if labels & {"portrait", "baby"}:
        faces = dice.sample(named, len(named)) or [dice.choice([people.MAN, people.WOMAN])]
        size = dice.uniform(0.2, 0.4 if len(faces) > 1 or labels - _PEOPLE else 0.6)
        return draw(canvas, faces, size, x + 1j * dice.uniform(0.45, 0.58), 0.5)
    figures = named + dice.choices(named or [people.MAN], k=dice.randint(not named, 2))
    size = dice.choice([0.05, 0.08, 0.11, 0.16])
    y = max(horizon + 0.9 * (1 - horizon) * dice.random() - 5.6 * size, size)
    inks = {} if named else _SHADOW
    return draw(canvas, figures, size, x + 1j * y, 0.06 + 1.8 * size, **inks)


def _photograph(canvas: Canvas, night: bool, grey: bool) -> Image.Image:
    """Return the canvas as a picture of SIDE x SIDE pixels: blurred, unevenly lit and grainy."""
    dice, image = canvas.dice, canvas.image.resize((SIDE, SIDE), Image.Resampling.BOX)
    image = image.filter(ImageFilter.GaussianBlur(dice.choice([0, 0.5, 1.0, 1.5])))
    light = (np.asarray(image, np.float32) / 255) ** (2.2 if night else 1.0)
    x, y = X[..., None] - 0.5, Y[..., None] - 0.5
    light *= dice.uniform(0.7, 1.2) - x**2 - y**2
    light *= 1 + dice.uniform(-0.4, 0.4) * x + dice.uniform(-0.4, 0.4) * y
    mean = light.mean(axis=2, keepdims=True)
    light = mean + (light - mean) * dice.choice([1.1, 1, 0.8, 0.3])
    light = (light - light.mean()) * dice.choice([1.1, 1, 0.8, 0.6]) + light.mean()
    grain = np.float32(dice.choice([0.01, 0.03, 0.06, 0.09]))
    light += grain * canvas.rng.standard_normal((SIDE, SIDE, 1), np.float32)
    picture = Image.fromarray((np.clip(light, 0, 1) * 255).astype(np.uint8))
    return picture.convert("L") if grey else picture
