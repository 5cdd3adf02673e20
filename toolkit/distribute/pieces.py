"""Pieces of work, run in this process or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

from toolkit.distribute.piece import Piece
from toolkit.distribute.place import HERE, check_place
from toolkit.errors import STOPPED, StoppedError

RETRIES = 3
Stop = Callable[[], bool]


def run_pieces(
    pieces: Iterable[Piece],
    on: str = HERE,
    *,
    setup: Callable[[], Any] | None = None,
    retries: int = RETRIES,
    keep_lost: bool = False,
    stop: Stop | None = None,
) -> Generator[tuple[Piece, Any]]:
    """Yield each piece with its result as it is done.

    ``here`` they run in order, within this process. On Ray they end in any order; pieces are taken
    from ``pieces`` only as workers have room for them. A piece whose worker or machine was lost is
    run again. What a piece raises ends the run as the same error, whatever else is under way is
    given up, and what was yielded before stays done. Close the iterator to give up the rest.

    Args:
        pieces: the pieces.
        on: ``here``; ``ray`` for the cluster that ``RAY_ADDRESS`` names or that runs on this
            machine, else one that is started and ended with the run; or ``ray://host:port``.
        setup: called once in every worker; its result is the first argument of every piece. All
            pieces then take the cores, cards and memory of the first.
        retries: how often a piece is run again after its worker was lost.
        keep_lost: yield :class:`~toolkit.distribute.piece.Lost` for a piece that was lost too
            often, instead of raising.
        stop: asked now and then whether to end.

    Raises:
        UsageError: ``on`` is no place that work can run at, or Ray is not installed.
        ClusterError: the cluster cannot be had, is too small for a piece or of another version, or
            a piece was lost too often.
        StoppedError: ``stop`` said so.
    """
    check_place(on)
    if on != HERE:
        from toolkit.distribute.ray_run import run_on_ray

        yield from run_on_ray(pieces, on, setup, retries, keep_lost, stop)
        return
    kept = () if setup is None else (setup(),)
    done: set[str] = set()
    for piece in pieces:
        if stop is not None and stop():
            raise StoppedError(STOPPED)
        if not done.issuperset(piece.after):
            raise ValueError(f"{piece.name} comes before what it waits for: {piece.after}")
        yield piece, piece.function(*kept, **piece.inputs, **piece.shared)
        done.add(piece.name)
