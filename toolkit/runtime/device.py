"""Device: where arithmetic runs, and in which precision."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from toolkit.errors import UsageError, check_choice
from toolkit.runtime.processor import processor_has_bf16

PRECISIONS = ("auto", "bf16", "fp32")
EMBEDDING_PRECISIONS = ("auto", "fp16", "bf16", "fp32")
DEVICES = ("auto", "cpu", "cuda", "mps")
_NUMBERED = re.compile(r"cuda:(0|[1-9]\d{0,3})")


def choose_device(device: str) -> str:
    """Return where to compute: ``cpu``, ``cuda``, ``mps``, or one of several GPUs, ``cuda:1``.

    ``auto`` is a GPU where there is one; torch is asked only where one may be. GPUs are counted
    from 0, among those that ``CUDA_VISIBLE_DEVICES`` leaves.

    Raises:
        UsageError: there is no such device on this machine.
    """
    numbered = _NUMBERED.fullmatch(device) if isinstance(device, str) else None
    if numbered is None:
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

        there = torch.backends.mps if device == "mps" else torch.cuda
        if not there.is_available():
            raise UsageError(f"device: {device} is not there on this machine; use cpu")
        if numbered is not None and int(numbered[1]) >= (count := torch.cuda.device_count()):
            raise UsageError(
                f"device: {device} is not there on this machine, which has {count} (counted from "
                "cuda:0); use one of them"
            )
    return device


def device_kind(device: str) -> str:
    """Return the kind of a device that was chosen, without the number of a GPU.

    >>> device_kind("cuda:1"), device_kind("cpu")
    ('cuda', 'cpu')
    """
    return device.partition(":")[0]


def choose_precision(precision: str, device: str, engine: str = "auto") -> str:
    """Return the precision of training, ``bf16`` or ``fp32``.

    ``auto`` is bf16 where the hardware multiplies it natively: on GPUs of compute capability 8.0
    and later. On a processor torch is given fp32 unless told otherwise: its bf16 moves features
    further.
    """
    check_choice("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision
    if device_kind(device) == "cuda":
        return "bf16" if _gpu_has_bf16(device) else "fp32"
    return "bf16" if device == "cpu" and engine != "torch" and processor_has_bf16() else "fp32"


def embedding_precision(precision: str, device: str, engine: str = "auto") -> str:
    """Return the precision of embedding, ``fp16``, ``bf16`` or ``fp32``.

    ``auto`` is fp16 on a GPU, which multiplies it as fast as bf16 and keeps three bits more of
    each number; elsewhere it is what :func:`choose_precision` says.

    Raises:
        UsageError: there is no such precision on the device.
    """
    check_choice("precision", precision, EMBEDDING_PRECISIONS)
    if precision == "fp16" and device_kind(device) == "cpu":
        raise UsageError("precision: processors do not embed in fp16; use bf16 or fp32")
    if precision == "auto" and device_kind(device) == "cuda":
        return "fp16"
    return precision if precision == "fp16" else choose_precision(precision, device, engine)


def _gpu_has_bf16(device: str) -> bool:
    """Tell whether a GPU multiplies bf16; one that other machines have is taken to."""
    import torch

    if not torch.cuda.is_available():
        return True
    return torch.cuda.get_device_capability(torch.device(device)) >= (8, 0)
