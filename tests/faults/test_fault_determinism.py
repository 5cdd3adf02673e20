"""One recipe, run twice on one machine, gives the same predictions bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.command_line import CommandLine
from tests.faults.conftest import LONG, Tried
from tests.faults.stages import FROZEN, TUNED
from toolkit.members.member import load_member

RECIPES: dict[str, tuple[object, ...]] = {
    "ovr linear": ("ovr", *FROZEN, "--set", "Cs=[0.001,0.1]"),
    "ovr mlp": ("ovr", "--head", "mlp", *FROZEN, "--set", "epochs=2", "--set", "hidden=8"),
    "ovr lightgbm": ("ovr", "--head", "lightgbm", *FROZEN, "--set", "n_estimators=4"),
    "multitask": ("multitask", *FROZEN, "--set", "epochs=2"),
    "finetune": TUNED,
}


# the others are made twice by every test of kills
SHORT = ("multitask",)


@pytest.mark.parametrize("name", RECIPES if LONG else SHORT)
def test_the_same_recipe_twice(name: str, toolkit: CommandLine, copied: Path, tried: Tried) -> None:
    for member in ("first", "second"):
        done = toolkit(copied, *RECIPES[name], "--name", member)
        assert done.code == 0, done.err
    first, second = (load_member(copied, member).scored for member in ("first", "second"))
    assert first.digest == second.digest
    tried("determinism", name, "the same recipe twice", 1, "bit-identical predictions")
