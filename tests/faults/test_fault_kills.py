"""Whatever a kill interrupts, the same command again ends as if it had never happened."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.command_line import CommandLine, Ended, content
from tests.faults.conftest import LONG, Tried
from tests.faults.stages import Stage, arguments

STAGES = ("import", "embed", "ovr linear", "ovr mlp", "ovr lightgbm", "finetune", "ensemble")
STAGES += ("report", "export")  # type: ignore[assignment]
EXACT = 14 if LONG else 2
RANDOM = 10 if LONG else 0


@pytest.mark.parametrize("name", STAGES)
def test_killed_and_run_again(
    name: str,
    toolkit: CommandLine,
    steps: dict[str, Stage],
    undisturbed: Path,
    whole: dict[str, str],
    tmp_path: Path,
    tried: Tried,
) -> None:
    stage, chance = steps[name], random.Random(name)

    def begin(number: int) -> Path:
        artifacts = Path(shutil.copytree(undisturbed, tmp_path / str(number)))
        stage.undo(artifacts)
        return artifacts

    def run(artifacts: Path, **fault: Any) -> Ended:
        return toolkit(artifacts, *arguments(stage, artifacts), **fault)

    def strike(number: int, **fault: Any) -> bool:
        artifacts = begin(number)
        first = run(artifacts, **fault)
        assert first.killed or first.code == 0, first.err
        again = run(artifacts)
        assert again.code == 0, (fault, again.err)
        assert content(artifacts) == _of(whole, artifacts, undisturbed), fault
        shutil.rmtree(artifacts)
        return first.killed

    clean = run(begin(0))
    assert clean.code == 0
    assert content(tmp_path / "0") == _of(whole, tmp_path / "0", undisturbed)
    assert clean.changes > 3
    instants = chance.sample(range(1, clean.changes + 1), min(EXACT, clean.changes))
    struck = sum(strike(n, kill_at=instant) for n, instant in enumerate(instants, 1))
    assert struck == len(instants)
    tried("kill", name, "SIGKILL just before a change on disk", struck, _SAME)
    for number, word in ((signal.SIGKILL, "SIGKILL"), (signal.SIGTERM, "SIGTERM")):
        struck = 0
        for n in range(RANDOM):
            after = chance.uniform(0, clean.seconds)
            struck += strike(100 + n, kill=[after, int(number)])
        if struck:
            tried("kill", name, f"{word} at a random instant", struck, _SAME)


_SAME = "the same command again gave the undisturbed result, nothing left over"


def _of(whole: dict[str, str], artifacts: Path, undisturbed: Path) -> dict[str, str]:
    """Return the undisturbed content; what must differ by folder is not compared."""
    return whole
