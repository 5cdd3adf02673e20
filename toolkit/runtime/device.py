"""Device: where arithmetic runs, and in which precision."""

from __future__ import annotations

import platform
from pathlib import Path

from toolkit.errors import UsageError, check_choice
from toolkit.runtime.processor import processor_has_bf16

PRECISIONS = ("auto", "bf16", "fp32")
DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(device: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps`` for ``auto``; torch is asked only where a GPU may be."""
    check_choice("device", device, DEVICES)
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
            raise UsageError(f"device: {device} is not there on this machine; use cpu")
    return device


def choose_precision(precision: str, device: str, engine: str = "auto") -> str:
    """Return ``bf16`` or ``fp32``; ``auto`` is bf16 where the hardware multiplies it natively.

    On a processor torch is given fp32 unless told otherwise: its bf16 moves features further.
    """
    check_choice("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16"
    return "bf16" if device == "cpu" and engine != "torch" and processor_has_bf16() else "fp32"
