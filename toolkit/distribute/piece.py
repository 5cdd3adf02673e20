"""Piece: one function of named inputs, and what it takes to run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import ClusterError


@dataclass(frozen=True)
class Piece:
    """One piece of work: it knows nothing of where it runs.

    Attributes:
        name: for people; no two of a run have the same.
        function: does it; called with ``inputs`` and ``shared`` by name, after what ``setup`` gave.
            On a cluster it must be importable there, and what it takes and returns travels.
        inputs: by name of the function's parameters.
        shared: inputs that many pieces have in common, such as a matrix: each travels once to every
            machine, and arrays are read-only there.
        cpus: cores that it takes; it computes in so many threads on a cluster.
        gpus: graphics cards that it takes.
        memory: bytes that it takes, at most; 0 where nobody knows.
        after: names of pieces that must be done first; they come earlier in the run.
    """

    name: str
    function: Callable[..., Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    cpus: int = 1
    gpus: int = 0
    memory: int = 0
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lost:
    """Stands for the result of a piece whose worker died each time it was tried.

    Attributes:
        error: what to raise if there is nothing better to do.
    """

    error: ClusterError
