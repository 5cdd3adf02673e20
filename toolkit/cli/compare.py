"""toolkit compare: the paper, reference rows and ours in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import (
    ArtifactsOption,
    DataOption,
    JsonOption,
    QuietOption,
    Run,
    SeedOption,
    SplitOption,
)

if TYPE_CHECKING:
    from toolkit.reports.comparison import Row

_FORMATS = ("rich", "json", "csv", "markdown", "latex")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(compare)


def compare(
    members: Annotated[
        str, typer.Option("--members", help="Names or globs, comma-separated.")
    ] = "*",
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="all, or some of paper, reference, head, multitask, finetuned, ensemble.",
        ),
    ] = "all",
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            help="map, accuracy, macro_precision, macro_recall, macro_f1, micro_f1 or auroc.",
        ),
    ] = "map",
    per_label: Annotated[
        bool, typer.Option("--per-label", help="Average precision of each label and member.")
    ] = False,
    form: Annotated[
        str, typer.Option("--format", help="rich, json, csv, markdown or latex (booktabs).")
    ] = "rich",
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="Write the table as a picture, too."),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            "--on", help="test, or development for out-of-fold scores to make choices by."
        ),
    ] = "test",
    resamples: Annotated[
        int, typer.Option("--resamples", help="Bootstrap resamples of the images; 0 for none.")
    ] = 1000,
    split: SplitOption = "paper",
    seed: SeedOption = 0,
    data: DataOption = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare the paper's rows, predictors that ignore the image, and ours on held-out images."""
    from toolkit.cli.chosen_rows import choose_rows
    from toolkit.cli.compare_table import compare_table, label_table, svg_width, write_svg
    from toolkit.data.split_store import get_split
    from toolkit.errors import UsageError
    from toolkit.reports.comparison import PARTS, document
    from toolkit.reports.selection import check_sort, ordered, parse_kinds
    from toolkit.reports.table import LEGEND

    if form not in _FORMATS:
        raise UsageError(f"--format is one of {', '.join(_FORMATS)}, not {form!r}")
    if on not in PARTS:
        raise UsageError(f"--on is one of {', '.join(PARTS)}, not {on!r}")
    run = Run.start(artifacts, json or form == "json", quiet)
    kinds = parse_kinds(kind)
    check_sort(sort)
    dataset = run.dataset(data)
    part = get_split(dataset, split, run.artifacts)
    chosen = choose_rows(
        run, dataset, part, members, kinds=kinds, on=on, resamples=resamples, seed=seed
    )
    rows = ordered(chosen.rows, sort, kinds)
    images = part.test if on == "test" else part.development
    title = f"{dataset.name}, split {split}: {len(images):,} {on} images"
    table = label_table if per_label else compare_table
    if svg is not None:
        write_svg(table(rows, title, svg_width()), f"toolkit compare --data {dataset.name}", svg)
        run.say(f"picture: {svg}")
    if run.json:
        run.emit(document(dataset, split, rows, on))
    elif form != "rich":
        run.put(_plain(form, per_label)(rows))
    else:
        run.show(table(rows, title, run.console().width))
        run.show(
            LEGEND
            if not per_label
            else f"pos: positives among the {on} images; AP with its "
            "95 % interval over resampled images; chance: AP of a random ranking."
        )


def _plain(form: str, per_label: bool) -> Callable[[Sequence[Row]], str]:
    from toolkit.reports import label_tables, table

    if per_label:
        return {
            "csv": label_tables.csv_labels,
            "markdown": label_tables.markdown_labels,
            "latex": label_tables.latex_labels,
        }[form]
    return {
        "csv": table.csv_table,
        "markdown": table.markdown_table,
        "latex": table.latex_table,
    }[form]
