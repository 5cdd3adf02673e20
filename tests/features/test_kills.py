"""A store that was killed, resumed or filled by two at once is, byte for byte, an undisturbed one.

``TOOLKIT_TEST_KILLS=50`` makes the run of kills longer.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.features.feature_fakes import KEY, write_images
from toolkit.features.key import store_folder

KILLS = int(os.environ.get("TOOLKIT_TEST_KILLS", "8"))
PAUSE = 0.004
BROKEN = (0, 31, 32, 33, 100, 199)
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


class Zygote:
    def __init__(self, images: Path) -> None:
        command = [sys.executable, "-m", "tests.features.zygote", str(images)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self._line() == "ready"

    def run(
        self, *artifacts: Path, kill_after: float | None = None, pause: float = 0.0
    ) -> list[int]:
        command = {
            "artifacts": [str(folder) for folder in artifacts],
            "kill_after": kill_after,
            "pause": pause,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        codes: list[int] = json.loads(self._line())
        return codes

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    folder = tmp_path_factory.mktemp("images")
    write_images(folder, 200, broken=BROKEN)
    made = Zygote(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(
    zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], float]:
    """Return the store of a run that nothing disturbed, and the seconds it took."""
    artifacts = tmp_path_factory.mktemp("undisturbed")
    started = time.perf_counter()
    assert zygote.run(artifacts, pause=PAUSE) == [0]
    seconds = time.perf_counter() - started
    store = content(artifacts)
    assert set(store) == {"index.bin", "rows.bin", "skipped.json", "store.json"}
    assert len(json.loads(store["skipped.json"])) == len(BROKEN)
    return store, seconds


def content(artifacts: Path) -> dict[str, bytes]:
    folder = store_folder(artifacts, KEY)
    if not folder.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_killed_at_random_moments_and_resumed(
    zygote: Zygote, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    whole, seconds = undisturbed
    chance = random.Random(0)
    folder, killed, torn, folders = tmp_path / "0", 0, set(), 1
    for _ in range(KILLS):
        killed += zygote.run(
            folder, kill_after=chance.uniform(0.1, 0.8) * seconds, pause=PAUSE
        ) == [-9]
        there = content(folder)
        for name in ("rows.bin", "index.bin"):
            assert whole[name].startswith(there.get(name, b""))
        torn.add(len(there.get("index.bin", b"")))
        if there.get("index.bin") == whole["index.bin"]:
            folder, folders = tmp_path / str(folders), folders + 1
    assert killed >= KILLS // 2
    assert len(torn) > 2
    for number in range(folders):
        assert zygote.run(tmp_path / str(number)) == [0]
        assert content(tmp_path / str(number)) == whole


def test_two_processes_at_once(
    zygote: Zygote, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    assert zygote.run(tmp_path, tmp_path, pause=0.001) == [0, 0]
    assert content(tmp_path) == undisturbed[0]


def test_two_processes_at_once_of_which_both_are_killed(
    zygote: Zygote, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    whole, seconds = undisturbed
    assert zygote.run(tmp_path, tmp_path, kill_after=seconds / 2, pause=PAUSE) == [-9, -9]
    assert zygote.run(tmp_path, tmp_path) == [0, 0]
    assert content(tmp_path) == whole
