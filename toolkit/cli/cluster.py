"""toolkit cluster: what a Ray cluster offers, and whether its machines can do the work."""

from __future__ import annotations

from typing import Any

import typer

from toolkit.cli.command import DATA, ON, command
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, ON, DATA, on="ray")(cluster)


def cluster(run: Run, **shared: Any) -> None:
    """Say what a Ray cluster offers, and whether its machines can do the work."""
    import toolkit

    found = toolkit.describe_cluster(**shared)
    if run.json:
        run.emit(found.facts())
    else:
        run.show(repr(found))
    if found.problems:
        raise typer.Exit(1)
