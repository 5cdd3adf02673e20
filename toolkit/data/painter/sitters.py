"""How people are placed in a picture: portraits, figures far and near, crowds, and hands."""

from __future__ import annotations

from toolkit.data.painter import busts, figures, looks
from toolkit.data.painter.canvas import Canvas
from toolkit.data.painter.places import Labels, Place

_SCENIC = frozenset({"clouds", "sea", "river", "tree", "night", "car", "dog", "flower", "bird"})


def seat(canvas: Canvas, labels: Labels, place: Place) -> None:
    """Draw the people that some labels ask for."""
    if labels & {"portrait", "baby"}:
        _portrait(canvas, labels)
    elif labels & {"male", "female"}:
        _figures(canvas, labels, place)
    else:
        _anyone(canvas, labels, place)


def _sexes(labels: Labels) -> list[str]:
    return [sex for sex in ("male", "female") if sex in labels]


def _portrait(canvas: Canvas, labels: Labels) -> None:
    dice = canvas.dice
    sitters = _sexes(labels)
    if "baby" in labels:
        sitters.append("baby")
    elif not sitters:
        sitters.append(dice.pick(["child", "child", "hidden"]))
    elif len(sitters) == 1 and dice.chance(0.06):
        sitters *= 2
    dice.rng.shuffle(sitters)
    scenic = bool(labels & _SCENIC)
    if not scenic and dice.chance(0.5):
        canvas.blur(dice.between(0.006, 0.02))
    alone = len(sitters) == 1
    if alone and sitters[0] in ("male", "female") and dice.chance(0.15):
        _half_length(canvas, sitters[0])
        return
    for k, sitter in enumerate(sitters):
        size, x = dice.between(0.3, 0.44), (k + 0.5) / len(sitters) * 0.9 + 0.05
        if alone:
            size = dice.between(0.42, 0.7) if dice.chance(0.6) else dice.between(0.26, 0.45)
        if scenic:
            size = min(size, dice.between(0.26, 0.4))
        if "portrait" not in labels:
            size *= 0.6
        y = dice.between(0.42, 0.58) + (0.12 if scenic else 0.0)
        x += dice.around(0, 0.09 if alone else 0.04)
        pen = canvas.pen(x, y, size, dice.around(0, 0.1), dice.chance(0.5))
        if sitter == "baby":
            busts.baby(pen.at(0, 0.15, 0.95 if alone else 0.72), dice)
        else:
            busts.bust(pen, dice, looks.look(dice, sitter))


def _half_length(canvas: Canvas, sex: str) -> None:
    dice = canvas.dice
    high = dice.between(1.5, 2.1)
    y = dice.between(0.28, 0.4) + 0.91 * high
    pen = canvas.pen(dice.around(0.5, 0.1), y, high, 0.0, dice.chance(0.5))
    figures.figure(pen, dice, looks.look(dice, sex))


def _figures(canvas: Canvas, labels: Labels, place: Place) -> None:
    dice = canvas.dice
    sexes = _sexes(labels)
    sexes += [dice.pick(sexes) for _ in range(dice.pick([0, 0, 0, 1, 2]))]
    dice.rng.shuffle(sexes)
    if dice.chance(0.1) and not labels & _SCENIC:
        _round_a_table(canvas, sexes)
    else:
        _stand(canvas, place, sexes, "front")


def _stand(canvas: Canvas, place: Place, sexes: list[str], view: str) -> None:
    dice = canvas.dice
    far = dice.between(0.15, 0.3)
    size = dice.pick([far, dice.between(0.3, 0.55), dice.between(0.5, 0.8), dice.between(0.7, 1.3)])
    middle, foot = dice.around(0.5, 0.14), place.foot(dice)
    for k, sex in enumerate(sexes):
        x = middle + (k - (len(sexes) - 1) / 2) * (0.24 * size + 0.04) + dice.around(0, 0.02)
        high = size * dice.between(0.92, 1.05) * (1.0 if sex == "male" else 0.95)
        # a tall figure is cut by the lower edge, never by the upper one
        y = max(min(0.97, foot + dice.around(0, 0.015)), high + 0.04)
        pen = canvas.pen(min(0.92, max(0.08, x)), y, high, 0.0, dice.chance(0.5))
        pen.ellipse(0.02, 0.0, 0.16, 0.02, (56, 54, 50))
        figures.figure(pen, dice, looks.look(dice, sex), view)


def _round_a_table(canvas: Canvas, sexes: list[str]) -> None:
    """Small heads and shoulders behind a table: people near, but no portrait."""
    dice = canvas.dice
    y, size = dice.between(0.45, 0.6), dice.between(0.15, 0.22)
    for k, sex in enumerate(sexes):
        x = (k + 0.5) / len(sexes) + dice.around(0, 0.04)
        pen = canvas.pen(x, y + dice.around(0, 0.02), size, 0.0, dice.chance(0.5))
        busts.bust(pen, dice, looks.look(dice, sex))
    cloth = dice.hue((0.0, 0.6), (0.3, 0.95))
    canvas.gradient(cloth, cloth, y + 1.6 * size, 1.0)


def _anyone(canvas: Canvas, labels: Labels, place: Place) -> None:
    """People whose sex cannot be told: from behind, as shadows, in crowds; or only a hand."""
    dice = canvas.dice
    view = dice.pick(["behind", "behind", "shadow", "crowd", "hand", "nape"])
    # a shadow cannot be seen in the dark
    dark = "behind" if "night" in labels else "shadow"
    if view == "crowd":
        view = dice.pick(["behind", "behind", dark])
        figures.crowd(canvas.pen(), dice, min(0.8, place.horizon), view)
    elif view == "hand":
        x, y, size = dice.around(0.5, 0.17), dice.between(0.8, 0.95), dice.between(0.4, 0.9)
        pen = canvas.pen(x, y, size, dice.around(0, 0.3), dice.chance(0.5))
        figures.hand(pen, dice, dice.tinge(dice.pick(looks.SKINS), 8))
    elif view == "nape":
        pen = canvas.pen(dice.around(0.5, 0.15), dice.between(0.45, 0.65), dice.between(0.25, 0.5))
        busts.nape(pen, dice, looks.look(dice, dice.pick(["male", "female"])))
    else:
        group = [dice.pick(["male", "female"]) for _ in range(dice.pick([1, 1, 2, 3]))]
        _stand(canvas, place, group, "behind" if view == "behind" else dark)
