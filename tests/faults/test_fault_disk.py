"""A full or read-only disk is said in one sentence; what was whole stays so; a later run ends."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.command_line import CommandLine, content
from tests.faults.conftest import LONG, Tried
from tests.faults.stages import Stage, arguments

STAGES = ("import", "embed", "ovr linear", "ovr mlp", "ovr lightgbm", "finetune", "ensemble")
STAGES += ("report", "export")  # type: ignore[assignment]
SIZES = (300, 1000, 4000, 20_000) if LONG else (1000,)
ROOMS = (16, 64, 256) if LONG else (16,)
_AFTER = "one sentence and exit code 1; earlier artifacts intact; a later run gave the same result"


@pytest.mark.parametrize("name", STAGES if LONG else ("finetune", "export"))
def test_no_file_may_grow(
    name: str,
    toolkit: CommandLine,
    steps: dict[str, Stage],
    undisturbed: Path,
    whole: dict[str, str],
    tmp_path: Path,
    tried: Tried,
) -> None:
    stage, refused = steps[name], 0
    for size in SIZES:
        artifacts = Path(shutil.copytree(undisturbed, tmp_path / str(size)))
        stage.undo(artifacts)
        before = content(artifacts)
        ended = toolkit(artifacts, *arguments(stage, artifacts), file_size=size)
        if ended.code:
            ended.says()
            refused += 1
            after = content(artifacts)
            assert {path: after.get(path) for path in before} == before
        again = toolkit(artifacts, *arguments(stage, artifacts))
        assert again.code == 0, again.err
        assert content(artifacts) == whole, size
    assert refused
    tried("full disk", name, "no file may grow past a size", refused, _AFTER)


@pytest.mark.parametrize(
    "name", ("ovr linear", "finetune", "ensemble") if LONG else ("ovr linear",)
)
def test_a_full_disk(
    name: str,
    toolkit: CommandLine,
    steps: dict[str, Stage],
    undisturbed: Path,
    whole: dict[str, str],
    tmp_path: Path,
    tried: Tried,
) -> None:
    stage, refused = steps[name], 0
    for room in ROOMS:
        with _mounted(tmp_path / str(room), "-t", "tmpfs", "-o", "size=64m", "tmpfs") as place:
            artifacts = Path(shutil.copytree(undisturbed, place / "artifacts"))
            stage.undo(artifacts)
            before, filler = content(artifacts), place / "filler"
            free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, free - room * 1024)
            ended = toolkit(artifacts, *arguments(stage, artifacts))
            if ended.code:
                ended.says("room")
                refused += 1
                after = content(artifacts)
                assert {path: after.get(path) for path in before} == before
            filler.unlink()
            again = toolkit(artifacts, *arguments(stage, artifacts))
            assert again.code == 0, again.err
            assert content(artifacts) == whole
    assert refused
    tried("full disk", name, "a file system with a few kB left", refused, _AFTER)


def test_a_read_only_artifacts_folder(
    toolkit: CommandLine,
    steps: dict[str, Stage],
    copied: Path,
    course: Path,
    whole: dict[str, str],
    tmp_path: Path,
    tried: Tried,
) -> None:
    (copied / "members" / ".tmp-4194304-ab-left").touch()  # of a process that is no more
    steps["ovr mlp"].undo(copied)
    with _mounted(copied, "--bind", str(copied)):
        subprocess.run(["mount", "-o", "remount,ro,bind", copied], check=True)
        compared = toolkit(copied, "compare", "--members", "linear", "--resamples", 0, "--json")
        assert compared.code == 0, compared.err
        ended = toolkit(copied, *arguments(steps["ovr mlp"], copied))
        ended.says("choose --artifacts")
        out = tmp_path / "p.csv"
        scored = toolkit(
            *(copied, "predict", course / "images", "--model", "linear", "--out", out),
            *("--engine", "torch"),
        )
        assert scored.code == 0, scored.err
    again = toolkit(copied, *arguments(steps["ovr mlp"], copied))
    assert again.code == 0, again.err
    assert content(copied) == whole
    tried("read-only", "ovr mlp", "artifacts on a read-only mount", 1, _AFTER)
    outcome = "worked: nothing new had to be kept"
    tried("read-only", "compare, predict", "artifacts on a read-only mount", 2, outcome)


@contextmanager
def _mounted(place: Path, *how: str) -> Iterator[Path]:
    """Mount something for a while; skip the test where that is not allowed."""
    place.mkdir(exist_ok=True)
    try:
        subprocess.run(["mount", *how, place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
