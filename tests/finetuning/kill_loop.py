"""Train in forked processes that are killed at random moments, until one comes to the end.

    python -m tests.finetuning.kill_loop CHECKPOINT KILLS

prints, as JSON, how many were killed, at which steps the checkpoints stood, and a digest of the
weights at the end; torch is loaded once.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from tests.finetuning.finetune_fakes import QUICK, training, weights
from toolkit.finetuning.callbacks import Callbacks
from toolkit.finetuning.checkpoint import load_checkpoint

LONG = replace(QUICK, epochs=16)


def digest(checkpoint: Path | None) -> str:
    """Train to the end, from a checkpoint if there is one, and digest the weights."""
    network = training(LONG).run(checkpoint, Callbacks(save_every=0.0))
    return hashlib.sha256(weights(network)).hexdigest()


def wait_for_another(file: Path) -> None:
    """Wait until the checkpoint was written again, so that every run gets a little further."""
    before = file.stat().st_mtime_ns if file.is_file() else 0
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if file.is_file() and file.stat().st_mtime_ns != before:
            return
        time.sleep(0.002)


def main() -> None:
    """Start, kill, and look what is there."""
    file, kills = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    training(LONG)  # loads what optimizers need, before any fork
    chance = random.Random(0)
    killed, stood = 0, []
    while killed < kills:
        process = os.fork()
        if process == 0:
            digest(file)
            os._exit(0)
        wait_for_another(file)
        time.sleep(chance.uniform(0.0, 0.03))
        os.kill(process, signal.SIGKILL)
        if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0:
            file.unlink()  # it came to the end before: begin again
            continue
        killed += 1
        stood.append(load_checkpoint(file)["taken"] if file.is_file() else 0)
    print(json.dumps({"killed": killed, "stood": stood, "digest": digest(file)}))


if __name__ == "__main__":
    main()
