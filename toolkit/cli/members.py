"""toolkit members: what was fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.command import command
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app)(members)


def members(
    run: Run,
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those made on this data set.")
    ] = None,
    artifacts: Path | None = None,
    **shared: Any,
) -> None:
    """List members and ensembles."""
    from rich.table import Table
    from rich.text import Text

    from toolkit import list_members

    found = list_members(data, artifacts=artifacts)
    if run.json:
        run.emit(
            [
                {
                    "name": m.name,
                    "kind": m.kind,
                    "source": m.source,
                    "dataset": m.dataset,
                    "path": str(m.folder),
                }
                for m in found
            ]
        )
        return
    if not found:
        run.show("no member yet: toolkit ovr --head linear")
        return
    table = Table("member", "kind", "made from", "data set", "images", "seconds")
    table.columns[0].overflow = "fold"  # a name that is cut cannot be typed
    for m in found:
        images, seconds = f"{len(m.scored.ids):,}", f"{m.provenance()['seconds']:.1f}"
        table.add_row(Text(m.name), m.kind, Text(m.source), m.dataset, images, seconds)
    run.show(table)
