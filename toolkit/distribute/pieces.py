"""Pieces of work: functions of named inputs, run one after another where ``on`` says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import check_choice

PLACES = ("here",)


@dataclass(frozen=True)
class Piece:
    """One piece of work: it knows nothing of where it runs.

    Attributes:
        name: for people.
        function: does it.
        inputs: by name of the function's parameters.
    """

    name: str
    function: Callable[..., Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)


def run_pieces(pieces: Iterable[Piece], on: str = "here") -> Iterator[tuple[Piece, Any]]:
    """Yield each piece with its result as it is done; ``here`` in order, within this process.

    What a piece raises ends the run; what was yielded before stays done.

    Raises:
        UsageError: ``on`` is no place that work can run at.
    """
    check_choice("on", on, PLACES)
    for piece in pieces:
        yield piece, piece.function(**piece.inputs)
