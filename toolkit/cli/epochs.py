"""EpochTable: a live table of a training run's epochs, or one line an epoch where no one looks."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from toolkit.cli.options import Run

_COLUMNS = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_map",
    "images_per_second",
)


class EpochTable:
    """Shows epochs on standard error while they are trained.

    Args:
        run: tells whether to be quiet.
        title: of the table.
    """

    def __init__(self, run: Run, title: str) -> None:
        self._run, self._title = run, title
        self._live: Any = None
        self._rows: list[list[str]] = []
        self._epochs, self._images, self._total, self._done = 0, 0, 0, 0
        self._began, self._name = 0.0, ""

    def __enter__(self) -> Self:
        """Take the terminal, if there is one."""
        if not self._run.quiet and sys.stderr.isatty():
            from rich.live import Live

            self._live = Live(
                self._table(),
                console=self._run.console(stderr=True),
                refresh_per_second=2,
                get_renderable=self._table,
            )
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def begin(self, name: str, epochs: int, images: int) -> None:
        """Take note of a run of so many epochs and images an epoch."""
        self._name, self._epochs, self._images = name, epochs, images
        self._total, self._done = epochs * images, 0
        self._began = time.monotonic()

    def advance(self, images: int) -> None:
        """Count images."""
        self._done += images

    def add(self, metrics: dict[str, Any]) -> None:
        """Show an epoch."""
        cells = [_cell(metrics[column]) for column in _COLUMNS]
        self._rows.append([self._name, *cells])
        if not self._done:  # an epoch of before a stop, told again
            self._total = (self._epochs - metrics["epoch"]) * self._images
        if self._live is None:
            told = zip(_COLUMNS[1:], cells[1:], strict=True)
            self._run.say(
                f"{self._title} {self._name}, epoch {cells[0]}: "
                + ", ".join(f"{name.replace('_', ' ')} {cell}" for name, cell in told)
            )

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(title=f"{self._title} {self._progress()}", title_justify="left")
        table.add_column("run")
        for column in _COLUMNS:
            table.add_column(column.replace("_", " "), justify="right")
        for row in self._rows[-30:]:
            table.add_row(*row)
        return table

    def _progress(self) -> str:
        if not self._done:
            return ""
        rate = self._done / max(time.monotonic() - self._began, 1e-9)
        left = max(0, self._total - self._done) / rate
        return f"{self._name}: {self._done:,} images, {rate:,.0f}/s, {left / 60:.0f} min left"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.4g}"
