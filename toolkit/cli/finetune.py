"""toolkit finetune: networks trained on the images, or their output layer on frozen features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.command import CROP, MAKES, ON, SET, SPLIT, UNKNOWN, WEIGHTS, command
from toolkit.cli.member_table import show_member
from toolkit.cli.run import Run
from toolkit.distribute.together import check_together

if TYPE_CHECKING:
    from toolkit.members.member import Member


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, UNKNOWN, SET, WEIGHTS, CROP, SPLIT, MAKES, ON, crop="full")(finetune)


def finetune(
    run: Run,
    backbone: Annotated[
        str | None, typer.Option(help="As for embed. Default: the row's, else the bundled one.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="published (faults and all), corrected, or modern.")
    ] = "modern",
    row: Annotated[
        str | None, typer.Option(help="A result of the paper to repeat, such as table3/6.")
    ] = None,
    pretrain: Annotated[
        str | None, typer.Option(help="finetune, feature-extract (frozen trunk), or none.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="focal, asl or bce.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam, adamw or rmsprop.")] = None,
    epochs: Annotated[int | None, typer.Option(min=0, help="Passes over the images.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the output layer.")] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Input side in pixels. Default: the backbone's.")
    ] = None,
    aux: Annotated[
        str,
        typer.Option(
            help="Auxiliary tasks, comma-separated: cardinality, any, colour, single-channel, "
            "teacher:BACKBONE, rotation; or none."
        ),
    ] = "none",
    weighting: Annotated[
        str, typer.Option(help="Of the tasks: uncertainty (learned), or fixed.")
    ] = "uncertainty",
    aux_weight: Annotated[
        float, typer.Option(min=0.0, help="Of each task where weights are fixed.")
    ] = 0.3,
    folds: Annotated[
        int, typer.Option(min=0, help="Train once per fold for out-of-fold scores; 0 for once.")
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that train each network together; with --on ray.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from the last checkpoint.")
    ] = True,
    tensorboard: Annotated[
        bool | None,
        typer.Option("--tensorboard/--no-tensorboard", help="Default: where it is installed."),
    ] = None,
    **shared: Any,
) -> None:
    """Fine-tune a network, or its output layer alone, and score what it did not learn from."""
    check_together(workers, shared["on"])  # the verb does too, after imports that take seconds
    import toolkit

    member = toolkit.finetune(
        backbone=backbone,
        protocol=protocol,
        row=row,
        pretrain=pretrain,
        loss=loss,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        size=size,
        aux=aux,
        weighting=weighting,
        aux_weight=aux_weight,
        folds=folds,
        workers=workers,
        resume=resume,
        tensorboard=tensorboard,
        **shared,
    )
    if not run.json:
        _show_measured(run, member)
    show_member(run, member)


def _show_measured(run: Run, member: Member) -> None:
    """Show what a protocol of the paper measures on the test images next to the paper's figures."""
    from rich.table import Table

    from toolkit.paper.results import result

    notes = member.notes()
    table = Table("result", "", "accuracy %", "precision", "recall")
    for key, ours in notes["measured"].items():
        found = result(key)
        printed = (found.accuracy, found.macro_precision, found.macro_recall)
        measured = (ours["accuracy"], ours["macro_precision"], ours["macro_recall"])
        for title, values in (("paper", printed), (notes["protocol"], measured)):
            cells = ("–" if v is None else f"{v:.4f}" for v in values[1:])
            percent = "–" if values[0] is None else f"{100 * values[0]:.2f}"
            table.add_row(key if title == "paper" else "", title, percent, *cells)
    if notes["measured"]:
        run.show(table)
