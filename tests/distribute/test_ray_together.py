"""One network in several processes, started by Ray Train: the same as in one, whoever is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.distribute import together_fakes as fakes
from tests.finetuning import workers_fakes
from toolkit.distribute.piece import Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.distribute.together import run_together
from toolkit.errors import ClusterError, DataError, StoppedError

pytestmark = pytest.mark.filterwarnings("ignore")
HOW: dict[str, Any] = {
    "epochs": 3, "size": 32, "weights": "none", "backbone": "timm/test_efficientnet",
    "precision": "fp32", "tensorboard": False,
}  # fmt: skip
DRIVER = """
import sys
import toolkit as tk
from tests.distribute.test_ray_together import HOW
data = tk.Dataset.synthetic(images=60, name="painted", artifacts=sys.argv[1])
tk.finetune(data, artifacts=sys.argv[1], on="ray", workers=2, **HOW)
"""


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    torch.set_num_threads(before)


def together(on: str, notes: Path, function: Any, retries: int = 3, **inputs: Any) -> Any:
    """Run a function in two processes at once, one core each."""
    given = {
        "function": function, "inputs": inputs, "workers": 2, "cpus": 1, "gpus": 0,
        "folder": notes / "notes", "retries": retries,
    }  # fmt: skip
    ((_, found),) = run_pieces([Piece("both", run_together, given, cpus=0)], on)
    return found


@pytest.mark.parametrize("dies", [False, True])
def test_two_workers_end_as_one_process_also_if_one_of_them_dies(
    ray_on: str, tmp_path: Path, dies: bool
) -> None:
    found = together(ray_on, tmp_path, fakes.train, folder=tmp_path, dies=dies)
    steps = found.pop("steps")
    assert len(list(tmp_path.glob("began-*-of-2-*"))) == (4 if dies else 2)
    assert (tmp_path / "died").exists() == dies
    # those before the checkpoint were not taken again: two of ten, or the one under way too
    assert steps in ((7, 8) if dies else (10,))
    mine = workers_fakes.ended(workers_fakes.run("plain"))
    workers_fakes.same(mine, found)


def test_what_one_of_them_raises_ends_all_and_arrives_as_it_is(ray_on: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^a picture is not what it must be: look"):
        together(ray_on, tmp_path, fakes.refuse)


def test_asked_to_stop_all_processes_end(ray_on: str, tmp_path: Path) -> None:
    def pids() -> list[int]:
        return [int(file.name) for file in tmp_path.glob("[0-9]*")]

    given = {"function": fakes.wait, "inputs": {"folder": tmp_path}, "workers": 2, "cpus": 1}
    given |= {"gpus": 0, "folder": tmp_path / "notes"}
    pieces = run_pieces(
        [Piece("both", run_together, given, cpus=0)], ray_on, stop=lambda: len(pids()) == 2
    )
    with pytest.raises(StoppedError):
        list(pieces)
    until = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() for pid in pids()):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_one_that_always_dies_is_one_sentence(ray_on: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"^2 workers were lost 2 times .* run the same command"):
        together(ray_on, tmp_path, fakes.die, retries=1)


def test_a_driver_that_is_killed_and_a_second_run_by_one_process(
    ray_on: str, tmp_path: Path
) -> None:
    import toolkit as tk

    place = tmp_path / "killed"
    checkpoint = "reports/training/*/model/checkpoint.pt"
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, place], env=os.environ)
    try:
        while not list(place.glob(checkpoint)):
            assert driver.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        driver.send_signal(signal.SIGKILL)
    finally:
        driver.kill()
        driver.wait()
    data = tk.Dataset.synthetic(images=60, name="painted", artifacts=place)
    other = tk.Dataset.synthetic(images=60, name="painted", artifacts=tmp_path / "here")
    here = tk.finetune(other, artifacts=tmp_path / "here", **HOW)
    (journal,) = place.glob("reports/training/*/model/metrics.jsonl")
    before = journal.read_text()
    assert 1 <= before.count("\n") < HOW["epochs"]
    again = tk.finetune(data, artifacts=place, **HOW)
    assert journal.read_text().startswith(before)
    np.testing.assert_allclose(again.scored.scores, here.scored.scores, atol=1e-4)
    assert again.scored.ids == here.scored.ids
