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
from toolkit.storage.files import read_json

STAGES = ("import", "embed", "ovr linear", "ovr mlp", "ovr lightgbm", "finetune", "ensemble")
STAGES += ("report", "export")  # type: ignore[assignment]
EXACT = 14 if LONG else 1
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
        assert content(artifacts) == whole, fault
        shutil.rmtree(artifacts)
        return first.killed

    changes = int(read_json(undisturbed.parent / "changes.json", "changes")[name])
    assert changes > 3
    instants = chance.sample(range(1, changes + 1), min(EXACT, changes))
    struck = sum(strike(n, kill_at=instant) for n, instant in enumerate(instants, 1))
    # a first run makes lock files, which a copy has: the last instants may lie past the end
    assert 2 * struck >= len(instants)
    tried("kill", name, "SIGKILL just before a change on disk", struck, _SAME)
    for number, word in ((signal.SIGKILL, "SIGKILL"), (signal.SIGTERM, "SIGTERM")):
        seconds = run(begin(99)).seconds if RANDOM else 0.0
        struck = 0
        for n in range(RANDOM):
            struck += strike(100 + n, kill=[chance.uniform(0, seconds), int(number)])
        if RANDOM:
            shutil.rmtree(tmp_path / "99")
            tried("kill", name, f"{word} at a random instant", struck, _SAME)


_SAME = "the same command again gave the undisturbed result, nothing left over"
