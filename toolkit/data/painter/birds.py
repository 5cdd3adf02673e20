"""Birds: perched, on the wing and afloat."""

from __future__ import annotations

from toolkit.data.painter.canvas import Pen
from toolkit.data.painter.palette import BLACK, WHITE, Colour, Dice, hsv, mix, shade


def plumage(dice: Dice) -> tuple[Colour, Colour]:
    """Return the colours of a bird's back and breast."""
    if dice.chance(0.5):
        plain = [(90, 78, 66), (60, 62, 68), (230, 228, 224), (120, 116, 112), (34, 34, 40)]
        back = dice.tinge(dice.pick(plain), 12)
        return back, mix(back, dice.pick([(225, 205, 175), WHITE, (190, 110, 70)]), 0.6)
    hue = dice.pick([0.0, 0.08, 0.14, 0.35, 0.55, 0.6])
    back = hsv(hue, dice.between(0.5, 0.85), dice.between(0.4, 0.85))
    return back, mix(back, dice.pick([(250, 230, 190), (245, 200, 80), WHITE]), 0.65)


def bird_perched(pen: Pen, dice: Dice) -> None:
    """Draw a bird one unit long facing right, its feet at the origin."""
    back, breast = plumage(dice)
    beak = dice.pick([(230, 160, 50), (60, 56, 52), (200, 90, 50)])
    plump, neck = dice.between(0.2, 0.28), dice.pick([0.0, 0.0, 0.03, 0.28])
    for x in (-0.03, 0.05):
        pen.at(x, 0).line("0,-.16 .01,0 .06,.01", 0.02, shade(beak, 0.8))
    body = pen.at(0, -0.14 - plump, 1, dice.between(-0.6, -0.1))
    body.polygon("-.24,-.04 -.62,.02 -.6,.1 -.2,.09", shade(back, 0.75))
    chest = [(0.22, -plump * 0.8), (0.32, 0.02), (0.12, plump), (-0.18, plump * 0.7)]
    body.shape([(-0.34, 0.0), (-0.1, -plump), *chest], back)
    body.shape([(-0.1, plump * 0.55), (0.2, -0.05), (0.32, 0.02), (0.12, plump * 0.98)], breast)
    wing = [(0.14, -0.1), (-0.1, -plump * 0.6), (-0.46, 0.05), (-0.15, plump * 0.5)]
    body.shape(wing, shade(back, 0.7))
    for k in range(3):
        quill = [(0.02 - 0.1 * k, 0.02), (-0.3 - 0.06 * k, 0.06 + 0.012 * k)]
        body.line(quill, 0.015, shade(back, 1.15))
    x, y = 0.24, -0.14 - plump * 1.75 - neck
    if neck > 0.1:
        pen.curve([(0.14, -0.14 - plump), (0.32, -0.2 - plump - neck * 0.4), (x, y)], 0.11, back)
    head = pen.at(x, y, 1, dice.around(0, 0.2))
    head.polygon([(0.08, -0.04), (0.1 + dice.between(0.1, 0.3), 0.02), (0.08, 0.06)], beak)
    head.ellipse(0, 0, 0.135, 0.125, back)
    head.shape("-.02,.02 .11,0 .08,.1 -.04,.11", breast)
    head.disc(0.05, -0.03, 0.028, BLACK)
    head.disc(0.058, -0.038, 0.009, WHITE)
    if dice.chance(0.2):
        head.polygon("-.06,-.09 -.14,-.26 .06,-.1", shade(back, 0.8))


def bird_flying(pen: Pen, dice: Dice, flat: bool = False) -> None:
    """Draw a bird on the wing, one unit from wing tip to wing tip; ``flat`` for a silhouette."""
    back, breast = ((38, 38, 44), (38, 38, 44)) if flat else plumage(dice)
    lift, sweep = dice.between(-0.1, 0.34), dice.between(0.0, 0.2)
    for side, tone in zip(pen.both(), (1.0, 0.85), strict=True):
        high = lift * dice.between(0.75, 1.15)
        tip = (0.52, -high + 0.5 * sweep)
        inner = [(0.02, -0.05), (0.24, -0.1 - high * 0.8)]
        side.shape([*inner, tip, (0.28, 0.03 - high * 0.55), (0.04, 0.09)], shade(back, tone))
        if not flat:
            side.line([(0.2, -0.04 - high * 0.6), tip], 0.03, shade(back, 0.55))
    body = pen.at(0, 0, 1, dice.around(0, 0.25))
    body.polygon("-.12,0 -.3,-.04 -.3,.08", shade(back, 0.8))
    body.ellipse(0, 0.01, 0.17, 0.07, breast)
    body.ellipse(0.17, -0.02, 0.055, 0.05, back)
    body.polygon(".21,-.04 .3,0 .21,.01", back if flat else (210, 150, 60))


def bird_afloat(pen: Pen, dice: Dice) -> None:
    """Draw a duck, goose or swan one unit long that swims at the origin, facing right."""
    swan = dice.chance(0.4)
    back, breast = ((240, 240, 238), (225, 228, 230)) if swan else plumage(dice)
    neck = breast if swan else shade(back, 0.6)
    tall = -0.62 if swan else -0.36
    pen.ellipse(0, 0.03, 0.5, 0.05, (70, 90, 100))
    pen.shape("-.48,-.16 -.2,-.24 .2,-.22 .36,-.1 .2,.05 -.25,.05", back)
    pen.shape("-.4,-.14 -.1,-.22 .16,-.12 -.1,-.02", shade(back, 0.82))
    pen.curve([(0.22, -0.08), (0.36, -0.2), (0.24, tall * 0.75), (0.32, tall)], 0.11, neck)
    pen.ellipse(0.34, tall, 0.095, 0.08, neck)
    pen.polygon([(0.4, tall - 0.03), (0.56, tall + 0.04), (0.4, tall + 0.05)], (228, 140, 50))
    pen.disc(0.36, tall - 0.02, 0.018, BLACK)
