"""toolkit cluster: what a Ray cluster offers, and whether its machines can do the work."""

from __future__ import annotations

from typing import Any

import typer

from toolkit.cli.command import Group, command, option
from toolkit.cli.run import Run

_WHICH: Group = {
    "on": option(
        str,
        "ray",
        help="The cluster: ray (that of $RAY_ADDRESS, else of this machine), or ray://HOST:PORT.",
    )
}
_IMAGES: Group = {
    "data": option(
        str | None,
        None,
        metavar="NAME",
        help="Data set whose images the machines are asked for. Default: none.",
    )
}


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, _WHICH, _IMAGES)(cluster)


def cluster(run: Run, **shared: Any) -> None:
    """Say what a Ray cluster offers, and whether its machines can do the work.

    Each machine is asked for its version of the toolkit, whether it sees the artifacts folder and,
    with --data, the images; it ends with 1 where something is wrong.
    """
    import toolkit

    found = toolkit.describe_cluster(**shared)
    if run.json:
        run.emit(found.facts())
    else:
        run.show(repr(found))
    if found.problems:
        raise typer.Exit(1)
