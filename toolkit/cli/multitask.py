"""toolkit multitask: labels and auxiliary tasks on one shared layer over frozen features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.command import FROZEN, command
from toolkit.cli.member_table import show_member
from toolkit.cli.run import Run

if TYPE_CHECKING:
    from toolkit.members.multitask import Ablation


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, FROZEN)(multitask)


def multitask(
    run: Run,
    aux: Annotated[
        str,
        typer.Option(
            help="Auxiliary tasks, comma-separated: cardinality, any, colour, single-channel, "
            "teacher:BACKBONE; or none."
        ),
    ] = "cardinality,any",
    weighting: Annotated[
        str, typer.Option(help="Of the tasks: uncertainty (learned), or fixed.")
    ] = "uncertainty",
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Train with and without each task; print the effects.")
    ] = False,
    seeds: Annotated[int, typer.Option(help="For --ablate: runs of each set.")] = 5,
    name: str | None = None,
    overwrite: bool = False,
    **shared: Any,
) -> None:
    """Fit one network for all labels that learns auxiliary tasks too, scored out of fold."""
    import toolkit
    from toolkit.errors import UsageError

    made: dict[str, Any] = {"name": name, "overwrite": overwrite}
    if not ablate:
        show_member(run, toolkit.multitask(aux=aux, weighting=weighting, **shared, **made))
        return
    if made != {"name": None, "overwrite": False}:
        raise UsageError("an ablation keeps no model: leave --name and --overwrite out")
    found = toolkit.ablate_tasks(aux=aux, weighting=weighting, seeds=seeds, **shared)
    if run.json:
        run.emit(found.facts())
    else:
        _show_ablation(run, found)


def _show_ablation(run: Run, found: Ablation) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"Auxiliary tasks on {found.title}: mAP without any {found.map_without_tasks:.4f}",
        title_justify="left",
    )
    table.add_column("")
    for column in ("mAP", "change", "95 %", "p (Holm)"):
        table.add_column(column, justify="right")
    for effect in found.effects:
        table.add_row(
            Text(effect.name),
            f"{effect.map:.4f}",
            f"{effect.difference:+.4f}",
            f"{effect.low:+.4f} to {effect.high:+.4f}",
            f"{effect.p:.3f}",
        )
    run.show(
        table,
        f"{found.effects[0].runs} runs, each with its own seed and fold held out of the "
        "development images, paired; the interval allows for shared training rows.",
    )
