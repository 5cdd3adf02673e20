"""Processor: how many cores there are for us, and what they multiply natively."""

from __future__ import annotations

import os
from pathlib import Path


def cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_has_bf16() -> bool:
    """Tell whether this processor has AMX or AVX512 instructions for bf16."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
