"""Options that commands share, and the run they describe."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.data.dataset import Dataset

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="NAME",
        help="Data set. Default: $TOOLKIT_DATA, else the one last imported, else a synthetic one.",
    ),
]
ArtifactsOption = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        metavar="DIR",
        help="Where everything is kept. Default: $TOOLKIT_ARTIFACTS, else ./artifacts.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is random.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
PrecisionOption = Annotated[
    str, typer.Option("--precision", help="auto, bf16 or fp32; auto is bf16 where it is native.")
]
SplitOption = Annotated[
    str,
    typer.Option(
        "--split",
        help="paper, stratified, grouped (by toolkit audit --group-duplicates), or file (given at "
        "import).",
    ),
]
FoldsOption = Annotated[int, typer.Option("--folds", help="Folds over the development set.")]
NameOption = Annotated[
    str | None, typer.Option("--name", help="Name of the result. Default: made from the options.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a result of that name.")
]
SYNTHETIC = "synthetic"


@dataclass
class Run:
    """One invocation: where artifacts lie, and how to speak to whoever started it."""

    artifacts: Path
    json: bool
    quiet: bool

    @classmethod
    def start(cls, artifacts: Path | None, as_json: bool, quiet: bool) -> Run:
        """Take up the common options."""
        chosen = artifacts or Path(os.environ.get("TOOLKIT_ARTIFACTS") or "artifacts")
        run = cls(chosen.absolute(), as_json, quiet)
        logging.basicConfig(format="toolkit: %(message)s", level=logging.WARNING, stream=sys.stderr)
        warnings.showwarning = run._show_warning
        run._sweep()
        return run

    def say(self, remark: str) -> None:
        """Tell something in passing, on standard error."""
        if not self.quiet:
            print(remark, file=sys.stderr)

    def emit(self, document: Any) -> None:
        """Print the one JSON document."""
        print(json.dumps(document, indent=1, allow_nan=False))

    def put(self, text: str) -> None:
        """Print text as it is, such as a table for a paper, on standard output."""
        print(text, end="")

    def show(self, *renderables: Any) -> None:
        """Print tables and text for a person on standard output."""
        console = self.console()
        for renderable in renderables:
            console.print(renderable)

    def console(self, stderr: bool = False) -> Console:
        """Return a console; in a pipe it is 100 columns wide and without colour."""
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        width = None if stream.isatty() or "COLUMNS" in os.environ else 100
        return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)

    @contextmanager
    def progress(self, task: str) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
        """Yield ``start(total)`` and ``advance(steps)`` of a bar with rate and time left.

        The bar is on standard error and vanishes where that is no terminal.
        """
        if self.quiet or not sys.stderr.isatty():
            yield (lambda total: None), (lambda steps: None)
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            Task,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns, Rate(), TimeRemainingColumn(), console=self.console(stderr=True)
        ) as bar:
            number = bar.add_task(task, total=None)
            yield (
                lambda total: bar.update(number, total=total),
                lambda steps: bar.advance(number, steps),
            )

    def dataset(self, name: str | None) -> Dataset:
        """Load the data set a command is about; make the synthetic one if there is none."""
        from toolkit.data.open import open_dataset
        from toolkit.runtime.progress import Progress

        return open_dataset(name, self.artifacts, Progress())

    def _sweep(self) -> None:
        from toolkit.storage.files import ROOMS, sweep

        for room in ROOMS:
            sweep(self.artifacts / room, depth=3)

    def _show_warning(self, message: Warning | str, *args: Any, **kwargs: Any) -> None:
        self.say(f"warning: {message}")


def none_or(value: str | None) -> str | None:
    """Read the word none as None."""
    return None if value in (None, "none") else value


EngineOption = Annotated[str, typer.Option("--engine", help="auto, openvino or torch.")]


def finish(run: Run, result: Any) -> None:
    """List skipped images and leave with exit code 3 if there are any."""
    for each in result.skipped[:10]:
        run.say(f"skipped {each['image']}: {each['reason']}")
    if len(result.skipped) > 10:
        run.say(f"and {len(result.skipped) - 10} more; --json lists them all")
    if result.skipped:
        raise typer.Exit(3)
