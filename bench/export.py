"""Parity, size and speed of exported graphs: members by formats, on photographs.

    python -m bench.export --members linear-lite0,nine-stack --out docs/results/export.json

The members lie in the artifacts folder. Each is exported in each format; the graph's probabilities
on development photographs are held against the member's own models in fp32, which are run once a
member. Rows that the document has already are kept, and replaced where they are measured anew.
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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import toolkit as tk
from toolkit.errors import ExportError
from toolkit.inference import parity
from toolkit.inference.exported import open_exported
from toolkit.inference.model import made_on, member_of
from toolkit.inference.scorer import Scorer, Store
from toolkit.inference.scorers import in_artifacts, open_scorer

FORMS = (
    ("onnx", "fp32"), ("onnx", "fp16"), ("openvino", "fp32"), ("openvino", "fp16"), ("hf", "fp32"),
)  # fmt: skip
SINGLE, TOGETHER = 3, 16
NOTE = (
    "difference: largest of a probability, graph against the member's own models in fp32, on the "
    "same pixels; of a bundle, its predict from files, whose embeddings may be in bf16. "
    "script_difference: the folder's predict.py in an environment with numpy, Pillow and "
    "onnxruntime alone, against load_model of the same folder, from files. batch_1, batch_16: "
    "decoded pixels to probabilities, formats in turn, medians of rounds; processor_ms: processor "
    "time of an image, over all threads. from_files: a bundle's predict, images decoded and "
    "embedded anew. Others used the machine, so rates are lower bounds."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", required=True)
    parser.add_argument("--photographs", type=int, default=200)
    parser.add_argument("--scripted", type=int, default=24)
    parser.add_argument(
        "--forms", default=",".join(map("-".join, FORMS)) + ",bundle", help="formats to measure"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of timing")
    parser.add_argument("--artifacts", type=Path)
    parser.add_argument("--python", default=sys.executable, help="that runs the script")
    parser.add_argument("--kept", type=Path, help="folder to keep what is exported in")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    batches: dict[str, Photographs] = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = asked.kept or Path(scratch)
        for name in asked.members.split(","):
            member = member_of(name, asked.artifacts)
            batch = batches.setdefault(
                made_on(member)[0].name, Photographs(member, asked.photographs)
            )
            with patch.object(parity, "IMAGES", asked.photographs), shared(batch):
                for row in rows_of(member, asked, place, batch):
                    keep(asked.out, row)


def shared(batch: Photographs) -> Any:
    """Let exports compare on this batch, where each would compute one of its own."""
    return patch.object(parity, "Exact", lambda *_: batch)


def keep(out: Path, row: dict[str, Any]) -> None:
    """Add a row to the document, in place of the one like it."""
    print(json.dumps(row), file=sys.stderr, flush=True)
    same = ("member", "format", "precision")
    old = json.loads(out.read_text())["rows"] if out.is_file() else []
    kept = [each for each in old if any(each.get(key) != row[key] for key in same)]
    document = {
        "made_by": "python -m bench.export --members …",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, shared with other work",
        "note": NOTE,
        "rows": [*kept, row],
    }
    out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def rows_of(
    member: tk.Member, asked: argparse.Namespace, place: Path, batch: Photographs
) -> Iterator[dict[str, Any]]:
    """Export a member in every format; the export itself compares on the batch's photographs."""
    exact = open_scorer(in_artifacts(member.artifacts), member.name, "fp32")
    batch.know(exact.stores)
    rows, graphs = [], {}
    forms = asked.forms.split(",")
    for at, form in enumerate(each for each in forms if each != "bundle"):
        format, precision = form.split("-")
        row: dict[str, Any] = {
            "member": member.name,
            "kind": f"{member.kind}: {member.source}",
            "format": format,
            "precision": precision,
        }
        rows.append(row)
        folder = place / f"{member.name}-{format}-{precision}"
        try:
            made = member.export(folder, format=format, precision=precision, overwrite=True)
        except ExportError as error:
            row["refused"] = str(error)
            continue
        assert made.parity is not None
        model = next(file for file in folder.iterdir() if file.suffix in (".onnx", ".bin"))
        graphs[at], written = open_exported(folder)
        row |= made.parity | {
            "megabytes": round(model.stat().st_size / 1e6, 2),
            "inputs": len(written.entries),
        }
        if (format, precision) == ("onnx", "fp32"):
            scripted = batch.paths[: asked.scripted]
            row["script_difference"] = script_difference(folder, scripted, asked.python)
            row["scripted"] = len(scripted)
        print(json.dumps(row), file=sys.stderr, flush=True)
    for at, rates in speeds(graphs, batch, asked.rounds).items():
        rows[at] |= rates
    yield from rows
    if "bundle" in forms:
        yield bundle_row(member, place / f"{member.name}-bundle", exact, batch)


def bundle_row(
    member: tk.Member, folder: Path, exact: Scorer, batch: Photographs
) -> dict[str, Any]:
    """Export a member's own files, and predict with them into an empty artifacts folder."""
    member.export(folder, overwrite=True)
    thresholds = tk.load_model(folder).thresholds
    at = np.array([thresholds[label] for label in exact.labels])
    with tempfile.TemporaryDirectory() as empty:
        model = tk.load_model(folder, artifacts=empty)
        model.predict(batch.paths[:TOGETHER])  # networks are converted once
        wall, used = time.perf_counter(), time.process_time()
        found = model.predict(batch.paths[TOGETHER:])
        wall, used = time.perf_counter() - wall, time.process_time() - used
    scores = found.drop(columns="image").to_numpy(np.float32)
    wanted = exact.score(batch)[TOGETHER:]
    return {
        "member": member.name,
        "kind": f"{member.kind}: {member.source}",
        "format": "bundle",
        "precision": "fp32",
        "images": len(wanted),
        "difference": float(np.abs(scores - wanted).max()),
        "decided_otherwise": int(((scores >= at) != (wanted >= at)).sum()),
        "decisions": int(wanted.size),
        "megabytes": round(
            sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6, 2
        ),
        "from_files": rate(len(wanted), wall, used),
    }


class Photographs(parity.Exact):
    """A data set's photographs, of which everything is computed once, whatever is exported."""

    def __init__(self, member: tk.Member, count: int) -> None:
        with patch.object(parity, "IMAGES", count):
            sample = parity.sample_of(*made_on(member))
        super().__init__(sample.images, (), member.artifacts)
        self.paths = sample.paths

    def know(self, stores: Sequence[Store]) -> None:
        """Add stores that features will be asked of."""
        self._stores |= {store.key: store for store in stores}

    def some(self, rows: slice) -> Rows:
        """Return some of the photographs."""
        return Rows(self, rows)


class Rows:
    """Some rows of a batch, whose pixels were decoded before."""

    device = "cpu"

    def __init__(self, batch: Photographs, rows: slice) -> None:
        self._batch, self._rows = batch, rows

    def pixels(self, key: Any) -> np.ndarray:
        """Return them decoded."""
        return self._batch.pixels(key)[self._rows]


def speeds(
    graphs: Mapping[int, Scorer], batch: Photographs, rounds: int
) -> dict[int, dict[str, Any]]:
    """Return images a second and processor time of graphs that take turns, medians of rounds."""
    one_by_one = [batch.some(slice(at, at + 1)) for at in range(SINGLE)]
    ways = {"batch_1": one_by_one, "batch_16": [batch.some(slice(0, TOGETHER))]}
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for again in range(rounds + 1):  # the first warms up
        for at, graph in graphs.items():
            for way, parts in ways.items():
                if not again:
                    graph.score(one_by_one[0])  # type: ignore[arg-type]
                    continue
                wall, used = time.perf_counter(), time.process_time()
                for part in parts:
                    graph.score(part)  # type: ignore[arg-type]
                wall, used = time.perf_counter() - wall, time.process_time() - used
                found.setdefault((at, way), []).append((wall, used))
    rates: dict[int, dict[str, Any]] = {at: {"rounds": rounds} for at in graphs}
    for (at, way), each in found.items():
        rates[at][way] = rate(SINGLE if way == "batch_1" else TOGETHER, *np.median(each, axis=0))
    return rates


def rate(count: int, wall: float, used: float) -> dict[str, float]:
    """Return images a second and milliseconds of processor time an image."""
    return {
        "images_per_second": round(float(count / wall), 1),
        "processor_ms": round(float(used / count * 1000), 1),
    }


def script_difference(folder: Path, paths: Sequence[str], python: str) -> float:
    """Return how far the stand-alone script is from the same model read by the toolkit."""
    done = subprocess.run(
        [python, "-I", str(folder.absolute() / "predict.py"), *paths],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    found = [list(map(float, line[1:])) for line in list(csv.reader(io.StringIO(done.stdout)))[1:]]
    wanted = tk.load_model(folder).predict(list(paths)).drop(columns="image").to_numpy()
    return float(np.abs(np.array(found) - wanted).max())


if __name__ == "__main__":
    main()
