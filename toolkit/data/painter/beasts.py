"""Dogs, and the animals that a classifier may take for dogs or birds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from toolkit.data.painter.canvas import Pen
from toolkit.data.painter.palette import BLACK, WHITE, Colour, Dice, mix, shade

COATS: tuple[Colour, ...] = (
    (176, 126, 74),
    (92, 66, 48),
    (46, 42, 42),
    (206, 178, 136),
    (232, 224, 210),
    (140, 134, 130),
    (150, 86, 48),
)
_TAILS = {
    "up": "0,0 -.12,-.14 -.15,-.26",
    "curl": "0,0 -.1,-.18 0,-.24 .04,-.16",
    "down": "0,0 -.12,.04 -.16,.18",
    "long": "0,0 -.16,-.13 -.2,-.38 -.1,-.48",
    "rope": "0,0 -.06,.12 -.06,.28",
    "mane": "0,0 -.1,.02 -.12,.37",
    "none": "0,0 -.03,.04",
}


@dataclass(frozen=True)
class Beast:
    """The proportions of a four-legged animal, in units of its length."""

    name: str
    coat: Colour
    patch: Colour
    legs: float
    ears: str
    muzzle: float
    tail: str
    stout: float
    head: float
    spots: bool = False


def dog_kind(dice: Dice) -> Beast:
    """Return one dog: ears may hang or prick, legs be short or long, the coat plain or spotted."""
    coat = dice.tinge(dice.pick(COATS), 14)
    return Beast(
        "dog",
        coat,
        dice.pick([WHITE, (60, 44, 36), shade(coat, 0.6), shade(coat, 1.3)]),
        legs=dice.between(0.18, 0.4),
        ears=dice.pick(["hang", "hang", "hang", "prick", "fold"]),
        muzzle=dice.between(0.14, 0.24),
        tail=dice.pick(["up", "up", "curl", "down"]),
        stout=dice.between(0.16, 0.22),
        head=dice.between(1.2, 1.5),
        spots=dice.chance(0.35),
    )


def other_kind(dice: Dice) -> Beast:
    """Return a cat, sheep, cow or horse: an animal that is no dog."""
    name = dice.pick(["cat", "cat", "sheep", "cow", "horse"])
    coat = dice.tinge(dice.pick(COATS), 14)
    if name == "cat":
        return Beast(name, coat, shade(coat, 0.7), 0.24, "prick", 0.02, "long", 0.15, 1.1)
    if name == "sheep":
        return Beast(name, (228, 222, 208), (50, 46, 46), 0.22, "side", 0.13, "none", 0.25, 1.0)
    if name == "cow":
        patch = dice.pick([BLACK, (120, 70, 45)])
        return Beast(name, (235, 230, 225), patch, 0.3, "horn", 0.2, "rope", 0.24, 1.0, spots=True)
    return Beast(name, dice.pick(COATS[:3]), (40, 32, 30), 0.48, "prick", 0.3, "mane", 0.18, 1.0)


def beast_side(pen: Pen, dice: Dice, kind: Beast) -> None:
    """Draw an animal one unit long from the side, facing right; its paws stand on y = 0."""
    coat, dark = kind.coat, shade(kind.coat, 0.72)
    belly = -kind.legs
    back = belly - kind.stout * 1.5
    stride = dice.around(0.0, 0.07)
    pen.ellipse(0.0, 0.01, 0.5, 0.03, (60, 56, 50))
    tail = kind.patch if kind.tail == "mane" else shade(coat, 0.85)
    width = {"rope": 0.025, "mane": 0.09}.get(kind.tail, 0.055)
    pen.at(-0.4, back + 0.08).curve(_TAILS[kind.tail], width, tail)
    for x, way, tone in ((-0.26, -1, dark), (0.24, 1, dark), (-0.32, 1, coat), (0.18, -1, coat)):
        sway = way * stride
        pen.limb([(x, belly - 0.05), (x + 0.5 * sway, belly * 0.5), (x + sway, -0.03)], 0.085, tone)
        pen.ellipse(x + sway + 0.025, -0.02, 0.055, 0.03, tone)
    upper = [(-0.42, back + 0.06), (-0.1, back + 0.03), (0.25, back - 0.02), (0.38, back + 0.1)]
    lower = [(0.3, belly + 0.02), (0, belly - 0.03), (-0.3, belly - 0.02), (-0.43, belly - 0.1)]
    pen.shape(upper + lower, coat)
    pen.at(0, belly).shape("-.35,-.05 0,-.08 .3,-.03 0,-.01", dark)
    if kind.spots:
        for _ in range(4):
            r = kind.stout * dice.between(0.3, 0.6)
            y = (back + belly) / 2 + dice.around(0, 0.04)
            pen.blob(dice.between(-0.3, 0.25), y, r, kind.patch, dice, 0.35)
    if kind.name == "sheep":
        for _ in range(26):
            x, y = dice.between(-0.42, 0.36), dice.between(back, belly)
            pen.blob(x, y, 0.07, dice.tinge(coat, 10), dice)
    high = back - (0.22 if kind.name == "horse" else 0.1) - dice.between(0.0, 0.1)
    neck = [(0.34, high - 0.02), (0.5, high + 0.05), (0.42, back + 0.18), (0.3, back + 0.24)]
    pen.shape([(0.2, back + 0.02), *neck], coat)
    _head_side(pen.at(0.44, high, kind.head, dice.around(0.05, 0.15)), kind, dice)


def _head_side(pen: Pen, kind: Beast, dice: Dice) -> None:
    coat = kind.patch if kind.name == "sheep" else kind.coat
    dark = shade(coat, 0.65)
    reach = kind.muzzle
    pen.ellipse(0, 0, 0.13, 0.125, coat)
    snout = [(0.1 + reach * 0.8, 0.0), (0.1 + reach, 0.05), (0.08 + reach * 0.8, 0.1)]
    pen.shape([(0.02, -0.09), *snout, (0.0, 0.11)], coat)
    if kind.spots and kind.name == "dog":
        tip = [(0.08 + reach, 0.01), (0.08 + reach, 0.08)]
        pen.shape([(0.06, -0.02), *tip, (0.04, 0.09)], mix(coat, kind.patch, 0.6))
    nose = (200, 130, 130) if kind.name == "cat" else BLACK
    pen.ellipse(0.1 + reach, 0.025, 0.032, 0.028, nose)
    pen.line([(0.09 + reach, 0.075), (0.04 + reach * 0.4, 0.085)], 0.012, shade(coat, 0.5))
    pen.disc(0.065, -0.035, 0.022, BLACK)
    pen.disc(0.07, -0.042, 0.007, WHITE)
    if kind.ears == "hang":
        pen.shape("-.08,-.1 .02,-.08 .02,.1 -.06,.17 -.12,.06", dark)
    elif kind.ears == "fold":
        pen.polygon("-.09,-.08 -.03,-.19 .07,-.1", dark)
    elif kind.ears == "prick":
        pen.polygon("-.1,-.08 -.07,-.24 0,-.09", dark)
        pen.polygon("-.02,-.08 .01,-.24 .08,-.09", dark)
    elif kind.ears == "horn":
        pen.line("-.04,-.1 0,-.22", 0.03, (225, 215, 190))
        pen.ellipse(-0.12, -0.04, 0.07, 0.03, dark)
    else:
        pen.ellipse(-0.1, -0.03, 0.08, 0.035, dark)
    if kind.name == "dog" and dice.chance(0.35):
        pen.at(reach * 0.6, 0).shape(".08,.08 .12,.16 .06,.15", (225, 110, 120))


def dog_face(pen: Pen, dice: Dice, kind: Beast) -> None:
    """Draw a dog's head from the front, about one unit tall about the origin, with its chest."""
    coat, dark = kind.coat, shade(kind.coat, 0.68)
    pen.twofold(".3,.3 .5,1 .5,2", shade(coat, 0.85))
    pen.twofold(".14,.4 .2,1 0,1.5", mix(coat, kind.patch, 0.4))
    if dice.chance(0.4):
        pen.curve("-.3,.45 0,.56 .3,.45", 0.08, dice.hue((0.6, 0.9), (0.5, 0.9)))
    if kind.ears == "prick":
        for side in pen.both():
            side.polygon(".38,-.1 .36,-.66 .06,-.34", dark)
            side.polygon(".32,-.2 .32,-.52 .14,-.34", (190, 140, 130))
    pen.twofold("0,-.48 .3,-.36 .4,-.02 .26,.3 0,.46", coat)
    if kind.spots:
        pen.shape(".05,-.3 .33,-.25 .33,.05 .1,.02", kind.patch)
    face = pen.at(dice.around(0.0, 0.05), 0)
    face.twofold("0,-.4 .06,0 0,.1", mix(coat, WHITE, 0.35))
    light = mix(coat, dice.pick([WHITE, kind.patch]), 0.45)
    face.twofold("0,-.02 .2,.14 .19,.34 0,.44", light)
    if dice.chance(0.45):
        face.twofold(".09,.33 .08,.56", (222, 105, 118))
    face.line("0,.14 0,.29", 0.025, shade(light, 0.45))
    face.curve("-.15,.27 -.06,.33 0,.29 .06,.33 .15,.27", 0.025, shade(light, 0.45))
    face.twofold("0,.02 .1,.05 .05,.15", BLACK)
    face.ellipse(-0.03, 0.06, 0.025, 0.012, (120, 120, 125))
    for side in face.both():
        side.ellipse(0.17, -0.1, 0.075, 0.065, shade(coat, 0.5))
        side.disc(0.17, -0.1, 0.055, (52, 32, 20))
        side.disc(0.18, -0.12, 0.018, WHITE)
    for side in pen.both():
        if kind.ears == "hang":
            side.shape(".2,-.42 .4,-.34 .54,.12 .44,.36 .34,.1", dark)
        elif kind.ears == "fold":
            side.polygon(".1,-.42 .42,-.46 .42,-.12", dark)
    _fur(pen, dice, coat, 0.42, 0.46)


def cat_face(pen: Pen, dice: Dice) -> None:
    """Draw a cat's head from the front, about one unit tall about the origin."""
    coat = dice.tinge(dice.pick([*COATS, (210, 140, 70), (120, 120, 124)]), 12)
    dark = shade(coat, 0.62)
    pen.twofold(".28,.25 .42,1 .42,2", shade(coat, 0.88))
    for side in pen.both():
        side.polygon(".46,0 .42,-.62 .06,-.36", coat)
        side.polygon(".39,-.16 .37,-.48 .15,-.34", (214, 160, 152))
    pen.twofold("0,-.42 .3,-.36 .48,.02 .3,.32 0,.4", coat)
    if dice.chance(0.6):
        pen.line("0,-.4 0,-.2", 0.04, dark)
        for side in pen.both():
            for stripe in (".12,-.4 .08,-.2", ".46,0 .28,.03", ".46,.12 .28,.15"):
                side.line(stripe, 0.04, dark)
    iris = dice.pick([(190, 190, 70), (110, 160, 90), (100, 150, 190), (200, 150, 50)])
    for side in pen.both():
        side.ellipse(0.19, -0.06, 0.1, 0.085, iris)
        side.ellipse(0.19, -0.06, 0.03, 0.08, BLACK)
        side.disc(0.22, -0.09, 0.02, WHITE)
        side.ellipse(0.08, 0.18, 0.1, 0.075, mix(coat, WHITE, 0.5))
        for whisker in (".14,.17 .6,.08", ".14,.17 .6,.17", ".14,.17 .6,.26"):
            side.line(whisker, 0.008, (235, 235, 230))
    pen.polygon("-.06,.09 .06,.09 0,.16", (214, 130, 130))
    _fur(pen, dice, coat, 0.42, 0.36)


def _fur(pen: Pen, dice: Dice, coat: Colour, wide: float, tall: float) -> None:
    for _ in range(50):
        angle, away = dice.between(0, 6.3), dice.between(0.85, 1.05)
        x, y = wide * away * math.cos(angle), tall * away * math.sin(angle)
        tip = (x * 1.1 + dice.around(0, 0.02), y * 1.1 + 0.03)
        pen.line([(x, y), tip], 0.012, dice.tinge(coat, 24))


def butterfly(pen: Pen, dice: Dice) -> None:
    """Draw a butterfly one unit wide about the origin: wings, but no bird."""
    colour = dice.hue((0.5, 0.9), (0.6, 1.0))
    for side in pen.both():
        side.shape("0,-.05 .25,-.42 .5,-.35 .38,-.02", colour)
        side.shape("0,.02 .36,.04 .34,.32 .12,.3", shade(colour, 0.8))
        side.disc(0.34, -0.24, 0.06, BLACK)
        side.disc(0.24, 0.15, 0.05, WHITE)
        side.line("0,-.2 .08,-.4", 0.015, BLACK)
    pen.ellipse(0, 0, 0.03, 0.24, BLACK)


def fish(pen: Pen, dice: Dice) -> None:
    """Draw a fish one unit long about the origin, facing right."""
    colour = dice.hue((0.4, 0.9), (0.6, 1.0))
    pen.polygon("-.25,0 -.5,-.2 -.44,0 -.5,.2", shade(colour, 0.8))
    pen.shape("-.1,-.15 .1,-.34 .2,-.12", shade(colour, 0.75))
    pen.shape("-.32,0 0,-.2 .34,-.12 .46,.02 .3,.14 0,.2", colour)
    for k in range(3):
        pen.line([(-0.12 + 0.13 * k, -0.15), (-0.15 + 0.13 * k, 0.15)], 0.035, shade(colour, 1.25))
    pen.disc(0.32, -0.02, 0.045, WHITE)
    pen.disc(0.33, -0.02, 0.024, BLACK)
