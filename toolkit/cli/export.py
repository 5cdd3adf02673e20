"""toolkit export: a model in a folder that needs no artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.command import command
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app)(export)


def export(
    run: Run,
    name: Annotated[str, typer.Argument(help="A member or an ensemble.")],
    folder: Annotated[Path, typer.Argument(help="The folder to write.")],
    format: Annotated[
        str,
        typer.Option(
            help="bundle for this toolkit; onnx, openvino or hf for others: one graph, compared "
            "with the member before it is written."
        ),
    ] = "bundle",
    precision: Annotated[
        str, typer.Option(help="fp32 or fp16: what a graph's weights are kept in.")
    ] = "fp32",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an exported folder.")
    ] = False,
    artifacts: Path | None = None,
    **shared: Any,
) -> None:
    """Write a folder that predicts on another machine without the artifacts, with a model card."""
    import toolkit

    done = toolkit.export(
        name,
        folder,
        format=format,
        precision=precision,
        overwrite=overwrite,
        artifacts=artifacts,
    )
    if run.json:
        run.emit(done.facts())
    else:
        run.show(repr(done))
