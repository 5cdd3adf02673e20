"""toolkit predict: new images scored with a member, an ensemble or an exported model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.command import DEVICE, ENGINE, ON, command
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, ENGINE, DEVICE, ON)(predict)


def predict(
    run: Run,
    images: Annotated[
        list[str],
        typer.Argument(
            help="Folders, images (also in a tar, or addresses), or CSV files that list images."
        ),
    ],
    model: Annotated[str, typer.Option(help="A member, an ensemble, or an exported folder.")],
    out: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet file, by its ending. Default: CSV on standard output."),
    ] = None,
    binary: Annotated[
        bool, typer.Option("--binary", help="Write 0 and 1 at the tuned thresholds.")
    ] = False,
    course_tsv: Annotated[
        bool,
        typer.Option(
            "--course-tsv", help="Write image numbers and 0/1 labels, tab-separated (.tsv)."
        ),
    ] = False,
    **shared: Any,
) -> None:
    """Score new images with a member or an ensemble; embeddings go through the cache."""
    import toolkit

    done = toolkit.predict(images, model, out=out, binary=binary, course_tsv=course_tsv, **shared)
    facts = done.facts()
    if out is None:
        with warnings.catch_warnings(action="ignore"):  # of images that are listed below
            frame = done.to_frame().dropna()
        facts |= {"predictions": frame.to_dict("records")}
    if run.json:
        run.emit(facts)
    elif out is None:
        run.put(frame.to_csv(index=False, float_format="%.7g", lineterminator="\n"))
    else:
        run.show(f"{done.images:,} images scored by {done.model} in {done.seconds:.1f} s", str(out))
    run.leave_if_skipped(done.skipped)
