"""How far results move between processors and numbers of threads, kind by kind.

    python bench/processors.py [--images 300] [--out docs/results/processors.json]

Each setting runs in a process of its own, with instructions taken away (the libraries' own
switches) or one core instead of all. Embeddings are compared by cosine; heads learn from the very
same embeddings everywhere and are compared by their out-of-fold scores and mAP.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.runtime.processor import processor_name

AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell"}
SETTINGS: dict[str, tuple[dict[str, str], int | None]] = {
    "as it is": ({}, None),
    "the same again": ({}, None),
    "one thread": ({}, 1),
    "AVX2": (AVX2, None),
    "AVX2, one thread": (AVX2, 1),
    "AVX2, torch without it": (AVX2 | {"ATEN_CPU_CAPABILITY": "default"}, None),
}
EMBEDDED = ("openvino fp32", "openvino bf16", "torch fp32")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        results = run(options.work, options.images)
        np.savez(options.child, **results)
        return
    with tempfile.TemporaryDirectory(prefix="bench-processors-") as work:
        found = {name: child(Path(work), name, options.images) for name in SETTINGS}
    first = found["as it is"]
    document = {
        "made_by": f"python bench/processors.py --images {options.images}",
        "processor": processor_name(),
        "found": {name: compare(first, each) for name, each in found.items()},
    }
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def child(work: Path, name: str, images: int) -> dict[str, Any]:
    more, threads = SETTINGS[name]
    out = work / "out.npz"
    command = [sys.executable, __file__, "--child", str(out), "--work", str(work)]
    limits = {} if threads is None else dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    if threads is not None:
        command = ["taskset", "-c", "0", *command]
    environment = os.environ | more | limits | {"TOOLKIT_CACHE": ""}
    subprocess.run([*command, "--images", str(images)], env=environment, check=True)
    with np.load(out) as found:
        return dict(found)


def run(work: Path, images: int) -> dict[str, Any]:
    import toolkit as tk
    from toolkit.data.split import make_folds, paper_split
    from toolkit.members.cross_fit import cross_fit

    painted = work / "painted"
    results: dict[str, Any] = {}
    photos = tk.Dataset.synthetic(images=images, artifacts=painted, progress=False)
    with tempfile.TemporaryDirectory(dir=work) as artifacts:
        common: dict[str, Any] = {"artifacts": artifacts, "progress": False}

        def embedded(engine: str, precision: str) -> np.ndarray:
            how: dict[str, Any] = {"engine": engine, "precision": precision, "dtype": "fp32"}
            # a folder each: rows of one engine would serve the other
            place = f"{artifacts}/{engine}"
            return tk.embed(photos, **how, artifacts=place, progress=False).X

        def fitted(head: Any) -> np.ndarray:
            return cross_fit(head, X, photos.Y, fold).scores

        for name in EMBEDDED:
            results[name] = embedded(*name.split())
        kept = work / "X.npy"
        if not kept.is_file():
            np.save(kept, results["openvino fp32"])
        X = np.load(kept)
        split = paper_split(photos.ids)
        fold = make_folds(split, photos.Y).fold
        heads = {
            "linear": tk.LinearHead(),
            "mlp": tk.MLPHead(random_state=0),
            "lightgbm": tk.LightGBMHead(random_state=0),
        }
        for name, head in heads.items():
            results[name] = fitted(head)
        small: dict[str, Any] = {"backbone": "timm/test_efficientnet", "weights": "none"}
        small |= {"size": 32, "epochs": 2, "batch_size": 16, "folds": 2, "tensorboard": False}

        member = tk.finetune(photos, **small, precision="fp32", **common)
        results["finetune"] = member.predictions[list(photos.labels)].to_numpy(np.float32)
    return results | {"Y": photos.Y}


def compare(first: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
    from toolkit.statistics.metrics import mean_average_precision

    found = {}
    for name in first.keys() - {"Y"}:
        ours, theirs = first[name], other[name]
        if np.array_equal(ours, theirs):
            found[name] = "equal, bit for bit"
        elif name in EMBEDDED:
            norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
            found[name] = f"smallest cosine {((ours * theirs).sum(axis=1) / norms).min():.7f}"
        else:
            apart = np.abs(ours - theirs).max()
            each = [mean_average_precision(first["Y"], scores) for scores in (ours, theirs)]
            found[name] = f"scores {apart:.1e} apart at most, mAP {abs(each[0] - each[1]):.5f}"
    return dict(sorted(found.items()))


if __name__ == "__main__":
    main()
