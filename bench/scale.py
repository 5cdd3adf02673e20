"""CPU seconds and peak memory of each step against labels and rows, each in a process of its own.

    python -m bench.many_labels --labels 14 80 600 --rows 5000 20000 --out many-labels.json

Planted features of 1,280 numbers; one thread, so that seconds are those of the processor and not of
who else is on it. A measurement that would take more than ``--limit`` seconds of CPU is cut off and
says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 1280
ROOT = Path(__file__).parents[1]


def planted(n: int, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features ``float32 (n, 1280)`` as after a ReLU, and labels of 1 to 20 %."""
    random = np.random.default_rng(0)
    factors = random.normal(size=(n, 64)).astype(np.float32)
    X = factors @ random.normal(size=(64, WIDTH)).astype(np.float32) / 8
    X += 0.6 * random.standard_normal((n, WIDTH), np.float32)
    Y = np.empty((n, labels), np.uint8)
    for j, share in enumerate(np.geomspace(0.01, 0.2, labels)):
        z = (
            2 * factors @ random.normal(size=64).astype(np.float32) / 8
            + random.logistic(size=n) / 2
        )
        Y[:, j] = z > np.quantile(z, 1 - share)
    return np.maximum(X, 0), Y


def scores_of(Y: np.ndarray) -> np.ndarray:
    """Return scores that go with labels."""
    scores: np.ndarray = np.random.default_rng(1).standard_normal(Y.shape, np.float32) + 2 * Y - 2
    return scores


def mlp(n: int, labels: int, trunk: str) -> Callable[[], Any]:
    """One epoch on all rows."""
    from toolkit.heads.mlp import MLPHead

    X, Y = planted(n, labels)
    return lambda: MLPHead(epochs=1, trunk=trunk).fit(X, Y)


def linear(n: int, labels: int) -> Callable[[], Any]:
    """One strength, five folds."""
    from toolkit.heads.linear import LinearHead

    X, Y = planted(n, labels)
    return lambda: LinearHead(Cs=1e-3).fit_folds(X, Y, np.arange(n) % 5)


def swaps(n: int, labels: int) -> Callable[[], Any]:
    """Look for a run in which two columns are swapped."""
    from toolkit.auditing.column_blocks import contradicting_run

    _, Y = planted(n, labels)
    return lambda: contradicting_run(scores_of(Y), Y)


def stack(n: int, labels: int) -> Callable[[], Any]:
    """Two members and the other labels, the strength given."""
    from toolkit.ensembles.stack import Stack

    _, Y = planted(n, labels)
    Z = np.stack([scores_of(Y), scores_of(Y[::-1])[::-1]], axis=1)
    return lambda: Stack(cross_label=True, strengths=[0.1]).cross_fit(Z, Y, np.arange(n) % 5)


def hashes(n: int, most: int) -> Callable[[], Any]:
    """Pairs of near hashes of unrelated images."""
    from toolkit.images.near_hashes import near_hashes

    both = np.random.default_rng(0).integers(2**64, size=(2, n), dtype=np.uint64)
    return lambda: near_hashes(both[0], both[1], most)


STEPS: dict[str, Callable[[int, int], Callable[[], Any]]] = {
    "mlp, a layer a label, one epoch": partial(mlp, trunk="each"),
    "mlp, default, one epoch": partial(mlp, trunk="auto"),
    "linear, one C, five folds": linear,
    "column swaps": swaps,
    "stack across labels": stack,
    "near hashes, 8 bits": lambda n, _: hashes(n, 8),
    "near hashes, 30 bits": lambda n, _: hashes(n, 30),
}


def measure(step: str, n: int, labels: int, limit: int) -> dict[str, Any]:
    """Run one step in a process of its own; return its seconds and peak memory."""
    command = [sys.executable, "-m", "bench.many_labels", "--one", step, str(n), str(labels)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))

    done = subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, check=False, preexec_fn=limited
    )
    found: dict[str, Any] = {"step": step, "rows": n, "labels": labels}
    if done.returncode < 0:
        return found | {"cut_off_after_cpu_seconds": limit}
    done.check_returncode()
    found |= json.loads(done.stdout)
    return found


def one(step: str, n: int, labels: int) -> dict[str, float]:
    """Run one step here."""
    call = STEPS[step](n, labels)
    started = time.process_time()
    call()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    return {"cpu_seconds": round(time.process_time() - started, 2), "peak_gib": round(peak, 2)}


def exponents(runs: list[dict[str, Any]], by: str, other: str) -> dict[str, float]:
    """Return each step's slope of log seconds over log size, at the other size's smallest value."""
    least = min(run[other] for run in runs)
    out = {}
    for step in dict.fromkeys(run["step"] for run in runs):
        own = [r for r in runs if r["step"] == step and r[other] == least and "cpu_seconds" in r]
        sizes = np.log([run[by] for run in own])
        if len(set(sizes)) > 1:
            seconds = np.log([max(run["cpu_seconds"], 0.01) for run in own])
            out[step] = round(float(np.polyfit(sizes, seconds, 1)[0]), 2)
    return out


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Measure, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=int, nargs="+", default=[14, 80, 600, 5000])
    parser.add_argument("--rows", type=int, nargs="+", default=[5000, 20_000, 100_000])
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--limit", type=int, default=600, help="CPU seconds a measurement")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    if options.one:
        step, n, labels = options.one
        print(json.dumps(one(step, int(n), int(labels))))
        return
    least_n, least_l = min(options.rows), min(options.labels)
    sizes = [(least_n, labels) for labels in options.labels]
    sizes += [(n, least_l) for n in options.rows if n != least_n]
    runs = [measure(step, *size, options.limit) for step in options.steps for size in sizes]
    found = {
        "width": WIDTH,
        "processor": processor(),
        "threads": 1,
        "runs": runs,
        "exponent_in_labels": exponents(runs, "labels", "rows"),
        "exponent_in_rows": exponents(runs, "rows", "labels"),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
