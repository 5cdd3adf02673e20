"""What int8 would cost and gain: an exported model quantised by ONNX Runtime, on test photographs.

    python -m bench.export_int8 MODEL --out docs/results/export-int8.json

MODEL is a folder written with format onnx in fp32. Its convolutions are quantised with scales from
development photographs, and all graphs score the same test photographs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from toolkit.images.given import given_images
from toolkit.images.pixel_store import decode_pixels
from toolkit.inference.exported import open_exported
from toolkit.inference.model import made_on, member_of
from toolkit.statistics.metrics import mean_average_precision

STATIC = {
    "static, minmax": {"calibrate_method": CalibrationMethod.MinMax},
    "static, percentile": {"calibrate_method": CalibrationMethod.Percentile},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--photographs", type=int, default=400)
    parser.add_argument("--calibration", type=int, default=64)
    parser.add_argument("--artifacts", type=Path)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    written = open_exported(asked.model)[1]
    assert len(written.entries) == 1, "expected one kind of input"
    entry = written.entries[0]
    member = member_of(written.model, asked.artifacts)
    dataset, split = made_on(member)
    test = spread(split.test, asked.photographs)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)

        def pixels(rows: np.ndarray) -> np.ndarray:
            paths = [dataset.paths[row] for row in rows]
            return decode_pixels(given_images(paths), entry.pixels)[0]

        plain, shaped = asked.model / "model.onnx", place / "shaped.onnx"
        quant_pre_process(plain, shaped, skip_symbolic_shape=True)
        files = {"fp32": plain}
        learned = pixels(spread(split.development, asked.calibration))
        for name, settings in STATIC.items():
            files[name] = place / f"{len(files)}.onnx"
            quantize_static(
                shaped, files[name], Pictures(entry.name, learned), per_channel=True,
                quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"],
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, **settings,
            )  # fmt: skip
        files["dynamic, matrix products"] = place / "dynamic.onnx"
        quantize_dynamic(
            shaped, files["dynamic, matrix products"], op_types_to_quantize=["MatMul", "Gemm"]
        )
        shown, truth = pixels(test), dataset.Y[test]
        rows: list[dict[str, Any]] = []
        wanted: np.ndarray | None = None
        for name, file in files.items():
            scores, facts = scored(file, entry.name, shown)
            wanted = scores if wanted is None else wanted
            rows.append(
                {
                    "weights": name,
                    "megabytes": round(file.stat().st_size / 1e6, 2),
                    "difference": float(np.abs(scores - wanted).max()),
                    "map": mean_average_precision(truth, scores),
                    **facts,
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
    document = {
        "made_by": "python -m bench.export_int8 MODEL",
        "member": written.model,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, shared with other work",
        "onnxruntime": onnxruntime.__version__,
        "test_photographs": len(test),
        "calibration_photographs": asked.calibration,
        "rows": rows,
    }
    text = json.dumps(document, indent=1) + "\n"
    print(text)
    if asked.out is not None:
        asked.out.write_text(text)


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Return some of the rows, evenly spread."""
    rows = np.sort(rows)
    at = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    chosen: np.ndarray = rows[at]
    return chosen


class Pictures(CalibrationDataReader):  # type: ignore[misc]
    """Pictures for the scales, eight at a time."""

    def __init__(self, name: str, pixels: np.ndarray) -> None:
        self._parts = iter([{name: pixels[at : at + 8]} for at in range(0, len(pixels), 8)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next of them."""
        return next(self._parts, None)


def scored(file: Path, name: str, pixels: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return scores, and what an image took in batches of 16 and alone."""
    session = onnxruntime.InferenceSession(str(file))
    session.run(None, {name: pixels[:16]})
    facts, found = {}, []
    for at_once, part in ((1, pixels[:32]), (16, pixels)):
        wall, used = time.perf_counter(), time.process_time()
        found = [
            session.run(None, {name: part[at : at + at_once]})[0]
            for at in range(0, len(part), at_once)
        ]
        wall, used = time.perf_counter() - wall, time.process_time() - used
        facts[f"batch_{at_once}"] = {
            "images_per_second": round(len(part) / wall, 1),
            "processor_ms": round(used / len(part) * 1000, 1),
        }
    scores: np.ndarray = np.concatenate(found)
    return scores, facts


if __name__ == "__main__":
    main()
