"""The processor's engine: OpenVINO, converted once and kept."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import shutil
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.features.backbones import Backbone, Loaded
from toolkit.store import (
    digest_file,
    digest_of,
    locked,
    read_json,
    sync_folder,
    temporary_beside,
    write_json,
)

FORMAT = 1
_BATCH = 8


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

        from toolkit.features.engines import cores

        path = _converted(backbone, load, views, folder)
        core = ov.Core()
        model = core.read_model(path)
        size = backbone.preprocess.size
        model.reshape([self.batch, size, size, 3])
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "NUM_STREAMS": cores(),
            "INFERENCE_NUM_THREADS": cores(),
        }
        self._compiled = core.compile_model(model, "CPU", settings)
        self._queue = ov.AsyncInferQueue(self._compiled, 2 * cores())
        self._queue.set_callback(self._finished)
        self._errors: list[BaseException] = []

    def submit(self, pixels: np.ndarray, out: np.ndarray, done: Callable[[], None]) -> None:
        """Embed one batch; see :class:`toolkit.features.engines.Engine`."""
        if len(pixels) < self.batch:
            filling = np.zeros((self.batch - len(pixels), *pixels.shape[1:]), np.uint8)
            pixels = np.concatenate([pixels, filling])
        # the pixels travel along so that they live until the request is done with them
        self._queue.start_async({0: pixels}, (pixels, out, done), share_inputs=True)

    def drain(self) -> None:
        """Wait for all requests."""
        self._queue.wait_all()
        if self._errors:
            raise self._errors[0]

    def _finished(self, request: Any, userdata: Any) -> None:
        _, out, done = userdata
        try:
            out[...] = request.get_output_tensor(0).data[: len(out)]
        except BaseException as error:  # a callback's error would be lost in OpenVINO's thread
            self._errors.append(error)
        done()


def _converted(
    backbone: Backbone, load: Callable[[], Loaded], views: tuple[str, ...], folder: Path
) -> Path:
    """Return the converted network's file, made if it is not there whole."""
    key = digest_of(FORMAT, backbone.facts(), views, importlib.metadata.version("openvino"))[:16]
    slug = backbone.name.replace("/", "-")
    place = folder / f"{slug}-{key}"
    with locked(folder / f".{place.name}.lock"):
        if not _whole(place):
            _convert(backbone, load, views, place)
    return place / "model.xml"


def _whole(place: Path) -> bool:
    note = place / "digests.json"
    if not note.is_file():
        return False
    digests = read_json(note, "the note on a converted network")
    return all(
        (place / name).is_file() and digest_file(place / name).hex() == digest
        for name, digest in digests.items()
    )


def _convert(
    backbone: Backbone, load: Callable[[], Loaded], views: tuple[str, ...], place: Path
) -> None:
    import openvino as ov
    import torch

    from toolkit.features.engines import embedder

    module = embedder(load()[1], backbone, views)
    size = backbone.preprocess.size
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
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
            model = ov.convert_model(module, example_input=example)
    except Exception as error:  # the converter raises errors of many kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ConversionError(reason) from error
    finally:
        logging.disable(previous)
    building = temporary_beside(place)
    building.mkdir(parents=True)
    try:
        ov.save_model(model, building / "model.xml", compress_to_fp16=False)
        files = ("model.xml", "model.bin")
        write_json(
            building / "digests.json", {name: digest_file(building / name).hex() for name in files}
        )
        shutil.rmtree(place, ignore_errors=True)
        building.rename(place)
        sync_folder(place.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)
