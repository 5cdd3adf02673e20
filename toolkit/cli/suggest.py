"""toolkit suggest: which images to label next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.command import CROPS, DATA, FEATURES, MACHINE, SEED, VIEWS, WEIGHTS, command
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, FEATURES, WEIGHTS, VIEWS, CROPS, MACHINE, SEED, DATA)(suggest)


def suggest(
    run: Run,
    member: Annotated[str, typer.Option(metavar="NAME", help="Whose uncertainty counts.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many images.")] = 100,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a CSV file with all of them.")
    ] = None,
    **shared: Any,
) -> None:
    """Say which images to label next: uncertain to a member, unlike others, never of the test."""
    import toolkit

    found = toolkit.suggest(member=member, n=n, out=out, **shared)
    if run.json:
        run.emit(found.facts())
    else:
        run.put(f"{found!r}\n")
