"""What people look like: a cast drawn by the dice, and heads that are no people."""

from __future__ import annotations

from dataclasses import dataclass, replace

from toolkit.data.painter.palette import Colour, Dice, mix, shade

SKINS: tuple[Colour, ...] = (
    (244, 212, 188),
    (232, 190, 160),
    (222, 172, 136),
    (198, 146, 108),
    (160, 110, 76),
    (112, 76, 54),
    (82, 56, 42),
)
HAIRS: tuple[Colour, ...] = (
    (36, 28, 26),
    (62, 42, 32),
    (96, 64, 40),
    (150, 104, 60),
    (206, 168, 104),
    (160, 70, 40),
    (168, 166, 164),
)
STONES: tuple[Colour, ...] = ((176, 172, 164), (214, 210, 202), (120, 128, 116), (96, 86, 70))


@dataclass(frozen=True)
class Look:
    """What one person looks like; every cue of sex is likely, none is certain."""

    sex: str
    skin: Colour
    hair: Colour
    cloth: Colour
    trousers: Colour
    lips: Colour
    style: str = "short"
    beard: str = "none"
    jaw: float = 0.25
    broad: float = 1.0
    skirt: bool = False
    lashes: bool = False
    earrings: bool = False
    glasses: str = "none"
    hat: str = "none"
    smile: float = 0.0


def look(dice: Dice, sex: str) -> Look:
    """Return a person: ``male``, ``female``, ``child`` or ``hidden`` (face covered)."""
    skin = dice.tinge(dice.pick(SKINS), 10)
    rosy = shade(mix(skin, (190, 80, 80), 0.35), 0.9)
    plain = dice.tinge(dice.pick([(40, 42, 50), (225, 222, 216), (120, 120, 126)]), 10)
    person = Look(
        sex,
        skin,
        hair=dice.tinge(dice.pick(HAIRS), 10),
        cloth=dice.hue((0.1, 0.8), (0.2, 0.95)) if dice.chance(0.6) else plain,
        trousers=dice.tinge(dice.pick([(48, 56, 84), (40, 40, 44), (130, 112, 86)]), 10),
        lips=rosy,
        glasses="clear" if dice.chance(0.15) else "dark" if dice.chance(0.08) else "none",
        hat=dice.pick(["cap", "brim", "knit"]) if dice.chance(0.1) else "none",
        smile=dice.between(-0.3, 1.0),
    )
    if sex == "male":
        return replace(
            person,
            style=dice.pick(["short"] * 6 + ["crop", "crop", "bald", "bald", "curls", "long"]),
            beard=dice.pick(["full", "full", "tache", "goatee"] + ["stubble"] * 2 + ["none"] * 3),
            jaw=dice.between(0.25, 0.31),
            broad=dice.between(1.0, 1.2),
        )
    if sex == "female":
        made_up = dice.chance(0.65)
        return replace(
            person,
            style=dice.pick(["long"] * 5 + ["bob", "bob", "bun", "curls", "tail", "short"]),
            lips=dice.pick([(190, 40, 60), (205, 80, 100), (150, 40, 60)]) if made_up else rosy,
            jaw=dice.between(0.2, 0.265),
            broad=dice.between(0.78, 0.95),
            skirt=dice.chance(0.6),
            lashes=made_up or dice.chance(0.3),
            earrings=dice.chance(0.4),
        )
    if sex == "child":
        style = dice.pick(["short", "bob", "curls"])
        return replace(person, style=style, broad=0.72, glasses="none")
    return replace(person, glasses="dark", hat=dice.pick(["hood", "hood", "helmet"]), broad=0.95)


def statue(dice: Dice) -> Look:
    """Return a head of stone, or a dressed shop-window dummy: the shape of a person, no person."""
    person = look(dice, dice.pick(["male", "female"]))
    if dice.chance(0.4):
        shell = dice.pick([(232, 214, 196), (238, 236, 232), (60, 58, 60), (200, 170, 150)])
        return replace(
            person, sex="dummy", skin=shell, style="bald", beard="none", glasses="none", hat="none"
        )
    stone = dice.tinge(dice.pick(STONES), 10)
    return replace(
        person,
        sex="stone",
        skin=stone,
        hair=shade(stone, 0.85),
        cloth=shade(stone, 0.95),
        lips=shade(stone, 0.85),
        beard="none",
        glasses="none",
        hat="none",
        earrings=False,
        lashes=False,
        smile=0.0,
    )
