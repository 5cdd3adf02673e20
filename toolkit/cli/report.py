"""toolkit report: one page to show a colleague."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.command import DATA, MEMBERS, PAPER, SEED, SPLIT, command
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, MEMBERS, PAPER, SPLIT, SEED, DATA)(report)


def report(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    audit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What toolkit audit --json printed, to be shown too."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep every figure there too, as SVG, PDF and PNG."),
    ] = None,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap resamples of the test images; 0 for none.")
    ] = 1000,
    **shared: Any,
) -> None:
    """Write the comparison and all that stands behind it as one HTML file that needs no network."""
    import toolkit

    done = toolkit.report(out=out, audit=audit, figures=figures, resamples=resamples, **shared)
    if run.json:
        run.emit(done.facts())
    else:
        count = len(done.members)
        run.show(
            f"{done.path}: {count} member{'' if count == 1 else 's'}, {done.bytes / 1e6:.1f} MB, "
            f"{done.seconds:.1f} s"
        )
