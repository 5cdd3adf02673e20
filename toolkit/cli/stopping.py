"""Stopping: a run that is asked to end saves what it has and says so."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from toolkit.cli.options import Run


@contextmanager
def stop_signal(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether the process was asked to end (SIGTERM or SIGINT).

    A second request ends it at once.

    Args:
        say: told at the first request that it was heard.
    """
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if asked:
            raise SystemExit(128 + number)
        asked.append(number)
        say("stopping: what is done is being saved")

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def saved_on_stop(run: Run) -> Iterator[None]:
    """Leave with a remark where a run stopped because it was asked to end."""
    from toolkit.finetuning.training import StoppedError

    try:
        yield
    except StoppedError as stopped:
        run.say("stopped; what was done is kept, and the same command goes on from there")
        raise typer.Exit(128 + signal.SIGTERM) from stopped
