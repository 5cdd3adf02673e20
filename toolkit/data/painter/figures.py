"""People seen whole: standing, walking, from behind, as shadows, in crowds; and a hand."""

from __future__ import annotations

from dataclasses import replace

from toolkit.data.painter.canvas import Pen
from toolkit.data.painter.looks import Look, look
from toolkit.data.painter.palette import BLACK, Colour, Dice, shade


def figure(pen: Pen, dice: Dice, who: Look, view: str = "front") -> None:
    """Draw a person one unit tall with the feet at the origin.

    ``view`` is ``front``, ``behind`` (no face, a coat, often a hat) or ``shadow`` (all dark).
    """
    if view == "shadow":
        dark = dice.tinge((30, 28, 34), 10)
        who = replace(who, skin=dark, hair=dark, cloth=dark, trousers=dark, lips=dark)
    head = pen.at(dice.around(0, 0.01), -0.91)
    if view == "front":
        _mane(head, who)
    stride = dice.between(0.0, 0.1)
    broad, cloth = 0.105 * who.broad, who.cloth
    legs = who.skin if who.skirt else who.trousers
    for side, tone in zip(pen.both(), (0.9, 1.0), strict=True):
        foot = 0.035 + stride
        knee = (0.03 + 0.5 * stride, -0.25)
        side.limb([(0.035, -0.48), knee, (foot, -0.03)], 0.062, shade(legs, tone))
        side.ellipse(foot + 0.015, -0.015, 0.042, 0.02, BLACK)
    _arms(pen, dice, who, broad)
    chest = (broad, -0.81)
    if view == "behind":
        pen.twofold([chest, (broad * 1.1, -0.5), (broad * 1.2, -0.3)], cloth)
    elif who.skirt:
        hem = (dice.between(0.1, 0.19), dice.between(-0.36, -0.14))
        pen.twofold([chest, (0.07, -0.62), hem], cloth)
        pen.line("-.065,-.61 .065,-.61", 0.025, shade(cloth, 0.7))
    else:
        pen.twofold([chest, (broad * 0.85, -0.6), (0.085, -0.45)], cloth)
    fold = [(broad * 0.9, -0.79), (broad * 0.75, -0.55), (broad * 0.4, -0.5)]
    pen.shape([(broad * 0.3, -0.8), *fold], shade(cloth, 0.8))
    _head(head, dice, who, view)


def _arms(pen: Pen, dice: Dice, who: Look, broad: float) -> None:
    sleeve = who.skin if who.sex == "female" and dice.chance(0.5) else who.cloth
    for side in pen.both():
        pose = dice.pick(["down", "down", "down", "hip", "up"])
        if pose == "down":
            elbow, hand = (broad + 0.035, -0.62), (broad + dice.between(0.0, 0.06), -0.46)
        elif pose == "hip":
            elbow, hand = (broad + 0.09, -0.62), (0.08, -0.52)
        else:
            elbow, hand = (broad + 0.09, -0.84), (broad + dice.between(0.02, 0.14), -1.0)
        side.limb([(broad * 0.92, -0.78), elbow, hand], 0.05, shade(sleeve, 0.88))
        side.disc(hand[0], hand[1], 0.028, who.skin)


def _mane(pen: Pen, who: Look) -> None:
    hair = shade(who.hair, 0.85)
    if who.style in ("long", "tail"):
        pen.twofold("0,-.09 .075,-.05 .1,.1 .085,.2 .04,.16", hair)
    elif who.style == "bob":
        pen.ellipse(0, 0.01, 0.09, 0.095, hair)
    elif who.style == "bun":
        pen.ellipse(0, -0.1, 0.04, 0.035, who.hair)


def _head(pen: Pen, dice: Dice, who: Look, view: str) -> None:
    hair = who.hair
    pen.box(-0.025, 0.05, 0.025, 0.11, shade(who.skin, 0.85))
    pen.ellipse(0, 0, 0.062, 0.08, who.skin)
    if view == "behind":
        pen.ellipse(0, -0.005, 0.07, 0.085, hair)
    elif who.style != "bald":
        pen.twofold("0,-.095 .06,-.07 .068,.01 .03,-.045", hair)
    if view != "front":
        _mane(pen, who)
    else:
        for side in pen.both():
            side.disc(0.024, -0.005, 0.009, BLACK)
            if who.style == "long":
                side.shape(".05,-.06 .075,0 .1,.14 .075,.19 .06,.08", hair)
        pen.line("-.018,.04 .018,.04", 0.012, who.lips)
        if who.beard in ("full", "goatee"):
            pen.twofold("0,.035 .056,.02 .035,.085", hair)
    if who.hat in ("cap", "knit", "hood") or (view == "behind" and dice.chance(0.4)):
        pen.twofold(".06,-.09 .075,-.02", shade(who.cloth, 0.7))
    elif who.hat == "brim":
        pen.ellipse(0, -0.05, 0.12, 0.02, shade(who.cloth, 0.6))
        pen.ellipse(0, -0.08, 0.06, 0.045, shade(who.cloth, 0.6))


def crowd(pen: Pen, dice: Dice, top: float, view: str) -> None:
    """Draw rows of small people over the unit square from ``top`` down, the nearest largest."""
    rows = dice.many(3, 5)
    for row in range(rows):
        near = (row + 1) / rows
        size = 0.16 + 0.2 * near
        y = top + (1.02 - top) * near**0.9 + 0.1
        count = dice.many(4, 8)
        for k in range(count):
            who = look(dice, dice.pick(["male", "female"]))
            x = (k + dice.between(0.0, 1.0)) / count
            figure(pen.at(x, y + dice.around(0, 0.01), size), dice, who, view)


def hand(pen: Pen, dice: Dice, skin: Colour) -> None:
    """Draw an open hand one unit tall that reaches up from the origin, in a sleeve."""
    pen.box(-0.14, 0.25, 0.14, 1.2, dice.hue((0.1, 0.7), (0.2, 0.9)))
    pen.shape("-.14,.3 .14,.3 .15,-.1 .2,-.4 -.2,-.4 -.16,-.1", skin)
    for k, tall in enumerate((0.26, 0.36, 0.4, 0.34)):
        x, lean = -0.15 + 0.1 * k, (k - 1.5) * 0.05
        pen.limb([(x, -0.38), (x + lean, -0.4 - tall)], 0.09, dice.tinge(skin, 5))
        pen.ellipse(x + lean, -0.42 - tall, 0.028, 0.03, shade(skin, 1.12))
    pen.limb([(0.14, -0.15), (0.34, -0.42)], 0.1, skin)
    for crease in ("-.13,-.2 .1,-.15", "-.13,-.3 .1,-.25"):
        pen.line(crease, 0.012, shade(skin, 0.8))
