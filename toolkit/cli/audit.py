"""toolkit audit: do these labels describe these images, and what else is wrong with the data?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.audit_tables import alignment_table, findings_table, published_table
from toolkit.cli.command import CROP, DATA, FEATURES, MACHINE, SEED, SPLIT, VIEWS, WEIGHTS, command
from toolkit.cli.run import Run

PRESENTATION = ("strict",)


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, FEATURES, WEIGHTS, VIEWS, CROP, SPLIT, MACHINE, SEED, DATA)(audit)


def audit(
    run: Run,
    paper: Annotated[
        bool, typer.Option("--paper", help="Examine the paper's printed rows; needs no data.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with pictures.")
    ] = None,
    group_duplicates: Annotated[
        bool,
        typer.Option(
            "--group-duplicates",
            help="Keep a split named grouped that tears no duplicates apart, nor do its folds.",
        ),
    ] = False,
    skip_files: Annotated[
        bool,
        typer.Option(
            "--skip-files", help="Decode no files: no duplicates, no damaged files are found."
        ),
    ] = False,
    permutations: Annotated[int, typer.Option(min=99, help="Of the alignment test.")] = 1999,
    top: Annotated[
        int, typer.Option(min=1, help="How many of the likeliest label errors to list.")
    ] = 50,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a finding is critical.")
    ] = False,
    **shared: Any,
) -> None:
    """Say whether labels describe their images; find duplicates, label errors and bad files."""
    import toolkit

    if paper:
        printed = toolkit.audit(paper=True, html=html)
        if run.json:
            run.emit(printed.facts())
        else:
            run.show(findings_table(printed.ranked), published_table(printed.rows))
        _leave(strict, printed.worst)
        return
    found = toolkit.audit(
        html=html,
        group_duplicates=group_duplicates,
        skip_files=skip_files,
        permutations=permutations,
        top=top,
        **shared,
    )
    if run.json:
        run.emit(found.facts() | {"html": html and str(html)})
    else:
        run.show(findings_table(found.ranked))
        if found.examined.alignment is not None:
            run.show(*alignment_table(found.examined.alignment, run.console().width))
        about = ", ".join(f"{name} {value}" for name, value in found.about.items())
        page = "" if html is None else f"; page: {html}"
        run.show(f"{found.dataset.name}: {len(found.dataset):,} images; {about}{page}")
    _leave(strict, found.worst)
    run.leave_if_skipped(found.skipped)


def _leave(strict: bool, gravest: str) -> None:
    if strict and gravest == "critical":
        raise typer.Exit(1)
