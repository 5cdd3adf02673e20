"""Choose: the engine that serves a device."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolkit.errors import UsageError, check_choice
from toolkit.features.backbones import Backbone
from toolkit.features.engines.base import Engine
from toolkit.features.resolve import Loaded

ENGINES = ("auto", "torch", "openvino")
logger = logging.getLogger(__name__)


def make_engine(
    backbone: Backbone,
    load: Callable[[], Loaded],
    *,
    views: tuple[str, ...],
    engine: str,
    device: str,
    precision: str,
    folder: Path,
) -> Engine:
    """Build the engine for a backbone.

    Args:
        backbone: what will be embedded with.
        load: gives the network; not called where a converted one is on disk.
        views: ``("original",)``, or with ``"hflip"`` to average both.
        engine: ``openvino``, ``torch``, or ``auto``: OpenVINO on a processor, torch on a GPU.
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp16``, ``bf16`` or ``fp32``. A processor, which embeds for a member that was
            made on a GPU, computes fp32 in place of fp16: nothing of it is nearer.
        folder: where converted networks are kept.

    Raises:
        UsageError: the engine is unknown or cannot serve the device.
    """
    check_choice("engine", engine, ENGINES)
    if device == "cpu" and precision == "fp16":
        precision = "fp32"
    if engine == "openvino" and device != "cpu":
        raise UsageError("engine: openvino runs on the processor; with it, device must be cpu")
    installed = importlib.util.find_spec("openvino") is not None
    if engine == "openvino" and not installed:
        raise UsageError("engine: the package openvino is not installed")
    if device == "cpu" and engine != "torch" and installed:
        from toolkit.features.engines.openvino import ConversionError, OpenVINOEngine

        try:
            return OpenVINOEngine(backbone, load, views, precision, folder)
        except ConversionError as error:
            logger.warning(
                "%s cannot be converted to OpenVINO (%s); torch runs it instead, more slowly",
                backbone.name,
                error,
            )
    from toolkit.features.embedder import embedder
    from toolkit.features.engines.torch import TorchEngine

    # torch rounds to the nearest, which moves features further than was asked for here
    exact = "fp32" if device == "cpu" and engine != "torch" else precision
    module = embedder(load()[1], backbone, views)
    return TorchEngine(module, device, exact, size=backbone.preprocess.size)


class Engines:
    """Builds engines, each once; of many that were built the latest are kept.

    Args:
        make: builds one.
        most: how many to keep; None for all.
    """

    def __init__(self, make: Callable[..., Engine] = make_engine, most: int | None = None) -> None:
        self._make, self._most = make, most
        self._made: dict[Any, Engine] = {}

    def __call__(self, backbone: Backbone, load: Callable[[], Loaded], **options: Any) -> Engine:
        """Return the engine of a backbone with these options."""
        key = (backbone, *sorted(options.items()))
        if key not in self._made:
            while self._most is not None and len(self._made) >= self._most:
                del self._made[next(iter(self._made))]
            self._made[key] = self._make(backbone, load, **options)
        return self._made[key]
