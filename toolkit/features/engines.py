"""Engines: run a backbone on batches of pixels, on the processor or a GPU."""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from toolkit.errors import UsageError
from toolkit.features.backbones import Backbone, Loaded

if TYPE_CHECKING:
    import torch

ENGINES = ("auto", "torch", "openvino")
PRECISIONS = ("auto", "bf16", "fp32")
DEVICES = ("auto", "cpu", "cuda", "mps")
logger = logging.getLogger(__name__)


class Engine(Protocol):
    """Runs batches asynchronously and in order of submission per row range.

    Attributes:
        name: ``openvino`` or ``torch``.
        batch: rows of a full batch.
    """

    name: str
    batch: int

    def submit(self, pixels: np.ndarray, out: np.ndarray, done: Callable[[], None]) -> None:
        """Embed ``uint8 (b, size, size, 3)`` into ``float32 (b, dim)``, b at most ``batch``.

        ``done`` is called, from any thread, once ``out`` is filled.
        """

    def drain(self) -> None:
        """Wait until everything submitted is done; raise what went wrong on the way."""


def choose_device(device: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps`` for ``auto``; torch is asked only where a GPU may be."""
    if device not in DEVICES:
        raise UsageError(f"--device is one of {', '.join(DEVICES)}, not {device!r}")
    if device == "auto":
        if platform.system() == "Linux" and not Path("/dev/nvidiactl").exists():
            return "cpu"
        import torch

        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if device != "cpu":
        import torch

        there = torch.cuda if device == "cuda" else torch.backends.mps
        if not there.is_available():
            raise UsageError(f"--device {device}: there is none on this machine; use --device cpu")
    return device


def choose_precision(precision: str, device: str, engine: str = "auto") -> str:
    """Return ``bf16`` or ``fp32``; ``auto`` is bf16 where the hardware multiplies it natively.

    On a processor torch is given fp32 unless told otherwise: its bf16 moves features further.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"--precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16"
    return "bf16" if device == "cpu" and engine != "torch" and processor_has_bf16() else "fp32"


def processor_has_bf16() -> bool:
    """Tell whether this processor has AMX or AVX512 instructions for bf16."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


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
        precision: ``bf16`` or ``fp32``.
        folder: where converted networks are kept.

    Raises:
        UsageError: the engine is unknown or cannot serve the device.
    """
    if engine not in ENGINES:
        raise UsageError(f"--engine is one of {', '.join(ENGINES)}, not {engine!r}")
    if engine == "openvino" and device != "cpu":
        raise UsageError("--engine openvino runs on the processor: add --device cpu")
    installed = importlib.util.find_spec("openvino") is not None
    if engine == "openvino" and not installed:
        raise UsageError("--engine openvino: the package openvino is not installed")
    if device == "cpu" and engine != "torch" and installed:
        from toolkit.features.engine_openvino import ConversionError, OpenVINOEngine

        try:
            return OpenVINOEngine(backbone, load, views, precision, folder)
        except ConversionError as error:
            logger.warning(
                "%s cannot be converted to OpenVINO (%s); torch runs it instead, more slowly",
                backbone.name,
                error,
            )
    from toolkit.features.engine_torch import TorchEngine

    # torch rounds to the nearest, which moves features further than was asked for here
    exact = "fp32" if device == "cpu" and engine != "torch" else precision
    return TorchEngine(embedder(load()[1], backbone, views), device, exact)


def embedder(network: torch.nn.Module, backbone: Backbone, views: tuple[str, ...]) -> Embedder:
    """Wrap a network so that it takes bytes as decoded and gives the mean over views."""
    from toolkit.features.embedder import Embedder as Wrapped

    return Wrapped(network, backbone.preprocess, flip="hflip" in views).eval()


def cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if TYPE_CHECKING:
    from toolkit.features.embedder import Embedder
