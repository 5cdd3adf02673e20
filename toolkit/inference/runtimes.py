"""Runtimes: an ONNX model or OpenVINO's form of it, as a function of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import ArtifactError, UsageError
from toolkit.runtime.processor import cores

ROWS = 16
Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]


def onnx_run(model: bytes | Path) -> Run:
    """Return what runs an ONNX model on the processor, in the precision that it is written in.

    Raises:
        UsageError: onnxruntime is not installed.
        ArtifactError: the model cannot be run.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise UsageError(
            "expected the package onnxruntime, found none: install toolkit[onnx]"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.log_severity_level = 3
    given = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(given, options, ["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, none of them public
        raise ArtifactError(f"the ONNX model cannot be run: {_first_line(error)}") from error

    def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        found: np.ndarray = session.run(None, dict(inputs))[0]
        return found

    return _in_parts(run)


def openvino_run(model: Any) -> Run:
    """Return what runs a model of OpenVINO, or the file of one, in fp32 on the processor.

    Raises:
        ArtifactError: the model cannot be run.
    """
    from toolkit.features import engines  # noqa: F401  (before OpenVINO: no telemetry)

    import openvino as ov  # isort: skip

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": cores()}
    try:
        core = ov.Core()
        read = core.read_model(model) if isinstance(model, Path) else model
        compiled = core.compile_model(read, "CPU", settings)
    except RuntimeError as error:
        raise ArtifactError(f"the OpenVINO model cannot be run: {_first_line(error)}") from error

    def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        found: np.ndarray = compiled(dict(inputs))[0].copy()
        return found

    return _in_parts(run)


def _in_parts(run: Run) -> Run:
    """Run a few rows at a time: what a network holds between its layers grows with them."""

    def whole(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        rows = len(next(iter(inputs.values())))
        starts = range(0, rows, ROWS)
        parts = [
            run({name: np.ascontiguousarray(each[at : at + ROWS]) for name, each in inputs.items()})
            for at in starts
        ]
        return np.concatenate(parts)

    return whole


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
