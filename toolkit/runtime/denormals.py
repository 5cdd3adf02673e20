"""Denormals: numbers so small that processors take many times as long over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Let arithmetic take numbers below 1.2e-38 for zero.

    In a network that learned to say no to everything, units die, and weight decay shrinks their
    weights without end: a run of the paper's basic CNN had 46 % of its largest layer there in its
    sixth epoch, and Adam took half of a step (bench/denormals.py).

    Threads take this over from the one that starts them, and torch starts its own at the first
    large operation: enter this before. At the end the calling thread is as it was, torch's are not;
    it is for commands that run networks and end, not for a library's caller. Processors that cannot
    do it go on as they are.
    """
    import torch

    before = _flushes()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes() -> bool:
    import torch

    return float(torch.tensor(1e-40) * 0.5) == 0.0
