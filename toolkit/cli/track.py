"""toolkit track: members as runs of a tracker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.command import MEMBERS, command
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, MEMBERS)(track)


def track(
    run: Run,
    to: Annotated[str, typer.Option(help="mlflow, wandb or tensorboard.")] = "mlflow",
    project: Annotated[
        str, typer.Option(metavar="NAME", help="What runs are kept under there.")
    ] = "toolkit",
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where files of tensorboard and wandb go. Default: tracking, in the artifacts.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A page of toolkit report to keep with each run."),
    ] = None,
    **shared: Any,
) -> None:
    """Log members to MLflow, Weights & Biases or TensorBoard: recipe, metrics, learning curves."""
    import toolkit

    done = toolkit.track(to=to, project=project, folder=folder, report=report, **shared)
    if run.json:
        run.emit(done.facts())
    else:
        run.show(repr(done))
