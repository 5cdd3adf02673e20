"""Training of a network whose units died, with numbers below 1.2e-38 as they are, and as zeros.

    python bench/denormals.py [--share 0.46] [--batches 8] [--rounds 3]

The paper's basic CNN at 224 pixels with Adam and weight decay, of whose largest layer a share of
the weights, and of what Adam remembers of them, is below what float32 can hold in full: 46 % of the
weights, and 54 % of the means Adam keeps of gradients, were so in the sixth epoch of a run that had
learned to say no to everything. Each way has a process of its own, since threads
take the switch over from the one that starts them; they work in turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext

import numpy as np

WAYS = ("as they are", "as zeros")
BATCH = 32


def rate(way: str, share: float, batches: int) -> float:
    """Return images a second of one way, in this process."""
    import torch
    from torch import nn

    from toolkit.features.backbones import BackboneSpec
    from toolkit.features.loading import load
    from toolkit.finetuning.networks import classifier
    from toolkit.finetuning.protocols import settings_for
    from toolkit.finetuning.source import Source
    from toolkit.finetuning.trainer import Trainer
    from toolkit.runtime.denormals import flushed_denormals
    from toolkit.runtime.heap import keep_freed_memory

    keep_freed_memory()
    with flushed_denormals() if way == WAYS[1] else nullcontext():
        backbone, trunk, _ = load(BackboneSpec("basic_cnn", "none", crop="whole"))
        random = np.random.default_rng(0)
        count = BATCH * (batches + 1)
        pixels = random.integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
        Y = (random.random((count, 14)) < 0.07).astype(np.uint8)
        rows = np.arange(count)
        run = Trainer(
            classifier(backbone, trunk, 14, 224),
            Source(lambda at: pixels[at], count, pixels=True),
            Y,
            rows,
            rows[:0],
            settings_for("published", "prose/basic-cnn"),
            precision="bf16",
        )
        run.train_step()
        hidden = next(m for m in run.network.modules() if isinstance(m, nn.Linear))
        dead = torch.rand(hidden.weight.shape) < share
        with torch.no_grad():
            hidden.weight[dead] = 1e-40
            for remembered in ("exp_avg", "exp_avg_sq"):
                run.optimizer.state[hidden.weight][remembered][dead] = 1e-40
        began = time.perf_counter()
        for _ in range(batches):
            run.train_step()
        return BATCH * batches / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=0.46)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(rate(options.way, options.share, options.batches))
        return
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way in WAYS:
            command = [sys.executable, *sys.argv, "--way", way]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[way].append(round(float(done.stdout), 1))
    middle = {way: statistics.median(rates) for way, rates in found.items()}
    facts = {
        "share": options.share,
        "batches": options.batches,
        "images_per_second": middle,
        "all": found,
        "ratio": round(middle[WAYS[1]] / middle[WAYS[0]], 2),
    }
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
