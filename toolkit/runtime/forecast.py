"""Forecasts: how long a fit will take, said as soon as a part of it has been measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# less than this is no sample of the rest, and what is over soon needs no forecast
_MEASURED = 5.0
_WORTH = 20.0


class Forecast:
    """Says once how long work takes that is done in rounds of like units, from the first units.

    A round, such as a fold, begins with what is done once in it, such as binning. What it took
    until its units began and what they took since are measured apart; the rest is taken to go as
    they did. Nothing is assumed beforehand: no rate of any processor is written down.

    Args:
        name: of the work, for people.
        rounds: how many there are.
        say: takes the sentence.
        clock: gives seconds.
    """

    def __init__(
        self,
        name: str,
        rounds: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._name, self._rounds, self._say, self._clock = name, rounds, say, clock
        self._started = clock()
        self._units, self._done, self._before = 0, 0, 0.0

    def begin(self, units: int) -> None:
        """Say that the units of the first round begin, and how many they are."""
        if not self._units:
            self._units, self._before = units, self._clock() - self._started

    def advance(self, units: int = 1) -> None:
        """Say that units were done."""
        self._done += units
        passed = self._clock() - self._started
        if 0 < self._done <= self._units and passed - self._before >= _MEASURED:
            whole = self._before + (passed - self._before) * self._units / self._done
            self._tell(whole * self._rounds - passed, passed)

    def at_least(self, done: int, parts: int) -> None:
        """Say that some parts of the units are done, and that those to come take longer."""
        passed = self._clock() - self._started
        if passed - self._before >= _MEASURED:
            whole = self._before + (passed - self._before) * parts / done
            self._tell(whole * self._rounds - passed, passed, "at least ")

    def _tell(self, left: float, passed: float, bound: str = "about ") -> None:
        if self._say is not _nobody and left >= _WORTH:
            self._say(
                f"{self._name}: {bound}{duration(left)} to go, if the rest goes as the first "
                f"{duration(passed)} did"
            )
        self._say = _nobody


def _nobody(sentence: str) -> None:
    """Take a sentence and tell nobody."""


_current: ContextVar[Forecast | None] = ContextVar("forecast", default=None)


@contextmanager
def forecasting(name: str, rounds: int, say: Callable[[str], None]) -> Iterator[None]:
    """Let what is fitted inside say how long it will take; see :class:`Forecast`."""
    mark = _current.set(Forecast(name, rounds, say))
    try:
        yield
    finally:
        _current.reset(mark)


def current_forecast() -> Forecast:
    """Return the forecast that work inside :func:`forecasting` feeds, else one nobody hears."""
    return _current.get() or Forecast("", 1, _nobody)


def duration(seconds: float) -> str:
    """Return a duration in words, to two digits or so.

    >>> duration(8.4), duration(200), duration(9000)
    ('8 seconds', '3.3 minutes', '2.5 hours')
    """
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = f"{seconds / size:.2g}" if seconds < 10 * size else f"{seconds / size:.0f}"
            return f"{count} {unit}" + ("" if count == "1" else "s")
    count = f"{max(seconds, 1):.0f}"
    return f"{count} second" + ("" if count == "1" else "s")
