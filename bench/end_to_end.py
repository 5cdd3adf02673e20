"""Every verb on a large set: wall seconds, CPU seconds and peak memory of each.

    python -m bench.end_to_end --work FOLDER --out docs/results/end-to-end.json

Runs the command line, a process a verb, on small pictures of their own and on fake embeddings of
1,280 numbers that are appended to the embedding store under the pictures' content digests, so every
verb reads what it would read after ``toolkit embed``. Labels follow from 64 factors that are mixed
into the embeddings; their shares run from 0.1 to 30 %, and the last few have three positives each.
One image in two hundred is another's copy. What was done is in ``--out`` after each verb, and the
same command again goes on from there.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.scale import processor
from toolkit.features.backbones import BackboneSpec
from toolkit.features.cache import EmbeddingCache
from toolkit.features.key import CacheKey, store_folder
from toolkit.features.resolve import resolve
from toolkit.storage.files import digest_bytes

BACKBONE = "efficientnet_lite0"
FEATURES = ("--features", BACKBONE, "--weights", "none", "--precision", "fp32")
BLOCK, FACTORS, RARE, SIDE, RESAMPLES = 4096, 64, 4, 16, 200
ROOT = Path(__file__).parents[1]


def bitmap(random: np.random.Generator) -> bytes:
    """Return a 24-bit BMP file of random pixels."""
    pixels = random.bytes(SIDE * SIDE * 3)
    head = b"BM" + (54 + len(pixels)).to_bytes(4, "little") + bytes(4)
    head += (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    head += SIDE.to_bytes(4, "little") * 2 + (1).to_bytes(2, "little") + (24).to_bytes(2, "little")
    return head + bytes(24) + pixels


def write_images(folder: Path, count: int) -> list[bytes]:
    """Write small pictures, one in two hundred a copy of the last; return their digests."""
    folder.mkdir(parents=True)
    random, digests, data = np.random.default_rng(1), [], b""
    for number in range(count):
        data = data if number % 200 == 199 else bitmap(random)
        (folder / f"im{number}.bmp").write_bytes(data)
        digests.append(digest_bytes(data))
    return digests


def fill_store(artifacts: Path, digests: list[bytes], labels: int) -> np.ndarray:
    """Append fake embeddings to the store of the images; return labels ``bool (n, L)``."""
    known, _ = resolve(BackboneSpec(BACKBONE, "none"), artifacts)
    key = CacheKey(known, ("original",), "fp32")
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    random, n = np.random.default_rng(0), len(digests)
    mixing = random.normal(size=(FACTORS, key.backbone.dim)).astype(np.float32) / 8
    directions = random.normal(size=(FACTORS, labels)) / np.sqrt(FACTORS)
    factors = random.normal(size=(n, FACTORS)).astype(np.float32)
    first = {digest: row for row, digest in reversed(list(enumerate(digests)))}
    own = np.array([first[digest] for digest in digests])  # a copy has the embedding it copies
    with cache.lock():
        for start in range(0, n, BLOCK):
            rows = np.arange(start, min(start + BLOCK, n))
            noise = random.standard_normal((len(rows), key.backbone.dim), np.float32)
            kept = rows[own[rows] == rows]
            values = np.maximum(factors[kept] @ mixing + 0.6 * noise[kept - start], 0)
            cache.append([digests[row] for row in kept], values)
    z = 2 * (factors @ directions) + random.logistic(scale=0.5, size=(n, labels))
    z = z[own]
    cuts = np.quantile(z, 1 - np.geomspace(0.001, 0.3, labels), axis=0).diagonal()
    Y: np.ndarray = z > cuts
    for label in range(labels - RARE, labels):
        Y[:, label] = False
        Y[np.argsort(-z[:, label])[:3], label] = True
    return Y


def verb(artifacts: Path, *argv: object) -> dict[str, Any]:
    """Run one command; return its seconds and peak memory, or what it failed with."""
    environment = os.environ | {"TOOLKIT_ARTIFACTS": str(artifacts)}
    command = [sys.executable, "-m", "toolkit", *map(str, argv), "--quiet"]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = b"" if process.stderr is None else process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    found: dict[str, Any] = {
        "wall_seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_gib": round(used.ru_maxrss / (1 << 20), 2),
    }
    if process.returncode:
        found["failed"] = said.decode("utf-8", "replace").strip().splitlines()[-1:]
    return found


def prepare(work: Path, images: int, labels: int) -> None:
    """Make the pictures, the table of labels and the store, once."""
    if (work / "prepared").exists():
        return
    shutil.rmtree(work, ignore_errors=True)
    digests = write_images(work / "set" / "images", images)
    Y = fill_store(work / "artifacts", digests, labels)
    with (work / "set" / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["image", *(f"label{j}" for j in range(labels))])
        lines.writerows([f"images/im{i}.bmp", *row] for i, row in enumerate(Y.astype(int).tolist()))
    (work / "prepared").touch()


def verbs(work: Path, trees: int) -> dict[str, tuple[object, ...]]:
    """Return the commands, in the order in which they need each other."""
    forest = ("--set", f"n_estimators={trees}")
    return {
        "data import": ("data", "import", work / "set" / "labels.csv", "--name", "large"),
        "ovr linear": ("ovr", *FEATURES, "--name", "linear"),
        "ovr mlp": ("ovr", "--head", "mlp", *FEATURES, "--name", "mlp"),
        f"ovr lightgbm, {trees} trees": (
            *("ovr", "--head", "lightgbm", *FEATURES, *forest),
            *("--name", "trees"),
        ),
        f"ensemble, {RESAMPLES} resamples": (
            *("ensemble", "--members", "linear,mlp,trees", "--name", "ensemble"),
            *("--resamples", RESAMPLES),
        ),
        "compare": ("compare",),
        "report": ("report", "--out", work / "report.html"),
        "audit": ("audit", *FEATURES, "--html", work / "audit.html"),
        "predict 2,000": (
            *("predict", work / "some", "--model", "ensemble"),
            *("--out", work / "scores.parquet"),
        ),
    }


def main() -> None:
    """Measure, and write the JSON after each verb."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--labels", type=int, default=600)
    parser.add_argument("--trees", type=int, default=5, help="of LightGBM, a label")
    parser.add_argument("--work", type=Path, required=True, help="a folder of its own")
    parser.add_argument("--only", nargs="+", help="these verbs, again")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    work = options.work.resolve()
    prepare(work, options.images, options.labels)
    some = work / "some"
    if not some.exists():
        some.mkdir()
        for number in range(min(2000, options.images)):
            os.link(work / "set" / "images" / f"im{number}.bmp", some / f"im{number}.bmp")
    found: dict[str, Any] = {"verbs": {}}
    if options.out.exists():
        found = json.loads(options.out.read_text(encoding="utf-8"))
    found |= {
        "images": options.images,
        "labels": options.labels,
        "dim": 1280,
        "processor": processor(),
        "processors": os.cpu_count(),
        "shared": "others worked on the machine: CPU seconds tell more than wall seconds",
    }
    for what, argv in verbs(work, options.trees).items():
        done = found["verbs"].get(what)
        if what in (options.only or ()) or done is None or "failed" in done:
            again = ("--overwrite",) if argv[0] in ("ovr", "ensemble") else ()
            found["verbs"][what] = verb(work / "artifacts", *argv, *again)
            print(what, found["verbs"][what], flush=True)
            partial = options.out.with_suffix(".partial")
            partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            partial.replace(options.out)


if __name__ == "__main__":
    main()
