"""Processor: how many cores there are for us, and what they multiply natively."""

from __future__ import annotations

import os
import platform
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
    flags = _facts().get("flags", "")
    return most.startswith(_WITH_BF16) and ("avx512_bf16" in flags or "amx_bf16" in flags)


def processor_name() -> str:
    """Return the processor's name, its widest instructions and its cores, for measurements."""
    facts = _facts()
    wide = [name for name in ("avx2", "avx512_bf16", "amx_bf16") if name in facts.get("flags", "")]
    name = facts.get("model name") or platform.processor() or platform.machine()
    most = os.environ.get("ONEDNN_MAX_CPU_ISA")
    capped = f"; held to {most}" if most else ""
    return f"{name} ({', '.join(wide) or 'no AVX2'}{capped}), {cores()} cores"


def _facts() -> dict[str, str]:
    """Return what Linux says of the first processor; elsewhere nothing."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return {}
    lines = text.split("\n\n")[0].splitlines()
    return {name.strip(): fact for name, _, fact in (line.partition(": ") for line in lines)}
