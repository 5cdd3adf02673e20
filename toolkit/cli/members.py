"""toolkit members: what was fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from toolkit.cli.command import command
from toolkit.cli.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app)(members)


def members(run: Run, artifacts: Path | None = None, **shared: Any) -> None:
    """List members and ensembles."""
    from rich.table import Table
    from rich.text import Text

    from toolkit import list_members

    found = list_members(artifacts=artifacts)
    if run.json:
        run.emit(
            [
                {"name": m.name, "kind": m.kind, "source": m.source, "path": str(m.folder)}
                for m in found
            ]
        )
        return
    if not found:
        run.show("no member yet: toolkit ovr --head linear")
        return
    table = Table("member", "kind", "made from", "images", "seconds")
    table.columns[0].overflow = "fold"  # a name that is cut cannot be typed
    for m in found:
        seconds = m.provenance().get("seconds", 0)
        table.add_row(
            Text(m.name), m.kind, Text(m.source), f"{len(m.scored.ids):,}", f"{seconds:.1f}"
        )
    run.show(table)
