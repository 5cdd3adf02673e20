"""toolkit multitask, on small pictures and a random network."""

import os
from pathlib import Path

import numpy as np

from tests.cli.conftest import Drive
from toolkit.members.member import load_member
from toolkit.members.predictions import HELD_OUT

SMALL = ("--features", "timm/test_efficientnet", "--weights", "none", "--folds", 3)
SMALL += ("--set", "epochs=2")  # type: ignore[assignment]
EVERY = "cardinality,any,colour,single-channel,teacher:timm/test_resnet"


def test_a_multi_task_member_is_an_ordinary_member(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    made = toolkit("multitask", *SMALL, "--aux", EVERY, "--json")
    assert made.code == 0, made.err
    assert (made.document["origin"], made.document["images"]) == ("out-of-fold", 54)
    artifacts = Path(os.environ["TOOLKIT_ARTIFACTS"])
    member = load_member(artifacts, "multitask-timm-test_efficientnet")
    assert member.kind == "multitask"
    assert member.recipe()["tasks"] == EVERY.split(",")
    rows = toolkit("compare", "--json").document["rows"]
    assert [row["kind"] for row in rows].count("multitask") == 1
    out = course / "scores.csv"
    held = [i for i, o in zip(member.scored.ids, member.scored.origin, strict=True)
            if o == HELD_OUT]  # fmt: skip
    files = [course / "images" / f"{image}.jpg" for image in held]
    assert toolkit("predict", *files, "--model", member.name, "--out", out).code == 0
    found = [[float(cell) for cell in line.split(",")[1:]] for line in out.read_text().split()[1:]]
    np.testing.assert_allclose(found, member.scored.for_ids(held), atol=1e-5)
    again = toolkit("multitask", *SMALL, "--aux", EVERY)
    assert "up to date" in again.err
    wrong = toolkit("multitask", *SMALL, "--aux", "colours")
    assert wrong.code == 2
    assert "aux: expected one or more of" in wrong.err


def test_the_ablation_tells_each_task_s_effect(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    found = toolkit("multitask", *SMALL, "--aux", "any,colour", "--ablate", "--seeds", 2, "--json")
    assert found.code == 0, found.err
    assert [effect["name"] for effect in found.document["effects"]] == [
        "all tasks",
        *("any alone", "colour alone"),
        *("any added to the others", "colour added to the others"),
    ]
    none = toolkit("multitask", *SMALL, "--aux", "none", "--ablate")
    assert none.code == 2
    named = toolkit("multitask", *SMALL, "--ablate", "--name", "a")
    assert (named.code, named.err.count("\n")) == (2, 1)
    wrong = toolkit("multitask", *SMALL, "--set", "hidden=abc")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "at least one task" in none.err
