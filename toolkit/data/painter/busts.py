"""People seen near: heads and shoulders, from the front and from behind, and babies."""

from __future__ import annotations

from dataclasses import replace

from toolkit.data.painter.canvas import Pen
from toolkit.data.painter.looks import HAIRS, SKINS, Look
from toolkit.data.painter.palette import BLACK, WHITE, Dice, mix, shade


def bust(pen: Pen, dice: Dice, who: Look) -> None:
    """Draw head and shoulders; the head is one unit tall about the origin."""
    _hair_behind(pen, dice, who)
    _shoulders(pen, dice, who)
    skin, jaw = who.skin, who.jaw
    wide = 0.42 if who.sex == "child" else 0.37
    for side in pen.both():
        side.ellipse(wide, 0.03, 0.05, 0.1, shade(skin, 0.88))
    cheek = [(0.27, -0.42), (wide, -0.12), (wide - 0.03, 0.14), (jaw, 0.38), (0.08, 0.5)]
    pen.twofold([(0, -0.5), *cheek], skin)
    far = [(wide * 0.98, -0.15), (wide * 0.93, 0.14), (jaw * 0.95, 0.37), (0.06, 0.49)]
    pen.shape([*far, (jaw * 0.72, 0.2), (wide * 0.75, 0.0)], shade(skin, 0.84))
    pen.shape("-.1,-.4 -.24,-.3 -.2,-.2 -.05,-.26", mix(skin, WHITE, 0.2))
    face = pen.at(dice.around(0.0, 0.055), 0)
    if who.sex == "dummy":
        face.curve(".02,-.06 .05,.12 0,.14", 0.022, shade(skin, 0.88))
        return
    if who.sex != "stone":
        for side in face.both():
            side.ellipse(0.2, 0.14, 0.085, 0.06, mix(skin, (220, 110, 100), 0.22))
    _beard(face, dice, who)
    _features(face, dice, who)
    _hair_front(pen, dice, who)
    if who.earrings:
        drop = dice.pick([0.03, 0.07])
        for side in pen.both():
            side.ellipse(0.39, 0.19, 0.03, drop, (235, 205, 110))
    _glasses(face, dice, who)
    _hat(pen, dice, who)


def nape(pen: Pen, dice: Dice, who: Look) -> None:
    """Draw head and shoulders from behind; the head is one unit tall about the origin."""
    _shoulders(pen, dice, replace(who, sex="behind"))
    for side in pen.both():
        side.ellipse(0.37, 0.03, 0.05, 0.1, shade(who.skin, 0.88))
    pen.twofold("0,-.5 .27,-.42 .37,-.12 .3,.2 .16,.44", who.skin)
    if who.style == "bald":
        return
    pen.twofold("0,-.58 .34,-.42 .4,-.1 .33,.2 .14,.3", who.hair)
    _hair_behind(pen, dice, who)
    for k in range(16):
        x = -0.3 + 0.0375 * k
        strand = [(x, -0.3 + abs(x) * 0.3), (x * 1.1, 0.15)]
        pen.line(strand, 0.012, dice.tinge(shade(who.hair, 0.9), 16))


def _shoulders(pen: Pen, dice: Dice, who: Look) -> None:
    w, cloth = who.broad, who.cloth
    pen.twofold(".17,.3 .2,.85", shade(who.skin, 0.78))
    pen.twofold([(0.16, 0.64), (w * 0.72, 0.82), (w * 0.95, 1.3), (w, 2.6)], cloth)
    fold = [(w * 0.5, 0.9), (w * 0.9, 1.2), (w * 0.97, 2.5), (w * 0.6, 2.5)]
    pen.shape(fold, shade(cloth, 0.78))
    if who.sex == "female" and dice.chance(0.6):
        pen.twofold([(0.26, 0.68), (0.14, dice.between(0.95, 1.25))], who.skin)
        if dice.chance(0.4):
            pen.curve("-.2,.72 0,.92 .2,.72", 0.03, (230, 205, 120))
    elif who.sex == "male" and dice.chance(0.5):
        pen.polygon("-.17,.62 0,.95 .17,.62", WHITE)
        for side in pen.both():
            side.polygon(".17,.6 .3,.78 0,1", shade(cloth, 1.25))
        if dice.chance(0.5):
            tie = dice.hue((0.4, 0.9), (0.3, 0.7))
            pen.polygon("-.05,.84 .05,.84 .1,1.6 0,1.8 -.1,1.6", tie)
    else:
        pen.curve("-.2,.66 0,.8 .2,.66", 0.05, shade(cloth, 0.7))
    if dice.chance(0.2) and who.sex != "stone":
        for k in range(6):
            y, half = 0.98 + 0.14 * k, w * (0.76 + 0.03 * k)
            pen.curve([(-half, y + 0.05), (0, y), (half, y + 0.05)], 0.05, shade(cloth, 1.4))


def _hair_behind(pen: Pen, dice: Dice, who: Look) -> None:
    hair = shade(who.hair, 0.75)
    if who.style == "long":
        low = dice.between(0.7, 1.2)
        lock = [(0.36, -0.48), (0.47, 0.0), (0.52, low * 0.7), (0.3, low)]
        pen.twofold([(0, -0.6), *lock], hair)
    elif who.style == "bob":
        pen.twofold("0,-.58 .38,-.45 .48,.1 .42,.42", hair)
    elif who.style == "bun":
        pen.blob(dice.around(0, 0.06), -0.62, 0.2, who.hair, dice, 0.1)
    elif who.style == "tail":
        pen.shape(".2,-.45 .5,-.3 .62,.3 .45,.7 .42,.1", hair)
    elif who.style == "curls":
        for k in range(-5, 6):
            y = -0.46 + 0.016 * k * k
            pen.blob(0.085 * k, y, 0.16, dice.tinge(who.hair, 10), dice)


def _hair_front(pen: Pen, dice: Dice, who: Look) -> None:
    hair, style = who.hair, who.style
    if style == "bald" or who.hat in ("hood", "helmet"):
        return
    low = {"crop": -0.34, "short": -0.26}.get(style, -0.2)
    top = -0.53 if style == "crop" else -0.6
    part = dice.around(0.0, 0.12)
    if style in ("long", "bob", "tail", "bun") and dice.chance(0.6):
        fringe = [(0.2, -0.3), (part, -0.44), (-0.2, -0.3)]
    else:
        ragged = low - 0.06 + dice.around(0, 0.03)
        fringe = [(0.18, ragged), (part, low - 0.02), (-0.18, low - 0.06)]
    left = [(-0.33, low + 0.02), (-0.4, low + 0.2), (-0.4, -0.3), (-0.2, top)]
    right = [(-x, y) for x, y in reversed(left)]
    pen.shape(left + right + fringe, hair)
    if style in ("long", "bob"):
        end = 0.75 if style == "long" else 0.35
        lock = [(0.46, end * 0.5), (0.42, end), (0.34, end * 0.4), (0.35, -0.1)]
        for side in pen.both():
            side.shape([(0.3, -0.4), (0.42, -0.2), *lock], hair)
    for k in range(16):
        x = -0.3 + 0.0375 * k
        strand = [(x, -0.5 + abs(x) * 0.4), (x * 1.15, -0.38 + abs(x) * 0.5)]
        pen.line(strand, 0.012, dice.tinge(shade(hair, 1.2), 16))


def _features(face: Pen, dice: Dice, who: Look) -> None:
    skin, stone = who.skin, who.sex == "stone"
    line = shade(skin, 0.6)
    iris = dice.pick([(70, 46, 30), (70, 46, 30), (90, 120, 150), (90, 120, 80)])
    big = 0.08 if who.sex == "child" else 0.068
    shut = dice.chance(0.06)
    gaze = dice.around(0, 0.015)
    brow = face.at(0, -0.16 if who.sex == "female" else -0.14)
    thick = 0.045 if who.sex == "male" else 0.026
    for side in brow.both():
        side.curve(".255,.012 .145,-.02 .065,.02", thick, shade(who.hair, 0.8))
    for side in face.both():
        eye = side.at(0.165, -0.03)
        if shut:
            eye.curve("-.07,0 0,.02 .07,0", 0.025, line)
            continue
        eye.ellipse(0, 0, big + 0.015, 0.05, shade(skin, 0.75))
        eye.ellipse(0, 0, big, 0.038, shade(skin, 1.08) if stone else (240, 238, 234))
        eye.curve("-.08,0 0,-.045 .08,0", *((0.034, BLACK) if who.lashes else (0.016, line)))
        if who.lashes:
            eye.line(".07,-.015 .115,-.05", 0.02, BLACK)
    if not shut and not stone:
        for x in (-0.165 + gaze, 0.165 + gaze):
            face.disc(x, -0.03, 0.034, iris)
            face.disc(x, -0.03, 0.016, BLACK)
            face.disc(x + 0.012, -0.042, 0.008, WHITE)
    face.curve(".02,-.06 .05,.12 0,.14", 0.022, shade(skin, 0.78))
    for side in face.both():
        side.ellipse(0.035, 0.135, 0.018, 0.01, line)
    mouth = face.at(0, 0.275)
    w, rise = 0.115 + 0.03 * who.smile, -0.035 * who.smile
    if who.smile > 0.6:
        mouth.shape([(-w, rise), (0, 0), (w, rise), (0, 0.085)], shade(who.lips, 0.8))
        teeth = [(-w * 0.8, rise * 0.6), (0, 0.01), (w * 0.8, rise * 0.6), (0, 0.045)]
        mouth.shape(teeth, (244, 240, 234))
    else:
        full = 0.03 if who.lashes else 0.02
        mouth.twofold([(0, -0.6 * full), (0.04, -full), (w, rise), (0, 1.5 * full)], who.lips)
        mouth.curve([(-w, rise), (0, 0.004), (w, rise)], 0.012, shade(who.lips, 0.6))


def _beard(face: Pen, dice: Dice, who: Look) -> None:
    hair, jaw = shade(who.hair, 0.9), who.jaw
    if who.beard in ("full", "stubble"):
        tone = hair if who.beard == "full" else mix(who.skin, hair, 0.3)
        drop = dice.between(0.52, 0.68) if who.beard == "full" else 0.5
        edge = [(0, 0.19), (0.16, 0.2), (0.3, 0.18), (0.36, 0.05)]
        face.twofold([*edge, (jaw + 0.03, 0.38), (0.1, drop)], tone)
        if who.beard == "full":
            for _ in range(24):
                x, y = dice.around(0, 0.13), dice.between(0.34, drop - 0.04)
                face.line([(x, y), (x * 1.05, y + 0.05)], 0.01, dice.tinge(hair, 22))
    if who.beard == "goatee":
        face.twofold(".1,.34 .07,.56", hair)
    if who.beard in ("tache", "goatee", "full"):
        face.twofold("0,.17 .17,.25 0,.235", hair)


def _glasses(face: Pen, dice: Dice, who: Look) -> None:
    if who.glasses == "none":
        return
    dark = who.glasses == "dark"
    rim = BLACK if dark else dice.pick([(40, 36, 36), (120, 80, 50), (150, 150, 155)])
    for side in face.both():
        lens = side.at(0.165, -0.02)
        if dark:
            lens.ellipse(0, 0, 0.125, 0.1, rim)
        else:
            lens.line("-.12,-.08 .12,-.08 .11,.09 -.11,.09 -.12,-.08", 0.022, rim)
        side.line(".27,-.04 .37,-.06", 0.02, rim)
    face.line("-.05,-.04 .05,-.04", 0.022, rim)


def _hat(pen: Pen, dice: Dice, who: Look) -> None:
    felt = dice.hue((0.1, 0.8), (0.2, 0.8))
    if who.hat == "cap":
        pen.twofold("0,-.68 .32,-.6 .4,-.24 0,-.3", felt)
        pen.twofold("0,-.36 .42,-.26 .3,-.16", shade(felt, 0.7))
    elif who.hat == "brim":
        pen.ellipse(0, -0.32, 0.68, 0.12, shade(felt, 0.8))
        pen.twofold("0,-.72 .3,-.76 .36,-.34 0,-.3", felt)
    elif who.hat == "knit":
        pen.twofold("0,-.72 .34,-.6 .41,-.2 0,-.24", felt)
        pen.curve("-.4,-.22 0,-.28 .4,-.22", 0.12, shade(felt, 1.25))
    elif who.hat == "helmet":
        pen.twofold("0,-.7 .46,-.3 .46,.2 .3,-.2", felt)
        pen.twofold(".4,-.2 .38,.12", (60, 70, 84))
    elif who.hat == "hood":
        rim = shade(who.cloth, 0.8)
        pen.twofold("0,-.74 .54,-.2 .5,.6 .33,.4 .34,-.1 0,-.36", rim)
        pen.twofold("0,.06 .34,.12 .28,.5", mix(rim, WHITE, 0.15))


def baby(pen: Pen, dice: Dice) -> None:
    """Draw a baby's head, one unit tall about the origin, above a blanket or a romper."""
    skin = dice.tinge(dice.pick(SKINS[:5]), 8)
    soft = dice.pick([(245, 215, 220), (205, 225, 240), (245, 238, 200), (225, 240, 220)])
    pen.twofold(".2,.36 .5,.6 .62,1.2 .4,1.7", soft)
    for side in pen.both():
        side.limb([(0.45, 0.7), (0.66, 0.95), (0.4, 1.05)], 0.2, shade(soft, 0.92))
        side.ellipse(0.36, 1.04, 0.1, 0.09, skin)
        side.ellipse(0.46, 0.08, 0.06, 0.09, shade(skin, 0.9))
    pen.twofold("0,-.52 .32,-.44 .48,-.08 .44,.22 .24,.43 0,.47", skin)
    pen.shape(".46,-.1 .43,.22 .2,.43 .32,.1", shade(skin, 0.88))
    face = pen.at(dice.around(0, 0.05), 0)
    asleep = dice.chance(0.25)
    iris = dice.pick([(80, 100, 130), (60, 42, 30)])
    for side in face.both():
        side.ellipse(0.26, 0.2, 0.11, 0.085, mix(skin, (235, 120, 115), 0.3))
        eye = side.at(0.18, 0.05)
        if asleep:
            eye.curve("-.08,.01 0,.04 .08,.01", 0.025, shade(skin, 0.5))
            continue
        eye.ellipse(0, 0, 0.095, 0.075, (244, 242, 240))
        eye.ellipse(0, 0, 0.062, 0.068, iris)
        eye.disc(0, 0, 0.032, BLACK)
        eye.disc(0.02, -0.02, 0.018, WHITE)
        eye.curve("-.08,-.15 0,-.18 .08,-.15", 0.014, shade(skin, 0.72))
    face.ellipse(0, 0.17, 0.045, 0.028, shade(skin, 0.86))
    if dice.chance(0.3):
        face.ellipse(0, 0.3, 0.12, 0.09, dice.hue((0.3, 0.7), (0.7, 1.0)))
        face.ellipse(0, 0.3, 0.05, 0.045, WHITE)
    else:
        face.shape("-.09,.27 0,.28 .09,.27 0,.37", (205, 95, 100))
    if dice.chance(0.35):
        pen.twofold("0,-.66 .54,-.2 .52,.3 .4,-.12 0,-.32", shade(soft, 0.94))
        return
    wisp = mix(dice.pick(HAIRS[1:5]), skin, 0.3)
    for _ in range(10):
        x = dice.around(0, 0.1)
        pen.line([(x, -0.5 + abs(x) * 0.2), (x * 1.6 + 0.03, -0.38)], 0.014, wisp)
