"""Parity, size and speed of exported graphs: kinds of members by formats, on photographs.

    python -m bench.export FOLDER --images 600 --out docs/results/export.json

FOLDER is in the course's layout. Members are made on the first images only, with few folds: what is
measured is whether a graph scores as its member does, not how well that scores.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import toolkit as tk
from toolkit.errors import ExportError
from toolkit.images.given import given_images
from toolkit.images.pixel_store import decode_pixels
from toolkit.inference.exported import open_exported

BACKBONE = "efficientnet_lite0"
TIMED = 64
METHODS = ("stack", "greedy", "mean", "rank")
FORMS = (("onnx", "fp32"), ("onnx", "fp16"), ("openvino", "fp32"), ("hf", "fp32"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--artifacts", type=Path)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        artifacts = asked.artifacts or Path(scratch) / "artifacts"
        few = artifacts.absolute().parent / "photographs"
        if not few.is_dir():
            subset(asked.folder, few, asked.images)
        rows = measured(few, artifacts, Path(scratch) / "exported")
    document = {
        "made_by": f"python -m bench.export FOLDER --images {asked.images}",
        "backbone": BACKBONE,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, shared with other work",
        "note": "images_per_second: decoded pixels to probabilities, on a machine that others used",
        "rows": rows,
    }
    text = json.dumps(document, indent=1) + "\n"
    if asked.out is None:
        print(text)
    else:
        asked.out.write_text(text)


def subset(folder: Path, place: Path, count: int) -> None:
    """Link the first images, with their labels, into a folder."""
    numbers = sorted(int(file.stem.removeprefix("im")) for file in (folder / "images").iterdir())
    chosen = set(numbers[:count])
    (place / "images").mkdir(parents=True)
    (place / "annotations").mkdir()
    for number in sorted(chosen):
        (place / "images" / f"im{number}.jpg").symlink_to(folder / "images" / f"im{number}.jpg")
    for file in (folder / "annotations").glob("*.txt"):
        kept = [line for line in file.read_text("utf-8-sig").split() if int(line) in chosen]
        (place / "annotations" / file.name).write_text("".join(f"{line}\n" for line in kept))


def measured(folder: Path, artifacts: Path, place: Path) -> list[dict[str, Any]]:
    photos = tk.Dataset.read(str(folder))
    on: dict[str, Any] = {"artifacts": artifacts, "folds": 3}
    made: dict[str, tk.Member] = {}
    makers: dict[str, Callable[[], tk.Member]] = {
        "linear": lambda: tk.ovr(photos, head="linear", **on),
        "mlp": lambda: tk.ovr(photos, head="mlp", **on),
        "multitask": lambda: tk.multitask(photos, **on),
        **{method: partial(combined, made, method, on) for method in METHODS},
        "lightgbm": lambda: tk.ovr(photos, head="lightgbm", set={"n_estimators": 60}, **on),
        "finetuned": lambda: tk.finetune(
            photos, backbone=BACKBONE, size=128, epochs=1, tensorboard=False, name="finetuned", **on
        ),
    }
    rows = []
    for kind, make in makers.items():
        made[kind] = make()
        rows += [row(kind, made[kind], *form, place, photos.paths) for form in FORMS]
    return rows


def combined(made: dict[str, tk.Member], method: str, on: dict[str, Any]) -> tk.Member:
    members = [made[kind] for kind in ("linear", "mlp", "multitask")]
    return tk.ensemble(members, method=method, name=f"e-{method}", resamples=50, **on)


def row(
    kind: str, member: tk.Member, format: str, precision: str, place: Path, paths: list[str]
) -> dict[str, Any]:
    folder = place / f"{member.name}-{format}-{precision}"
    facts: dict[str, Any] = {"kind": kind, "format": format, "precision": precision}
    try:
        done = member.export(folder, format=format, precision=precision)
    except ExportError as error:
        facts |= {"refused": str(error)}
    else:
        parity = done.parity
        model = next(file for file in folder.iterdir() if file.suffix in (".onnx", ".bin"))
        facts |= {
            "difference": parity["difference"],
            "decided_otherwise": parity["decided_otherwise"],
            "decisions": parity["decisions"],
            "predict_difference": parity["predict_difference"],
            "predict_decided_otherwise": parity["predict_decided_otherwise"],
            "megabytes": round(model.stat().st_size / 1e6, 2),
            "images_per_second": round(speed(folder, paths[:TIMED]), 1),
        }
        if (format, precision) == ("onnx", "fp32"):
            facts["script_difference"] = script_difference(folder, paths[:TIMED])
    print(json.dumps(facts), file=sys.stderr, flush=True)
    return facts


def speed(folder: Path, paths: list[str]) -> float:
    """Return images a second of the graph alone, the best of three passes."""
    scorer, written = open_exported(folder)
    images = given_images(paths)
    batch = Decoded(
        {each.pixels: decode_pixels(images, each.pixels)[0] for each in written.entries}
    )
    scorer.score(batch)  # type: ignore[arg-type]
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        scorer.score(batch)  # type: ignore[arg-type]
        seconds.append(time.perf_counter() - started)
    return len(paths) / min(seconds)


class Decoded:
    """A batch of pixels."""

    def __init__(self, pixels: dict[Any, np.ndarray]) -> None:
        self.pixels = pixels.__getitem__


def script_difference(folder: Path, paths: list[str]) -> float:
    """Return how far the stand-alone script is from the same model read by the toolkit."""
    done = subprocess.run(
        [sys.executable, str(folder / "predict.py"), *paths],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = [list(map(float, line[1:])) for line in list(csv.reader(io.StringIO(done.stdout)))[1:]]
    wanted = tk.load_model(folder).predict(paths).drop(columns="image").to_numpy()
    return float(np.abs(np.array(found) - wanted).max())


if __name__ == "__main__":
    main()
