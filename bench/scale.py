"""Time and peak memory of heads, ensemble and prediction, against images and against labels.

    uv run python -m bench.scale --out docs/results/scale.json

Runs the command line, a process a stage, on small pictures of their own and on fake embeddings of
1,280 numbers that are appended to the embedding store under the pictures' content digests, so every
stage reads what it would read after ``toolkit embed``. Labels follow from the embeddings by random
directions, noise and prevalences from 1 to 40 %.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.memory import bitmap
from toolkit.features.backbones import BackboneSpec
from toolkit.features.cache import EmbeddingCache
from toolkit.features.key import CacheKey, store_folder
from toolkit.features.resolve import resolve
from toolkit.storage.files import digest_bytes

BACKBONE = "efficientnet_lite0"
FEATURES = ("--features", BACKBONE, "--weights", "none", "--precision", "fp32")
BLOCK = 4096
LIMIT_GIB = 6.0
ROOT = Path(__file__).parents[1]


def write_images(folder: Path, count: int) -> list[bytes]:
    """Write small pictures, each of other content; return their digests."""
    folder.mkdir(parents=True)
    digests = []
    for number in range(count):
        data = bitmap(number)
        (folder / f"im{number}.bmp").write_bytes(data)
        digests.append(digest_bytes(data))
    return digests


def fill_store(artifacts: Path, digests: list[bytes], labels: int) -> np.ndarray:
    """Append fake embeddings to the store of the images; return labels ``bool (n, L)``."""
    known, _ = resolve(BackboneSpec(BACKBONE, "none"), artifacts)
    key = CacheKey(known, ("original",), "fp32")
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    random = np.random.default_rng(0)
    directions = random.normal(size=(key.backbone.dim, labels)) / math.sqrt(key.backbone.dim)
    share = np.geomspace(0.01, 0.4, labels)
    cut = 1.1 * np.log((1 - share) / share)
    Y = np.zeros((len(digests), labels), bool)
    with cache.lock():
        for start in range(0, len(digests), BLOCK):
            part = digests[start : start + BLOCK]
            rows = random.normal(size=(len(part), key.backbone.dim)).astype(np.float32)
            noise = random.logistic(scale=0.4, size=(len(part), labels))
            Y[start : start + BLOCK] = 1.7 * (rows @ directions) + noise > cut
            cache.append(part, rows)
    return Y


def stage(artifacts: Path, *argv: object) -> dict[str, float]:
    """Run one command; return its seconds and peak memory."""
    environment = os.environ | {"TOOLKIT_ARTIFACTS": str(artifacts)}
    command = [sys.executable, "-m", "toolkit", *map(str, argv), "--quiet"]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"toolkit {' '.join(map(str, argv))} failed")
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 1), "peak_gib": round(used.ru_maxrss / (1 << 20), 2)}


def measure(count: int, labels: int) -> dict[str, Any]:
    """Return what each stage takes for a number of images and labels."""
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as name:
        work, artifacts = Path(name), Path(name) / "artifacts"
        digests = write_images(work / "set" / "images", count)
        Y = fill_store(artifacts, digests, labels)
        table = work / "set" / "labels.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["image", *(f"label{j}" for j in range(labels))])
            lines.writerows(
                [f"images/im{i}.bmp", *row] for i, row in enumerate(Y.astype(int).tolist())
            )
        stages = {
            "import": ("data", "import", table, "--name", "scale"),
            "ovr linear": ("ovr", *FEATURES, "--name", "plain"),
            "ovr linear, balanced": (
                *("ovr", *FEATURES, "--class-weight", "balanced"),
                *("--name", "balanced"),
            ),
            "ensemble": (
                *("ensemble", "--members", "plain,balanced", "--method", "stack"),
                *("--resamples", 100, "--name", "both"),
            ),
            "predict": (
                *("predict", work / "set" / "images", "--model", "both"),
                *("--out", work / "scores.parquet"),
            ),
        }
        return {
            "images": count,
            "labels": labels,
            "stages": {what: stage(artifacts, *argv) for what, argv in stages.items()},
        }


def exponents(runs: list[dict[str, Any]], by: str) -> dict[str, float]:
    """Return each stage's slope of log seconds over log size: 1 is linear."""
    runs = sorted(runs, key=lambda run: int(run[by]))
    if len({run[by] for run in runs}) < 2:
        return {}
    sizes = np.log([run[by] for run in runs])
    return {
        what: round(
            float(np.polyfit(sizes, np.log([r["stages"][what]["seconds"] for r in runs]), 1)[0]), 2
        )
        for what in runs[0]["stages"]
    }


def main() -> None:
    """Measure, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[50_000, 100_000, 200_000])
    parser.add_argument("--labels", type=int, nargs="+", default=[7, 14, 28])
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    middle = sorted(options.labels)[len(options.labels) // 2]
    by_images = [measure(count, middle) for count in options.images]
    least = min(options.images)
    known = {(run["images"], run["labels"]): run for run in by_images}
    by_labels = [known.get((least, labels)) or measure(least, labels) for labels in options.labels]
    peak = max(s["peak_gib"] for run in by_images + by_labels for s in run["stages"].values())
    found = {
        "dim": 1280,
        "by_images": by_images,
        "by_labels": by_labels,
        "exponent_in_images": exponents(by_images, "images"),
        "exponent_in_labels": exponents(by_labels, "labels"),
        "peak_gib": peak,
        "within_6_gib": peak < LIMIT_GIB,
        "processors": os.cpu_count(),
        "python": sys.version.split()[0],
    }
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
