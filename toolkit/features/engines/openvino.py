"""The processor's engine: OpenVINO, converted once and kept."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.features.backbones import Backbone
from toolkit.features.engines import converted, rounding
from toolkit.features.resolve import Loaded
from toolkit.images.feed import joined
from toolkit.runtime.processor import cores, processor_has_bf16
from toolkit.storage.files import digest_of, locked, temporary_beside

FORMAT = 4
_BATCH = 8
_TOLERANCE = 1e-2
_CHECKS = 16
_EXAMPLES = 2
_EXACT = 2
_CLOSE = 0.9995
LEAST_COSINE = 0.999
logger = logging.getLogger(__name__)

_CONVERTING = threading.Lock()


class ConversionError(Exception):
    """OpenVINO cannot represent a network; the message is the reason."""


class OpenVINOEngine:
    """Runs the converted network with two requests in flight per core.

    Every request has the same fixed shape (a short last batch is filled up), so that a row's bytes
    depend on the image alone, not on where a pass was cut or resumed.

    Args:
        backbone: what to embed with.
        load: gives the network; called only if it has not been converted before.
        views: views to average.
        precision: ``bf16`` or ``fp32``.
        folder: where converted networks are kept.

    Raises:
        ConversionError: the network cannot be converted.
    """

    name = "openvino"
    batch = _BATCH

    def __init__(
        self,
        backbone: Backbone,
        load: Callable[[], Loaded],
        views: tuple[str, ...],
        precision: str,
        folder: Path,
    ) -> None:
        import openvino as ov

        path = _converted(backbone, load, views, precision, folder)
        compiled = _compiled(path, backbone, precision)
        self._queue = ov.AsyncInferQueue(compiled, 2 * cores())
        self._queue.set_callback(self._finished)
        self._errors: list[BaseException] = []

    def submit(
        self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
    ) -> None:
        """Embed one batch; see :class:`toolkit.features.engines.base.Engine`."""
        self._raise_first()
        pixels = joined(blocks)
        if len(pixels) < self.batch:
            filling = np.zeros((self.batch - len(pixels), *pixels.shape[1:]), np.uint8)
            pixels = np.concatenate([pixels, filling])
        # the pixels travel along so that they live until the request is done with them
        self._queue.start_async({0: pixels}, (pixels, out, done), share_inputs=True)

    def drain(self) -> None:
        """Wait for all requests."""
        self._queue.wait_all()
        self._raise_first()

    def _raise_first(self) -> None:
        if self._errors:
            raise self._errors[0]

    def _finished(self, request: Any, userdata: Any) -> None:
        _, out, done = userdata
        try:
            out[...] = request.get_output_tensor(0).data[: len(out)]
        except BaseException as error:  # a callback's error would be lost in OpenVINO's thread
            self._errors.append(error)
        else:
            done()


def _compiled(path: Path, backbone: Backbone, precision: str) -> Any:
    import openvino as ov

    size = backbone.preprocess.size
    # without such instructions, weights rounded to bf16 are multiplied in fp32
    native = precision == "bf16" and processor_has_bf16()
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if native else "f32",
        "NUM_STREAMS": cores(),
        "INFERENCE_NUM_THREADS": cores(),
    }
    try:
        core = ov.Core()
        model = core.read_model(path)
        model.reshape([_BATCH, size, size, 3])
        return core.compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise ConversionError(_first_line(error)) from error


def _converted(
    backbone: Backbone,
    load: Callable[[], Loaded],
    views: tuple[str, ...],
    precision: str,
    folder: Path,
) -> Path:
    """Return the converted network's file, made if it is not there whole."""
    facts = backbone.facts() | {"weights": ""}  # a file's name changes nothing
    version = importlib.metadata.version("openvino")
    roundings = [rounding.VERSION] if precision == "bf16" else []
    key = digest_of(FORMAT, facts, views, precision, version, *roundings)[:16]
    place = folder / f"{backbone.name.replace('/', '-')}-{key}"
    with locked(folder / f".{place.name}.lock"):
        if not converted.whole(place) and not converted.take(place):
            # threads take turns: standard error is turned away, which is the process's
            with _CONVERTING:
                _convert(backbone, load, views, precision, place)
            converted.give(place)
    return place / "model.xml"


def _convert(
    backbone: Backbone,
    load: Callable[[], Loaded],
    views: tuple[str, ...],
    precision: str,
    place: Path,
) -> None:
    import openvino as ov
    import torch

    from toolkit.features.embedder import embedder

    module = embedder(load()[1], backbone, views)
    size = backbone.preprocess.size
    noise = np.random.default_rng(0).integers(0, 256, (_EXAMPLES, size, size, 3), np.uint8)
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            torch.inference_mode(),
            Path(os.devnull).open("w") as quiet,
            redirect_stderr(quiet),  # the tracer tells of every shape it takes for constant
        ):
            warnings.simplefilter("ignore")
            example = torch.from_numpy(noise)
            expected = module(example).numpy()
            traced: Any = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]
            model = ov.convert_model(traced, example_input=example)
    except Exception as error:  # the converter raises errors of many kinds
        raise ConversionError(_first_line(error)) from error
    finally:
        logging.disable(previous)
    building = temporary_beside(place)
    building.mkdir(parents=True)
    try:
        ov.save_model(model, building / "model.xml", compress_to_fp16=False)
        exact = _compiled(building / "model.xml", backbone, "fp32")
        given = _features(exact, noise)
        off = float(np.abs(given - expected).max() / max(np.abs(expected).max(), 1e-12))
        if not off < _TOLERANCE:
            raise ConversionError(f"its features come out {off:.1%} off")
        cosine = _round(building, backbone, exact) if precision == "bf16" else None
        note = {
            "openvino": importlib.metadata.version("openvino"),
            "backbone": backbone.facts(),
            "views": list(views),
            "precision": precision,
            "rounding": rounding.VERSION if precision == "bf16" else None,
            "smallest_cosine_to_fp32": cosine,
        }
        converted.finish(building, place, note)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _round(building: Path, backbone: Backbone, compiled: Any) -> float:
    """Round a saved network for bf16; return the smallest cosine to fp32 on pictures kept back.

    Where rounding alone moves features too far, the first two convolutions stay in fp32: they see
    flat skies and black frames, where an error is the same at every place, and the layers after
    them magnify it.
    """
    import openvino as ov

    size = backbone.preprocess.size
    path = building / "model.xml"
    checks = rounding.photographs(_CHECKS, size, seed=1)
    expected = _features(compiled, checks)
    model = ov.Core().read_model(path)
    model.reshape([_BATCH, size, size, 3])
    rounding.fold(model)
    layers = rounding.convolutions(model)
    met = rounding.inputs_met(model, layers, rounding.photographs(rounding.PICTURES, size))
    with ThreadPoolExecutor(cores()) as pool:
        weights, biases = [layer.weights for layer in layers], [layer.bias for layer in layers]
        rounded = list(pool.map(rounding.round_layer, weights, biases, met))
    for layer, values in zip(layers, rounded, strict=True):
        layer.put(*values)
    cosine = 0.0
    for exact in (layers[:0], layers[:_EXACT]):
        for layer in exact:
            layer.put(layer.weights, layer.bias)
        ov.save_model(model, building / "rounded.xml", compress_to_fp16=False)
        rounding.keep_exact(building / "rounded.xml", [layer.name for layer in exact])
        given = _features(_compiled(building / "rounded.xml", backbone, "bf16"), checks)
        norms = np.linalg.norm(given, axis=1) * np.linalg.norm(expected, axis=1)
        cosine = float(((given * expected).sum(axis=1) / np.maximum(norms, 1e-12)).min())
        if cosine >= _CLOSE:
            break
    for kind in ("xml", "bin"):
        (building / f"rounded.{kind}").replace(building / f"model.{kind}")
    if cosine < LEAST_COSINE:
        logger.warning(
            "%s in bf16 gives features at a cosine of %.4f to fp32; precision fp32 is exact",
            backbone.name,
            cosine,
        )
    return round(cosine, 6)


def _features(compiled: Any, pictures: np.ndarray) -> np.ndarray:
    filling = np.zeros((-len(pictures) % _BATCH, *pictures.shape[1:]), np.uint8)
    whole = np.concatenate([pictures, filling])
    parts = [compiled(whole[at : at + _BATCH])[0] for at in range(0, len(whole), _BATCH)]
    return np.concatenate(parts)[: len(pictures)]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
