"""Commands side by side on one artifacts folder end as they would one after another."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.command_line import CommandLine, Wanted, content
from tests.faults.conftest import LONG, Tried
from tests.faults.stages import Stage, arguments

TIMES = 5 if LONG else 1
_SAME = "every one ended with code 0 and the undisturbed result"


def test_four_make_one_member(
    toolkit: CommandLine, steps: dict[str, Stage], copied: Path, whole: dict[str, str], tried: Tried
) -> None:
    stage = steps["ovr mlp"]
    for _ in range(TIMES):
        stage.undo(copied)
        ended = toolkit.at_once([(copied, arguments(stage, copied), {})] * 4)
        assert [each.code for each in ended] == [0] * 4, [each.err for each in ended]
        assert content(copied) == whole
    tried("concurrency", "ovr mlp", "four make the same member", TIMES, _SAME)


@pytest.mark.skipif(not LONG, reason="in the long version")
def test_different_members_at_once(
    toolkit: CommandLine, steps: dict[str, Stage], copied: Path, tmp_path: Path, tried: Tried
) -> None:
    commands: dict[str, Sequence[object]] = {
        # heads embed with the engine that is fastest, which is then embed's too
        name: arguments(steps[name], copied)
        for name in ("embed", "ovr linear", "ovr mlp", "ovr lightgbm")
    }
    at = commands["embed"].index("--engine")
    commands["embed"] = [*commands["embed"][:at], *commands["embed"][at + 2 :]]
    for name in commands:
        steps[name].undo(copied)
    alone = Path(shutil.copytree(copied, tmp_path / "alone"))
    for argv in commands.values():
        assert toolkit(alone, *argv).code == 0
    for _ in range(TIMES):
        for name in commands:
            steps[name].undo(copied)
        wanted: list[Wanted] = [(copied, argv, {}) for argv in commands.values()]
        ended = toolkit.at_once(wanted)
        assert [each.code for each in ended] == [0] * 4, [each.err for each in ended]
        assert content(copied) == content(alone)
    fault = "embed and three heads that need its store, at once"
    tried("concurrency", "embed, ovr", fault, TIMES, "as one after another")


def test_embedding_against_predicting(
    toolkit: CommandLine,
    steps: dict[str, Stage],
    course: Path,
    copied: Path,
    whole: dict[str, str],
    tmp_path: Path,
    tried: Tried,
) -> None:
    outs = [tmp_path / f"{n}.csv" for n in range(4)]
    predict = ("predict", course / "images", "--model", "ens", "--engine", "torch", "--out")
    assert toolkit(copied, *predict, outs[0]).code == 0
    for _ in range(TIMES):
        steps["embed"].undo(copied)
        ended = toolkit.at_once(
            [(copied, arguments(steps["embed"], copied), {})]
            + [(copied, (*predict, out), {}) for out in outs[1:]]
        )
        assert [each.code for each in ended] == [0] * 4, [each.err for each in ended]
        assert {out.read_text() for out in outs} == {outs[0].read_text()}
        assert content(copied) == whole
    fault = "an empty store filled by embed and three predictions"
    tried("concurrency", "embed, predict", fault, TIMES, _SAME)
