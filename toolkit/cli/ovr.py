"""toolkit ovr: one-vs-rest heads on frozen features."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from toolkit.cli.command import FROZEN, ON, UNKNOWN, command
from toolkit.cli.member_table import show_member
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, UNKNOWN, FROZEN, ON)(ovr)


def ovr(
    run: Run,
    head: Annotated[str, typer.Option(help="linear, mlp or lightgbm.")] = "linear",
    class_weight: Annotated[str, typer.Option(help="none, balanced or pos_weight.")] = "none",
    loss: Annotated[str | None, typer.Option(help="For mlp: focal, asl or bce.")] = None,
    seeds: Annotated[int | None, typer.Option(help="For mlp: initialisations to average.")] = None,
    **shared: Any,
) -> None:
    """Fit one-vs-rest heads for all labels on frozen features, scored out of fold."""
    import toolkit

    member = toolkit.ovr(head=head, class_weight=class_weight, loss=loss, seeds=seeds, **shared)
    show_member(run, member)
