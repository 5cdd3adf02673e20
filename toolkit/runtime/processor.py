"""Processor: how many cores there are for us, and what they multiply natively."""

from __future__ import annotations

import os
from pathlib import Path

# as far as oneDNN may go; below these it has no bf16 instructions
_WITH_BF16 = ("DEFAULT", "ALL", "AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX512_CORE_AMX", "AVX10")


def cores() -> int:
    """Return how many cores this process may use, by affinity and by its container's quota."""
    from joblib import cpu_count

    count: int = cpu_count()
    return count


def processor_has_bf16() -> bool:
    """Tell whether this processor has AMX or AVX512 instructions for bf16, and may use them.

    ``ONEDNN_MAX_CPU_ISA`` restricts the instructions of the library that does the computing.
    """
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return most.startswith(_WITH_BF16) and ("avx512_bf16" in flags or "amx_bf16" in flags)
