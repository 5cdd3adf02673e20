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
    sort: Annotated[
        str,
        typer.Option(
            help="map or another metric of development images, the highest first; or name."
        ),
    ] = "map",
    artifacts: Path | None = None,
    **shared: Any,
) -> None:
    """List members and ensembles."""
    from toolkit import list_members
    from toolkit.cli.terminal_table import figures_table, shown

    found = list_members(data, sort=sort, artifacts=artifacts)
    if run.json:
        run.emit(
            [{"name": name, "damaged": reason} for name, reason in found.damaged.items()]
            + [
                {
                    "name": m.name,
                    "kind": m.kind,
                    "source": m.source,
                    "dataset": m.dataset,
                    "split": m.split,
                    "map": m.metrics.get("map"),
                    "path": str(m.folder),
                }
                for m in found
            ]
        )
        return
    if not found and not found.damaged:
        run.show("no member yet: toolkit ovr --head linear")
        return
    run.show(
        *figures_table(
            "mAP: on development images that the member did not learn from",
            ["member", "data set", "split", "mAP", "kind", "made from", "images", "seconds"],
            [
                [
                    m.name,
                    m.dataset,
                    m.split,
                    shown(m.metrics.get("map"), 3),
                    m.kind,
                    m.source,
                    f"{len(m.scored.ids):,}",
                    f"{m.provenance()['seconds']:.1f}",
                ]
                for m in found
            ],
            run.console().width,
            texts=(0, 1, 2, 4, 5),
        )
    )
