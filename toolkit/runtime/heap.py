"""The heap: memory that is freed is kept, since networks ask for it again at the next step."""

from __future__ import annotations

import ctypes

# <malloc.h> of the GNU C library
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_NEVER, _PAD = 2**31 - 1, 64 << 20


def keep_freed_memory() -> bool:
    """Let this process keep what it frees; return whether the C library can.

    glibc maps every block above 32 MiB anew and gives it back when it is freed. Networks on a
    processor ask for dozens of such blocks a step, of pages that the system has to clear each time:
    in training a fifth of the time, in scoring large pictures more than half (bench/finetune.py).
    Here blocks come from one heap that does not shrink. The process stays as large as it has been;
    it is for commands that run networks and end, not for a library's caller.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not the GNU C library
        return False
    asked = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _PAD), (_ARENA_MAX, 1))
    return all(mallopt(option, value) == 1 for option, value in asked)
