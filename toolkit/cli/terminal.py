"""What a person at a terminal sees of long work: bars, a live table of epochs, remarks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.runtime.progress import Progress, Task

_EPOCH = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_map",
    "images_per_second",
)


class TerminalProgress(Progress):
    """Bars on standard error where that is a terminal; remarks there in any case.

    Args:
        quiet: show and say nothing.
        console: gives the console of standard error.
    """

    def __init__(self, quiet: bool, console: Callable[[], Any]) -> None:
        self._quiet, self._console = quiet, console
        self._epochs: list[list[str]] = []

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Task]:
        """Yield a task with a bar, its rate and the time left."""
        if self._quiet or not sys.stderr.isatty():
            yield Task(name, total, self.tell)
            return
        from rich.console import Group
        from rich.live import Live
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        # spinner and clock move from the first second, before any step is done
        bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
        )
        number = bars.add_task(name, total=total, rate="")
        self._epochs.clear()

        def shown() -> Any:
            return Group(self._epoch_table(), bars) if self._epochs else bars

        def tell(name: str, done: int, total: int | None) -> None:
            bars.update(number, completed=done, total=total, rate=pace(bars.tasks[0].speed))

        with Live(get_renderable=shown, console=self._console(), transient=True):
            yield Task(name, total, tell)

    def say(self, remark: str) -> None:
        """Print a remark on standard error."""
        if not self._quiet:
            print(remark, file=sys.stderr)

    def epoch(self, run: str, metrics: dict[str, Any]) -> None:
        """Add an epoch to the live table; print it where there is none."""
        cells = [_cell(metrics[column]) for column in _EPOCH]
        self._epochs.append([run, *cells])
        if not sys.stderr.isatty():
            named = zip(_EPOCH[1:], cells[1:], strict=True)
            shown = ", ".join(f"{name.replace('_', ' ')} {cell}" for name, cell in named)
            self.say(f"{run}, epoch {cells[0]}: {shown}")

    def _epoch_table(self) -> Any:
        from rich.table import Table

        table = Table(*("run", *(column.replace("_", " ") for column in _EPOCH)))
        for row in self._epochs[-30:]:
            table.add_row(*row)
        return table


def pace(speed: float | None) -> str:
    """Return how fast steps are done; of slow ones how long each takes.

    >>> pace(1234.5), pace(2.5), pace(0.2), pace(None)
    ('1,234/s', '2.5/s', '5 s each', '')
    """
    if not speed:
        return ""
    if speed < 1:
        return f"{1 / speed:,.0f} s each"
    return f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.4g}"
