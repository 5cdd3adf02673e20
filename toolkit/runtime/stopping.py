"""Stopping: long work that is asked to end saves what it has first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signal(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether the process was asked to end (SIGTERM or SIGINT).

    A second request ends it at once. Only the main thread hears signals; in another one the
    function always says no.

    Args:
        say: is given a remark at the first request.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
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
