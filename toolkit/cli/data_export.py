"""toolkit data export: labels as a file that other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.command import DATA, command
from toolkit.cli.data import data as group
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to those of ``toolkit data``."""
    command(group, DATA)(export)


def export(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    format: Annotated[str, typer.Option(help="csv, coco, parquet, hf or fiftyone.")] = "csv",
    split: Annotated[
        str | None,
        typer.Option(
            help="paper, stratified, grouped or file: parts that go along; or none. Default: the "
            "split that came with the labels, if any did."
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Paths are relative to it. Default: the data set's own."),
    ] = None,
    images: Annotated[
        str, typer.Option(help="path, or bytes (in hf): the images themselves.")
    ] = "path",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
    **shared: Any,
) -> None:
    """Write labels, unknown ones too, with split and image paths, for other tools."""
    from toolkit import export_data

    done = export_data(
        out=out,
        format=format,
        split=split,
        root=root,
        images=images,
        overwrite=overwrite,
        **shared,
    )
    if run.json:
        run.emit(done.facts())
    else:
        run.show(repr(done))
