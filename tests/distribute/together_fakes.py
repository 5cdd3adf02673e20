"""What several processes do together, in the tests: functions that a worker can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import torch.distributed as dist

from tests.finetuning.workers_fakes import PLAIN, ended
from toolkit.errors import DataError
from toolkit.finetuning.callbacks import Callbacks
from toolkit.finetuning.workers import Workers


def train(folder: Path, dies: bool = False) -> dict[str, Any]:
    """Train the tiny network; the second worker may die once, in the middle of the first epoch."""
    from tests.finetuning.finetune_fakes import training

    workers, mark = Workers.of_this_process(), folder / "died"
    steps = 0

    def on_step(_: int) -> None:
        nonlocal steps
        steps += 1
        if dies and workers.rank == 1 and steps == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    trainer = training(PLAIN, 57, workers=workers)
    (folder / f"began-{workers.rank}-of-{workers.size}-{os.getpid()}").touch()
    trainer.run(folder / "checkpoint.pt", Callbacks(save_every=0.0, on_step=on_step))
    return ended(trainer) | {"steps": steps}


def refuse() -> None:
    """Refuse in the second process, while the first waits for it."""
    if dist.get_rank() == 1:
        raise DataError("a picture is not what it must be: look")
    dist.barrier()


def die() -> None:
    """End the second process, each time."""
    if dist.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.barrier()


def wait(folder: Path) -> None:
    """Leave a note of this process, and wait for what never comes."""
    (folder / str(os.getpid())).touch()
    time.sleep(3600)
