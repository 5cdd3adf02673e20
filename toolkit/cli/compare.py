"""toolkit compare: the paper, reference rows and ours in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.command import DATA, MEMBERS, PAPER, SEED, SPLIT, command
from toolkit.cli.run import Run

PRESENTATION = ("per_label", "format", "svg", "pairs", "escape_formulas")
_FORMATS = ("rich", "json", "csv", "markdown", "latex")


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, MEMBERS, PAPER, SPLIT, SEED, DATA)(compare)


def compare(
    run: Run,
    kind: Annotated[
        str,
        typer.Option(
            help="all, or some of paper, reference, head, multitask, finetuned, ensemble."
        ),
    ] = "all",
    sort: Annotated[
        str,
        typer.Option(
            help="map, accuracy, macro_precision, macro_recall, macro_f1, micro_f1 or auroc."
        ),
    ] = "map",
    per_label: Annotated[
        bool, typer.Option("--per-label", help="Average precision of each label and member.")
    ] = False,
    format: Annotated[
        str, typer.Option(help="rich, json, csv, markdown or latex (booktabs).")
    ] = "rich",
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw mAP with intervals, too.")
    ] = None,
    part: Annotated[
        str,
        typer.Option(help="test, or development for out-of-fold scores to make choices by."),
    ] = "test",
    metrics: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Further ones: exact_match, sample_f1, micro_ap, ranking_ap, coverage_error, "
            "one_error, ece, brier; or all.",
        ),
    ] = "",
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Each member against each other, by mAP.")
    ] = False,
    escape_formulas: Annotated[
        bool,
        typer.Option(
            "--escape-formulas/--no-escape-formulas",
            help="In CSV, put ' before names that a spreadsheet would run.",
        ),
    ] = True,
    repeats: Annotated[
        str,
        typer.Option(help="each; or mean: one row of members that differ in their seed alone."),
    ] = "each",
    resamples: Annotated[
        int, typer.Option(help="Bootstrap resamples of the images; 0 for none.")
    ] = 1000,
    **shared: Any,
) -> None:
    """Compare the paper's rows, predictors that ignore the image, and ours on held-out images."""
    import toolkit
    from toolkit.cli.terminal_table import terminal_table
    from toolkit.errors import UsageError, check_choice

    check_choice("format", format, _FORMATS)
    found = toolkit.compare(
        kind=kind,
        sort=sort,
        part=part,
        metrics=metrics,
        repeats=repeats,
        resamples=resamples,
        **shared,
    )
    if svg is not None:
        found.to_svg(svg)
        run.say(f"picture: {svg}")
    if run.json or format == "json":
        run.emit(found.facts())
    elif format == "csv":
        run.put(found.to_csv(per_label=per_label, escape_formulas=escape_formulas))
    else:
        table = found.pairs() if pairs else found.table(per_label=per_label)
        if table is None:
            raise UsageError("pairs: expected two members or more that are resampled")
        if format == "rich":
            run.show(*terminal_table(table, run.console().width))
        else:
            run.put(table.to_latex() if format == "latex" else table.to_markdown())
