"""Trees and flowers, and the leaves and fruit that are neither."""

from __future__ import annotations

import math

from toolkit.data.painter.canvas import Pen
from toolkit.data.painter.palette import WHITE, Colour, Dice, hsv, mix, shade

TREES = ("round",) * 5 + ("fir", "fir", "bare", "bare", "palm", "poplar")
FLOWERS = ("daisy", "daisy", "petals", "petals", "rose", "tulip", "sun")
BARK: tuple[Colour, ...] = ((84, 62, 46), (104, 84, 68), (62, 52, 48), (130, 118, 104))


def leaf_colour(dice: Dice) -> Colour:
    """Return a foliage green, or sometimes an autumn or blossom colour."""
    throw = dice.between(0.0, 1.0)
    if throw < 0.7:
        return hsv(dice.between(0.2, 0.38), dice.between(0.35, 0.8), dice.between(0.25, 0.6))
    if throw < 0.92:
        return hsv(dice.between(0.02, 0.13), dice.between(0.5, 0.9), dice.between(0.5, 0.85))
    return hsv(dice.between(0.9, 0.98), dice.between(0.15, 0.4), dice.between(0.8, 0.95))


def tree(pen: Pen, dice: Dice, kind: str) -> None:
    """Draw a tree one unit tall whose foot is at the origin; ``kind`` is one of TREES."""
    bark = dice.tinge(dice.pick(BARK), 12)
    if kind == "bare":
        _branch(pen.at(0, 0, 0.3), dice, 0.23, bark, 5)
    elif kind == "fir":
        _fir(pen, dice, bark)
    elif kind == "palm":
        _palm(pen, dice, bark)
    else:
        _crown(pen, dice, bark, slim=kind == "poplar")


def _branch(pen: Pen, dice: Dice, thick: float, bark: Colour, depth: int) -> None:
    """Draw a branch one unit long and whatever grows from its end."""
    pen.line("0,0 0,-1", thick, bark)
    if depth == 0:
        return
    for side in (-1, 1):
        turn = side * dice.between(0.15, 0.6) + dice.around(0, 0.12)
        size = dice.between(0.62, 0.82)
        _branch(pen.at(0, -1, size, turn), dice, thick * 0.62 / size, bark, depth - 1)


def _fir(pen: Pen, dice: Dice, bark: Colour) -> None:
    green = hsv(dice.between(0.3, 0.42), dice.between(0.3, 0.7), dice.between(0.18, 0.42))
    pen.box(-0.035, -0.2, 0.035, 0.0, bark)
    tiers, wide = dice.many(4, 7), dice.between(0.2, 0.34)
    snow = dice.chance(0.15)
    for k in range(tiers):
        low = -0.12 - 0.72 * k / tiers
        half = wide * (1 - 0.8 * k / tiers)
        tone = dice.tinge(shade(green, 0.85 + 0.08 * k), 8)
        fringe = [(half * (1 - j / 4), low + dice.between(-0.01, 0.035)) for j in range(9)]
        pen.polygon([(0, low - 0.36), *fringe], tone)
        pen.polygon([(0, low - 0.36), fringe[-1], fringe[-3]], shade(tone, 1.25))
        if snow:
            cap = [(0, low - 0.36), (-half * 0.6, low - 0.1), (half * 0.25, low - 0.16)]
            pen.polygon(cap, (235, 240, 246))


def _palm(pen: Pen, dice: Dice, bark: Colour) -> None:
    lean = dice.around(0.0, 0.15)
    trunk = [(lean * (k / 5) ** 2, -0.72 * k / 5) for k in range(6)]
    for k in range(5):
        pen.line(trunk[k : k + 2], 0.06 - 0.005 * k, shade(bark, 1.1 if k % 2 else 0.9))
    x, y = trunk[-1]
    green = hsv(dice.between(0.22, 0.36), dice.between(0.4, 0.8), dice.between(0.25, 0.55))
    for k in range(dice.many(9, 13)):
        angle = -math.pi * (0.02 + k / 10) + dice.around(0, 0.1)
        reach = dice.between(0.28, 0.42)
        dx, dy = reach * math.cos(angle), reach * math.sin(angle) * 0.7
        above, below = (dx * 0.5, dy - 0.02), (dx * 0.45, dy + 0.06)
        frond = [(0, 0), above, (dx, dy + 0.16), below]
        pen.at(x, y).shape(frond, dice.tinge(green, 20))


def _crown(pen: Pen, dice: Dice, bark: Colour, slim: bool) -> None:
    green = leaf_colour(dice)
    wide, tall = (0.13, 0.4) if slim else (dice.between(0.26, 0.42), dice.between(0.26, 0.36))
    middle = -1.0 + tall
    pen.polygon([(-0.06, 0.01), (-0.03, middle), (0.03, middle), (0.06, 0.01)], bark)
    shadow = [(0.02, 0.01), (0.01, middle), (0.03, middle), (0.06, 0.01)]
    pen.polygon(shadow, shade(bark, 0.75))
    if not slim:
        for side in (-1, 1):
            pen.line([(0, middle * 0.72), (side * wide * 0.5, middle)], 0.03, bark)
    puff = 0.42 * min(wide, tall * 0.8)
    for tone, lift, share in ((0.62, 0.04, 1.0), (0.85, 0.0, 0.85), (1.1, -0.05, 0.62)):
        for _ in range(9):
            angle, away = dice.between(0.0, 6.3), dice.between(0.0, 0.75) ** 0.5 * share
            x = wide * away * math.cos(angle) - (1 - share) * 0.12
            y = middle + lift + tall * away * math.sin(angle)
            pen.blob(x, y, puff * share**0.5, dice.tinge(shade(green, tone), 10), dice, 0.25)
    for _ in range(70):
        angle, away = dice.between(0.0, 6.3), dice.between(0.0, 1.0) ** 0.5 * 1.15
        x, y = wide * away * math.cos(angle), middle + tall * away * math.sin(angle)
        light = 0.7 + 0.5 * (0.5 - 0.5 * away * math.sin(angle)) + 0.15 * dice.between(-1, 1)
        r = dice.between(0.012, 0.026)
        pen.polygon([(x - r, y), (x, y - r), (x + r, y + 0.3 * r), (x, y + r)], shade(green, light))


def wood(pen: Pen, dice: Dice) -> None:
    """Draw tall trunks seen from inside a wood, over the unit square."""
    bark, green = dice.pick(BARK), leaf_colour(dice)
    count = dice.many(4, 9)
    for k in range(count):
        near = (k + 1) / count
        x, wide = dice.between(0.0, 1.0), 0.02 + 0.07 * near * dice.between(0.6, 1.2)
        foot = 0.62 + 0.4 * near
        tone = mix((150, 165, 150), dice.tinge(bark, 15), 0.3 + 0.7 * near)
        lean = dice.around(0.0, 0.03)
        trunk = pen.at(x, 0)
        right = [(wide + lean, -0.1), (1.2 * wide, foot)]
        trunk.polygon([(lean - wide, -0.1), *right, (-1.2 * wide, foot)], tone)
        trunk.polygon([(lean + 0.4 * wide, -0.1), *right, (0.5 * wide, foot)], shade(tone, 0.72))
        for _ in range(2):
            y, side = dice.between(0.05, 0.5), dice.sign()
            pen.line([(x + lean, y), (x + side * 0.16, y - 0.12)], 0.3 * wide, tone)
    for _ in range(dice.many(60, 120)):
        x, y = dice.between(0, 1), dice.between(0, 1) ** 2 * 0.5
        tone = dice.tinge(shade(green, dice.between(0.7, 1.4)), 16)
        pen.blob(x, y, dice.between(0.012, 0.04), tone, dice, 0.35)


def flower_colour(dice: Dice) -> Colour:
    """Return a petal colour: seldom green, often pink, yellow, white or red."""
    throw = dice.between(0.0, 1.0)
    if throw < 0.2:
        return dice.tinge((245, 242, 235), 8)
    hue = dice.pick([0.92, 0.95, 0.0, 0.03, 0.09, 0.13, 0.15, 0.75, 0.8, 0.87, 0.65])
    return hsv(hue + dice.around(0, 0.015), dice.between(0.4, 0.9), dice.between(0.7, 1.0))


def blossom(pen: Pen, dice: Dice, colour: Colour, kind: str) -> None:
    """Draw one flower head of radius one about the origin; ``kind`` is one of FLOWERS."""
    core = dice.pick([(240, 200, 60), (225, 160, 40), (120, 80, 40), (200, 210, 110)])
    if kind == "tulip":
        for side, light in ((-0.45, 0.8), (0.45, 0.85), (0.0, 1.05)):
            cup = [(side * 0.4, 0.95), (side - 0.42, 0.2), (side * 1.5, -0.95), (side + 0.42, 0.2)]
            pen.shape(cup, shade(colour, light))
        return
    if kind == "rose":
        for ring in range(6):
            r = 1.0 - 0.16 * ring
            for k in range(5):
                angle = 1.256 * k + 0.7 * ring
                tone = dice.tinge(shade(colour, 0.65 + 0.09 * ring + (0.12 if k % 2 else 0)), 6)
                pen.at(0, 0, r, angle).ellipse(0.5, 0, 0.45, 0.55, tone)
        return
    count = {"daisy": dice.many(11, 18), "sun": dice.many(14, 20), "petals": dice.many(4, 7)}[kind]
    colour = (245, 190, 40) if kind == "sun" and dice.chance(0.8) else colour
    slim = {"daisy": 2.2, "sun": 2.6, "petals": 2.7}[kind] / count
    heart = {"daisy": 0.3, "sun": 0.5, "petals": 0.2}[kind]
    turn = dice.between(0.0, 6.3)
    for layer in range(2 if kind != "petals" else 1):
        for k in range(count):
            angle = turn + 2 * math.pi * (k + 0.5 * layer) / count
            petal = pen.at(0, 0, 1.0 - 0.12 * layer, angle + dice.around(0, 0.05))
            tone = dice.tinge(shade(colour, 0.82 + 0.2 * layer if kind != "petals" else 0.92), 10)
            tip = [(1.0, -0.25 * slim), (1.0, 0.25 * slim)]
            petal.shape([(0.1, 0), (0.5, -slim), *tip, (0.5, slim)], tone)
            petal.line(".25,0 .85,0", 0.03, shade(tone, 0.85))
    core = (90, 60, 35) if kind == "sun" else core
    pen.ball(0, 0, heart, core)
    for _ in range(14):
        angle, away = dice.between(0, 6.3), heart * dice.between(0, 0.9)
        pen.ellipse(away * math.cos(angle), away * math.sin(angle), 0.03, 0.03, shade(core, 0.7))


def stalked(pen: Pen, dice: Dice, colour: Colour, stem: float, kind: str) -> None:
    """Draw a flower head of radius one at the origin on a stem with leaves below it."""
    green = hsv(dice.between(0.22, 0.36), dice.between(0.4, 0.7), dice.between(0.3, 0.55))
    bend = dice.around(0.0, 0.5)
    pen.curve([(0, 0), (0.3 * bend, stem * 0.5), (bend, stem)], 0.12, green)
    for _ in range(dice.many(1, 3)):
        leaf = pen.at(0.3 * bend, stem * dice.between(0.3, 0.8), 1.0, dice.around(-0.3, 0.2))
        side = dice.sign()
        blade = [(0, 0), (side * 0.6, -0.35), (side * 1.3, -0.3), (side * 0.6, 0.05)]
        leaf.shape(blade, dice.tinge(green, 14))
    blossom(pen.at(0, 0, 1, dice.around(0, 0.2)), dice, colour, kind)


def vase(pen: Pen, dice: Dice) -> None:
    """Draw a vase of cut flowers, two units wide about the origin, its foot at y = 1.6."""
    glaze = dice.hue((0.2, 0.7), (0.4, 0.9))
    colours = [flower_colour(dice) for _ in range(3)]
    for _ in range(dice.many(4, 8)):
        x, y = dice.around(0, 0.45), dice.between(-1.0, -0.1)
        pen.line([(x, y), (0, 0.6)], 0.04, (70, 110, 60))
        leaf = pen.at(x * 0.8, y + 0.3, 0.35, dice.between(-1, 1))
        leaf.shape("0,0 .5,-.3 1,0 .5,.2", dice.tinge((70, 115, 60), 20))
        head = pen.at(x, y, dice.between(0.22, 0.38))
        stalked(head, dice, dice.pick(colours), 1.0, dice.pick(FLOWERS))
    pen.twofold(".25,1.6 .42,1.2 .2,.7 .28,.4", glaze)
    pen.shape("-.3,1.2 -.2,.9 -.16,1.2 -.2,1.45", mix(glaze, WHITE, 0.5))


def cactus(pen: Pen, dice: Dice) -> None:
    """Draw a cactus one unit tall that stands on y = 0."""
    green = hsv(dice.between(0.28, 0.4), dice.between(0.3, 0.6), dice.between(0.3, 0.55))
    pen.limb([(0, 0), (0, -0.9)], 0.18, green)
    for side in pen.both():
        y = -dice.between(0.3, 0.5)
        side.limb([(0, y), (0.24, y), (0.24, y - dice.between(0.15, 0.35))], 0.11, green)
    for x in (-0.05, 0.0, 0.05):
        pen.at(x, 0).line("0,-.02 0,-.92", 0.012, shade(green, 0.75))


def leaves(pen: Pen, dice: Dice) -> None:
    """Draw large leaves with veins over the unit square: foliage without a flower."""
    green = leaf_colour(dice) if dice.chance(0.6) else hsv(dice.between(0.2, 0.4), 0.6, 0.5)
    for _ in range(dice.many(5, 16)):
        x, y, size = dice.between(0, 1), dice.between(0, 1), dice.between(0.2, 0.6)
        leaf = pen.at(x, y, size, dice.between(0, 6.3))
        tone = dice.tinge(shade(green, dice.between(0.6, 1.2)), 12)
        wide = dice.between(0.15, 0.4)
        leaf.shape([(-0.5, 0), (-0.1, -wide), (0.5, 0), (-0.1, wide)], tone)
        vein = shade(tone, 1.3)
        leaf.line("-.5,0 .45,0", 0.015, vein)
        for k in range(4):
            x = -0.35 + 0.18 * k
            for side in (-1, 1):
                leaf.line([(x, 0), (x + 0.12, side * wide * 0.6)], 0.008, vein)
