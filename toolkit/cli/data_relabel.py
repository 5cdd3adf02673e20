"""toolkit data relabel: a new version of a data set with a person's corrections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.command import DATA, command
from toolkit.cli.data import data as group
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to those of ``toolkit data``."""
    command(group, DATA)(relabel)


def relabel(
    run: Run,
    corrections: Annotated[
        Path, typer.Argument(help="A table with columns image, label and value (1, 0 or -1).")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Name of the new version. Default: the data set's with -v2, -v3, …"),
    ] = None,
    **shared: Any,
) -> None:
    """Make a new version of a data set with a person's corrections of its labels."""
    from toolkit import relabel_data

    done = relabel_data(corrections, name=name, **shared)
    if run.json:
        run.emit(done.facts())
    else:
        run.put(f"{done!r}\n")
