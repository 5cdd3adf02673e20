"""Furniture, food, toys and tools: things that carry no label."""

from __future__ import annotations

from toolkit.data.painter.canvas import Pen
from toolkit.data.painter.palette import BLACK, WHITE, Colour, Dice, mix, shade

_TOPPINGS: tuple[Colour, ...] = ((180, 50, 40), (70, 110, 50), (245, 225, 170))
_FRUITS: tuple[Colour, ...] = ((200, 50, 45), (240, 160, 40), (150, 180, 60), (120, 40, 90))
_FOODS: tuple[Colour, ...] = (
    (190, 60, 40),
    (80, 130, 50),
    (235, 200, 120),
    (140, 85, 50),
    (240, 160, 60),
)


def cup(pen: Pen, dice: Dice) -> None:
    """Draw a cup on a saucer, one unit wide about the origin."""
    glaze = dice.hue((0.0, 0.6), (0.6, 1.0))
    pen.ellipse(0, 0.3, 0.55, 0.13, shade(glaze, 0.8))
    pen.ellipse(0, 0.28, 0.5, 0.1, glaze)
    pen.curve(".25,-.1 .48,-.08 .42,.12 .22,.15", 0.05, shade(glaze, 0.85))
    pen.twofold(".3,-.2 .26,.1 .14,.27", glaze)
    pen.shape(".12,-.15 .28,-.15 .25,.1 .14,.24", shade(glaze, 0.8))
    pen.ellipse(0, -0.2, 0.3, 0.08, shade(glaze, 0.9))
    pen.ellipse(0, -0.19, 0.26, 0.06, dice.pick([(70, 42, 26), (150, 100, 50), (120, 80, 60)]))


def plate(pen: Pen, dice: Dice) -> None:
    """Draw a plate of food seen from above, of radius one half about the origin."""
    pen.ellipse(0.02, 0.03, 0.52, 0.52, (90, 80, 72))
    glaze = dice.tinge((236, 234, 228), 8)
    pen.ellipse(0, 0, 0.5, 0.5, glaze)
    pen.ellipse(0, 0, 0.38, 0.38, shade(glaze, 0.93))
    if dice.chance(0.3):
        pen.ellipse(0, 0, 0.36, 0.36, (205, 150, 80))
        pen.ellipse(0, 0, 0.31, 0.31, (225, 170, 70))
        for _ in range(12):
            slice_ = pen.at(0, 0, 1, dice.between(0, 6.3))
            slice_.disc(dice.between(0, 0.26), 0, 0.05, dice.pick(_TOPPINGS))
        return
    for _ in range(dice.many(4, 9)):
        x, y = dice.around(0, 0.11), dice.around(0, 0.11)
        food = dice.tinge(dice.pick(_FOODS), 16)
        if dice.chance(0.5):
            pen.ball(x, y, dice.between(0.05, 0.12), food)
        else:
            pen.blob(x, y, dice.between(0.08, 0.15), food, dice, 0.35)


def fruit(pen: Pen, dice: Dice) -> None:
    """Draw a heap of round fruit about the origin, one unit wide."""
    colour = dice.pick(_FRUITS)
    for k in range(dice.many(1, 7)):
        x, y = dice.around(0, 0.2), 0.1 - 0.06 * k + dice.around(0, 0.05)
        pen.ball(x, y, dice.between(0.15, 0.2), dice.tinge(colour, 20))
        pen.line([(x, y - 0.12), (x + 0.02, y - 0.2)], 0.02, (90, 70, 40))


def cake(pen: Pen, dice: Dice) -> None:
    """Draw a layer cake one unit wide about the origin."""
    icing, dough = dice.hue((0.1, 0.5), (0.7, 1.0)), dice.pick([(200, 160, 100), (100, 64, 44)])
    pen.ellipse(0, 0.34, 0.58, 0.1, (225, 225, 228))
    for k in range(3):
        pen.box(-0.42, 0.3 - 0.17 * (k + 1), 0.42, 0.3 - 0.17 * k, dough if k % 2 == 0 else icing)
    pen.ellipse(0, 0.3, 0.42, 0.06, dough)
    pen.ellipse(0, -0.22, 0.42, 0.09, icing)
    for k in range(dice.many(3, 7)):
        pen.ball(-0.3 + 0.1 * k, -0.25, 0.05, (200, 40, 50))


def bottle(pen: Pen, dice: Dice) -> None:
    """Draw a bottle one unit tall that stands on y = 0."""
    glass = dice.hue((0.2, 0.8), (0.2, 0.7))
    pen.twofold(".05,-.98 .05,-.68 .14,-.5 .13,0", glass)
    pen.line("-.08,-.5 -.08,-.1", 0.025, mix(glass, WHITE, 0.6))
    pen.box(-0.135, -0.42, 0.135, -0.18, (232, 222, 196))
    pen.line("-.08,-.32 .08,-.32", 0.02, BLACK)


def chair(pen: Pen, dice: Dice) -> None:
    """Draw a chair one unit tall that stands on y = 0."""
    wood = dice.hue((0.2, 0.7), (0.3, 0.8))
    for x, low in ((-0.24, 0.0), (0.24, 0.0), (-0.16, -0.08), (0.28, -0.08)):
        pen.line([(x, -0.45), (x, low)], 0.045, shade(wood, 0.8))
    pen.polygon("-.28,-.42 .26,-.42 .32,-.52 -.2,-.52", wood)
    for x in (-0.22, 0.28):
        pen.line([(x, -0.5), (x, -1.0)], 0.045, shade(wood, 0.85))
    for y in (-0.95, -0.82, -0.7):
        pen.line([(-0.22, y), (0.28, y)], 0.05, wood)


def sofa(pen: Pen, dice: Dice) -> None:
    """Draw a sofa one unit wide that stands on y = 0."""
    cloth = dice.hue((0.15, 0.7), (0.3, 0.8))
    pen.twofold(".45,-.42 .45,-.05", shade(cloth, 0.85))
    for x in (-0.2, 0.2):
        pen.at(x, 0).twofold(".2,-.2 .2,-.06", cloth)
        cushion = pen.at(x, -0.27, 0.16, dice.between(-0.4, 0.4))
        cushion.box(-0.5, -0.5, 0.5, 0.5, dice.hue((0.1, 0.7), (0.4, 0.95)))
    for side in pen.both():
        side.shape(".38,-.02 .38,-.3 .52,-.3 .52,-.02", shade(cloth, 1.1))


def shelf(pen: Pen, dice: Dice) -> None:
    """Draw a bookshelf over the unit square about the origin."""
    wood = dice.tinge((110, 76, 50), 25)
    pen.box(-0.5, -0.5, 0.5, 0.5, shade(wood, 0.6))
    for k in range(4):
        y = -0.26 + 0.25 * k
        x = -0.47
        while x < 0.42:
            wide = dice.between(0.02, 0.06)
            spine = dice.hue((0.1, 0.8), (0.25, 0.85))
            pen.box(x, y - dice.between(0.12, 0.21), x + wide, y, spine)
            x += wide + 0.006
        pen.box(-0.5, y, 0.5, y + 0.03, wood)


def lamp(pen: Pen, dice: Dice) -> None:
    """Draw a floor lamp one unit tall that stands on y = 0."""
    pen.line("0,0 0,-.75", 0.03, (70, 66, 62))
    pen.ellipse(0, 0, 0.14, 0.025, (70, 66, 62))
    pen.polygon("-.12,-1 .12,-1 .2,-.72 -.2,-.72", dice.hue((0.05, 0.4), (0.8, 1.0)))


def teddy(pen: Pen, dice: Dice) -> None:
    """Draw a sitting teddy bear about one unit tall about the origin."""
    fur = dice.tinge(dice.pick([(170, 120, 70), (210, 170, 120), (120, 84, 60)]), 12)
    for side in pen.both():
        side.ellipse(0.24, 0.42, 0.13, 0.12, shade(fur, 0.9))
        side.ellipse(0.24, 0.43, 0.07, 0.065, shade(fur, 1.3))
        side.ellipse(0.28, 0.1, 0.09, 0.17, shade(fur, 0.9), -0.5)
        side.disc(0.2, -0.42, 0.1, shade(fur, 0.85))
    pen.ellipse(0, 0.2, 0.27, 0.3, fur)
    pen.ellipse(0, -0.22, 0.27, 0.25, fur)
    pen.ellipse(0, -0.13, 0.13, 0.1, shade(fur, 1.3))
    pen.ellipse(0, -0.17, 0.045, 0.032, BLACK)
    for side in pen.both():
        side.ellipse(0.1, -0.28, 0.025, 0.03, BLACK)


def umbrella(pen: Pen, dice: Dice) -> None:
    """Draw an open umbrella one unit wide about the origin."""
    cloth = dice.hue((0.3, 0.9), (0.4, 0.95))
    pen.line("0,0 0,.62 .06,.68 .1,.6", 0.03, (90, 66, 46))
    pen.twofold("0,-.42 .36,-.28 .5,.05 .25,0 0,.05", cloth)
    pen.polygon("0,-.42 -.12,.02 .12,.02", shade(cloth, 1.25))


def windmill(pen: Pen, dice: Dice) -> None:
    """Draw a windmill one unit tall that stands on y = 0."""
    stone = dice.hue((0.05, 0.4), (0.5, 0.9))
    pen.polygon("-.17,0 -.1,-.6 .1,-.6 .17,0", stone)
    pen.polygon(".05,0 .03,-.6 .1,-.6 .17,0", shade(stone, 0.75))
    pen.polygon("-.13,-.58 0,-.74 .13,-.58", (120, 60, 50))
    pen.box(-0.04, -0.14, 0.04, 0, (70, 50, 40))
    turn = dice.between(0, 1.57)
    for k in range(4):
        vane = pen.at(0, -0.62, 1, turn + 1.571 * k)
        vane.box(0.04, -0.05, 0.38, 0.03, (225, 215, 195))
        vane.line("0,0 .4,0", 0.02, (80, 60, 50))


def tent(pen: Pen, dice: Dice) -> None:
    """Draw a tent one unit wide that stands on y = 0."""
    cloth = dice.hue((0.3, 0.9), (0.4, 0.95))
    pen.polygon("-.5,0 -.1,-.55 .3,-.5 .5,-.04", shade(cloth, 0.75))
    pen.polygon("-.5,0 -.1,-.55 .2,0", cloth)
    pen.polygon("-.2,0 -.1,-.5 0,0", shade(cloth, 0.4))


def mushroom(pen: Pen, dice: Dice) -> None:
    """Draw a toadstool one unit tall that stands on y = 0."""
    cap = dice.pick([(200, 50, 40), (150, 100, 60), (225, 190, 140)])
    pen.twofold(".08,-.55 .12,0", (232, 224, 208))
    pen.twofold("0,-1 .34,-.82 .46,-.5 0,-.56", cap)
    for x, y in ((-0.2, -0.7), (0.05, -0.85), (0.22, -0.66), (0.0, -0.66)):
        pen.ellipse(x, y, 0.06, 0.04, (245, 240, 230))


def clock(pen: Pen, dice: Dice) -> None:
    """Draw a round clock of radius one half about the origin."""
    pen.disc(0, 0, 0.5, dice.hue((0.1, 0.8), (0.2, 0.8)))
    pen.disc(0, 0, 0.43, (240, 236, 224))
    for k in range(12):
        pen.at(0, 0, 1, 0.5236 * k).line("0,.34 0,.4", 0.03, BLACK)
    pen.at(0, 0, 1, dice.between(0, 6.3)).line("0,.05 0,-.24", 0.04, BLACK)
    pen.at(0, 0, 1, dice.between(0, 6.3)).line("0,.05 0,-.34", 0.025, BLACK)


def guitar(pen: Pen, dice: Dice) -> None:
    """Draw a guitar one unit tall that stands on y = 0."""
    wood = dice.pick([(190, 120, 60), (120, 60, 40), (60, 40, 36), (210, 170, 110)])
    pen.twofold("0,-.5 .13,-.46 .11,-.34 .19,-.12 0,0", wood)
    pen.disc(0, -0.27, 0.055, BLACK)
    pen.box(-0.025, -0.92, 0.025, -0.3, (70, 50, 40))
    pen.box(-0.045, -1.0, 0.045, -0.9, (50, 36, 30))
    pen.line("0,-.95 0,-.12", 0.008, (230, 225, 210))
    pen.box(-0.06, -0.13, 0.06, -0.1, (60, 40, 30))


def sign(pen: Pen, dice: Dice) -> None:
    """Draw a lettered board about the origin, one unit wide: strokes that read as writing."""
    board = dice.hue((0.1, 0.9), (0.2, 0.95))
    ink = dice.pick([WHITE, BLACK, (230, 200, 60), (190, 40, 40)])
    tall = dice.between(0.25, 0.6)
    pen.box(-0.52, -tall - 0.02, 0.52, tall + 0.02, shade(board, 0.6))
    pen.box(-0.5, -tall, 0.5, tall, board)
    lines = dice.many(1, 4)
    high = 0.62 * tall / lines
    for row in range(lines):
        y = -tall + 2 * tall * (row + 0.5) / lines
        x = -0.42
        while x < 0.38:
            wide = high * dice.between(0.5, 0.8)
            corners = [(x + i * wide, y + j * high) for i in (0, 1) for j in (-1, 0, 1)]
            pen.line([dice.pick(corners) for _ in range(4)], high * 0.28, ink)
            x += wide * 1.5
