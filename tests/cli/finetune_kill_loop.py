"""Run ``toolkit finetune`` in forked processes that are killed at random instants.

    python -m tests.cli.finetune_kill_loop ARTIFACTS KILLS

makes a member undisturbed, then the same one again and again under kills (SIGKILL, at instants
drawn evenly over the time that an undisturbed run takes), and prints as JSON what came of it. torch
is loaded once. The artifacts folder holds a data set that was imported.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas
import timm
import torch
from torch import nn

from toolkit.cli import main as toolkit
from toolkit.data import split_store as shelf
from toolkit.data import stratify
from toolkit.finetuning import fitting
from toolkit.finetuning.callbacks import Callbacks
from toolkit.finetuning.trainer import Trainer
from toolkit.heads import registry as heads
from toolkit.members import member, predictions
from toolkit.storage.files import digest_file

IMPORTED = (pandas, timm, shelf, stratify, heads, member, predictions, fitting)  # before any fork
OPTIONS = (
    *("--backbone", "timm/test_efficientnet", "--weights", "none", "--size", "32"),
    *("--epochs", "4", "--batch-size", "8", "--folds", "2", "--precision", "fp32"),
    *("--aux", "any,colour,rotation", "--no-tensorboard", "--quiet"),
)
TIMED = ("seconds", "images_per_second")


run_training = Trainer.run


def run_saving_often(
    self: Trainer, checkpoint: Path | None = None, callbacks: Callbacks | None = None
) -> nn.Module:
    """Save within epochs too, not every three minutes only."""
    return run_training(self, checkpoint, replace(callbacks or Callbacks(), save_every=0.02))


def start(name: str) -> int:
    """Run the command in a process of its own; return the process's number."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            sys.argv = ["toolkit", "finetune", *OPTIONS, "--name", name]
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                toolkit()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        finally:
            os._exit(code)
    return process


def ended(process: int) -> int:
    """Wait for a process and return its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def outcome(artifacts: Path, name: str) -> dict[str, Any]:
    """Return digests of the weights and scores, and each epoch's metrics but the times."""
    folder = artifacts / "members" / name
    files = [*sorted((folder / "model").glob("*.safetensors")), folder / "predictions.parquet"]
    history = json.loads((folder / "provenance.json").read_text())["history"]
    journals = {
        file.parent.name: [json.loads(line) for line in file.read_text().splitlines()]
        for file in (artifacts / "reports" / "training" / name).glob("*/metrics.jsonl")
    }
    lines = [line for told in (history, journals) for run in sorted(told) for line in told[run]]
    return {
        "files": {file.name: digest_file(file).hex() for file in files},
        "metrics": [{k: v for k, v in line.items() if k not in TIMED} for line in lines],
    }


def main() -> None:
    """Kill, go on, compare."""
    artifacts, kills = Path(sys.argv[1]), int(sys.argv[2])
    os.environ["TOOLKIT_ARTIFACTS"] = str(artifacts)
    Trainer.run = run_saving_often  # type: ignore[method-assign]
    torch.set_num_threads(1)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # imports what optimizers need
    began = time.monotonic()
    assert ended(start("whole")) == 0
    seconds = time.monotonic() - began
    wanted = outcome(artifacts, "whole")
    chance = random.Random(0)
    killed, resumed, finished, same = 0, 0, 0, True
    while killed < kills or finished == 0:
        held = list((artifacts / "reports" / "training" / "killed").glob("*/checkpoint.pt"))
        process = start("killed")
        if killed < kills:
            time.sleep(chance.uniform(0.0, seconds))
            os.kill(process, signal.SIGKILL)
        code = ended(process)
        assert code in (0, -signal.SIGKILL), code
        if code:
            killed += 1
        resumed += bool(held)
        if not code:
            finished += 1
            same &= outcome(artifacts, "killed") == wanted
            for folder in ("members", "reports/training"):
                shutil.rmtree(artifacts / folder / "killed", ignore_errors=True)
    told = {"killed": killed, "resumed": resumed, "finished": finished, "same": same}
    print(json.dumps(told | {"seconds": round(seconds, 2), "epochs": len(wanted["metrics"])}))


if __name__ == "__main__":
    main()
