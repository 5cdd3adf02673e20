"""toolkit reproduce: run recipes, and end in the comparison with the paper."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from toolkit.cli.command import DATA, ON, command
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, ON, DATA)(reproduce)


def reproduce(
    run: Run,
    recipes: Annotated[
        list[str],
        typer.Argument(
            help="TOML files, recipes that ship (demo, paper, future/heads, ...), or results of "
            "the paper (table3/6)."
        ),
    ],
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke",
            help="Walk the whole path on 200 painted images (or --data) with a tiny network, in a "
            "folder of its own; the figures mean nothing.",
        ),
    ] = False,
    **shared: Any,
) -> None:
    """Run recipes; what is done is not done again, and a failed step does not stop the others."""
    import toolkit

    def show(step: dict[str, Any], result: Any) -> None:
        if not run.json:
            run.show(repr(result))

    done = toolkit.reproduce(recipes, smoke=smoke, on_step=show, **shared)
    if run.json:
        run.emit(done.facts())
    elif done.rows:
        from toolkit.cli.reproduction_table import future_table, reproduction_table

        width = run.console().width
        future = [future_table(done.future)] if done.future else []
        run.show(reproduction_table(done.rows, width), *future)
    if done.failed:
        run.say(f"{len(done.failed)} of {len(done.steps)} steps failed")
        raise typer.Exit(1)
