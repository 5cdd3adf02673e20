"""Machines: what a cluster's offer, and how large the workers are that fit them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.distribute.place import HERE, check_place
from toolkit.errors import ClusterError
from toolkit.runtime.device import choose_device
from toolkit.runtime.processor import cores

_MOST_CORES = 8


@contextmanager
def connected(on: str) -> Iterator[None]:
    """Stay connected to a cluster during the block, so that several runs join it once."""
    check_place(on)
    if on == HERE:
        yield
        return
    from toolkit.distribute.ray_session import joined

    with joined(on):
        yield


def device_at(device: str, on: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps``: what work computes on there.

    On a cluster ``auto`` is ``cuda`` where one of its machines has a graphics card, whatever this
    machine has.

    Raises:
        UsageError: the device is not one of its choices, or is not there.
        ClusterError: the cluster cannot be had.
    """
    if on == HERE:
        return choose_device(device)
    if device == "auto":
        return "cuda" if any(gpus for _, gpus in _machines(on)) else "cpu"
    return device if device == "cuda" else choose_device(device)


def worker_size(device: str, on: str) -> tuple[int, int]:
    """Return how many cores and graphics cards a worker takes that embeds images.

    With cards, one and its share of the cores of its machine. Without, the cores of the smallest
    machine, at most 8: one network in memory serves them all.

    Raises:
        ClusterError: the cluster cannot be had.
    """
    machines = _machines(on)
    if device == "cuda":
        shares = [cpus // gpus for cpus, gpus in machines if gpus]
        return max(1, min([*shares, 2 * _MOST_CORES])), 1
    return max(1, min([*(cpus for cpus, _ in machines if cpus), _MOST_CORES])), 0


def fold_cores(on: str) -> int:
    """Return how many cores a fold takes: those that it would take here, if a machine has them.

    The last bits of a fit depend on the number of threads, so that a fold is the same, byte for
    byte, wherever it was fitted on a processor of one kind. ``OMP_NUM_THREADS`` makes it smaller.

    Raises:
        ClusterError: the cluster cannot be had.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    own = int(asked) if asked.isdecimal() and int(asked) else cores()
    return own if on == HERE else max(1, min(own, max(cpus for cpus, _ in _machines(on))))


def together_size(workers: int, device: str, on: str) -> tuple[int, int]:
    """Return how many cores and graphics cards each of some workers takes that run at once.

    With cards, one each and its share of the cores of its machine. Without, as many cores as leave
    room for all, at most those that a fold would take.

    Raises:
        ClusterError: the cluster cannot be had, or has no room for so many.
    """
    machines = _machines(on)
    if device == "cuda":
        offered, what = sum(gpus for _, gpus in machines), "graphics card"
        if workers <= offered:
            return worker_size(device, on)
    else:
        offered, what = sum(cpus for cpus, _ in machines), "core"
        for each in range(fold_cores(on) if workers <= offered else 0, 0, -1):
            if sum(cpus // each for cpus, _ in machines) >= workers:
                return each, 0
    raise ClusterError(
        f"{workers} workers need {workers} {what}s at once, one each, and the cluster has "
        f"{offered}: ask for fewer workers, or add machines"
    )


def _machines(on: str) -> list[tuple[int, int]]:
    """Return the cores and graphics cards of each machine."""
    from toolkit.distribute.ray_session import joined

    with joined(on) as ray:
        each = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in each]
