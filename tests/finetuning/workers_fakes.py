"""Runs that several processes take together, without a cluster: over gloo, met by a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tests.finetuning.finetune_fakes import QUICK, pictures, training
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.tasks import Auxiliary
from toolkit.finetuning.trainer import Trainer
from toolkit.finetuning.workers import ALONE, Workers

# plain rates: RMS-scaled steps would blow up the last bits of gradients near nothing
PLAIN = replace(QUICK, optimizer="sgd", learning_rate=0.05, epochs=2)
COUNT = 57  # 38 to learn from: batches of 8, the last of 6


def _masked() -> np.ndarray:
    return np.where(np.random.default_rng(3).random((COUNT, 2)) < 0.3, -1, pictures(COUNT)[1])


RUNS: dict[str, tuple[Settings, dict[str, Any]]] = {
    "plain": (PLAIN, {}),
    "adamw": (replace(QUICK, epochs=1), {}),
    "unknown": (PLAIN, {"Y": _masked}),
    "tasks": (
        replace(PLAIN, pos_weight="train"),
        {"auxiliary": Auxiliary(("cardinality", "any", "rotation"))},
    ),
    "frozen below": (replace(PLAIN, unfreeze=1.0, colour=0.2, rotate=10.0), {}),
    "few pictures": (replace(PLAIN, batch_size=3, epochs=1), {}),  # than workers, at the end
    "published": (replace(PLAIN, validation_mode="train", keep="best-validation-map"), {}),
}


def run(name: str, workers: Workers = ALONE, count: int = COUNT) -> Trainer:
    """Return one of the runs, trained to its end."""
    settings, options = RUNS[name]
    made = {key: value() if callable(value) else value for key, value in options.items()}
    found: Trainer = training(settings, count, workers=workers, **made)
    found.run()
    return found


def ended(trainer: Trainer) -> dict[str, Any]:
    """Return what a run gives."""
    network = trainer.kept()
    lines = [
        {name: value for name, value in line.items() if "second" not in name}
        for line in trainer.history
    ]
    return {"network": network.state_dict(), "history": lines}


def together(size: int, folder: Path, work: Callable[[Workers], Any]) -> list[Any]:
    """Return what each of some processes gives for a function of the worker that it is."""
    mp.spawn(_join, (size, str(folder), work), nprocs=size)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]


def _join(rank: int, size: int, folder: str, work: Callable[[Workers], Any]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=size)
    found = work(Workers.of_this_process())
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def all_runs(workers: Workers) -> dict[str, Any]:
    """Return the end of each of the runs."""
    return {name: ended(run(name, workers)) for name in RUNS}
