"""Runs that several processes take together, without a cluster: over gloo, met by a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from tests.finetuning.finetune_fakes import QUICK, SIDE, pictures, training
from toolkit.errors import StoppedError
from toolkit.finetuning.callbacks import Callbacks
from toolkit.finetuning.checkpoint import load_checkpoint
from toolkit.finetuning.fitting import SplitRows, train_run
from toolkit.finetuning.networks import Classifier, seeded
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.finetuning.tasks import Auxiliary
from toolkit.finetuning.trainer import Trainer
from toolkit.finetuning.workers import ALONE, Workers
from toolkit.images.preprocess import Preprocess

PLAIN = replace(QUICK, optimizer="sgd", learning_rate=0.05, epochs=2)
# a bias below a normalisation has no gradient but rounding, which AdamW scales up
TOLERANCE = {"adamw": 2e-3, "bf16": 2e-2}
COUNT = 57  # 38 to learn from: batches of 8, the last of 6


def _masked() -> np.ndarray:
    Y = pictures(COUNT)[1].astype(np.int8)
    return np.where(np.random.default_rng(3).random(Y.shape) < 0.3, np.int8(-1), Y)


RUNS: dict[str, tuple[Settings, dict[str, Any]]] = {
    "plain": (PLAIN, {}),
    "adamw": (replace(QUICK, epochs=1), {}),
    "unknown": (PLAIN, {"Y": _masked}),
    "tasks": (
        replace(PLAIN, pos_weight="train"),
        {"auxiliary": Auxiliary(("cardinality", "any", "rotation"))},
    ),
    "frozen below": (replace(PLAIN, unfreeze=1.0, colour=0.2, rotate=10.0), {}),
    "bf16": (replace(PLAIN, epochs=1), {"precision": "bf16"}),
    "few pictures": (replace(PLAIN, batch_size=3, epochs=1), {}),  # than workers, at the end
    "published": (replace(PLAIN, validation_mode="train", keep="best-validation-map"), {}),
}


def run(name: str, workers: Workers = ALONE, checkpoint: Path | None = None) -> Trainer:
    """Return one of the runs, trained to its end; a checkpoint is only read."""
    settings, options = RUNS[name]
    made = {key: value() if callable(value) else value for key, value in options.items()}
    found: Trainer = training(settings, COUNT, workers=workers, **made)
    if checkpoint is not None:
        found.load_state_dict(load_checkpoint(checkpoint))
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


def same(one: Any, other: Any, tolerance: float = 3e-5) -> None:
    """Assert that two ends of a run are the same but for rounding."""
    assert one["network"].keys() == other["network"].keys()
    for name, value in one["network"].items():
        torch.testing.assert_close(other["network"][name], value, rtol=0, atol=tolerance)
    assert len(one["history"]) == len(other["history"])
    for mine, theirs in zip(one["history"], other["history"], strict=True):
        assert mine == pytest.approx(theirs, abs=tolerance)


def together(size: int, folder: Path, work: Callable[[Workers], Any]) -> list[Any]:
    """Return what each of some processes gives for a function of the worker that it is."""
    mp.spawn(_join, (size, str(folder), work), nprocs=size)  # type: ignore
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]


def _join(rank: int, size: int, folder: str, work: Callable[[Workers], Any]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=size)
    found = work(Workers.of_this_process())
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


class Probed(Classifier):
    """A trunk of fixed pictures' features, under an output layer that begins as a probe."""

    def __init__(self) -> None:
        half = (0.5, 0.5, 0.5)
        facts = Preprocess(SIDE, SIDE, "bilinear", half, half)
        trunk = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(trunk, 6, 2, facts)


def fitted(workers: Workers) -> dict[str, Any]:
    """Return the end of a run that begins and ends with probes, on labels that are partly known."""
    X, Y = pictures(COUNT)[0], _masked()
    source = Source(lambda rows: X[rows], len(X), pixels=True)
    rows = SplitRows(np.arange(40), np.arange(40, 50), np.arange(50, COUNT))
    found = train_run(
        "model", seeded(Probed, 0), source, Y, rows,
        replace(PLAIN, wise_ft_alpha=0.5), Callbacks(), unknown="selective", workers=workers,
        precision="fp32",
    )  # fmt: skip
    return {name: value for name, value in found.items() if name != "history"}


def stopped(path: Path, workers: Workers = ALONE) -> None:
    """Take seven steps of a run, of five in each epoch, and keep the checkpoint."""
    trainer = training(PLAIN, COUNT, workers=workers)
    with pytest.raises(StoppedError):
        trainer.run(path, Callbacks(stop=lambda: trainer.taken == 7))


@dataclass(frozen=True)
class All:
    """Everything that is asked of several processes, as they take long to start."""

    begun: Path

    def __call__(self, workers: Workers) -> dict[str, Any]:
        """Return it."""
        stopped(self.begun.with_name("of-three.pt"), workers)
        more = {
            "gone on": ended(run("plain", workers, self.begun)),
            "fitted": fitted(workers),
        }
        return {name: ended(run(name, workers)) for name in RUNS} | more
