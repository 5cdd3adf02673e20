"""toolkit report: one page to show a colleague."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

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

_PARTS = 12


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(report)


def report(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    members: Annotated[
        str, typer.Option("--members", help="Names or globs, comma-separated.")
    ] = "*",
    audit: Annotated[
        Path | None,
        typer.Option(
            "--audit", metavar="FILE", help="What toolkit audit --json printed, to be shown too."
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option("--resamples", help="Bootstrap resamples of the test images; 0 for none.")
    ] = 1000,
    split: SplitOption = "paper",
    seed: SeedOption = 0,
    data: DataOption = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write the comparison and all that stands behind it as one HTML file that needs no network."""
    from toolkit.cli.chosen_rows import choose_rows
    from toolkit.cli.reproduce import step_options
    from toolkit.data.split_store import get_split
    from toolkit.errors import UsageError
    from toolkit.pages.page import write_page
    from toolkit.reports.audited import kept_findings
    from toolkit.reports.comparison import KINDS, document
    from toolkit.reports.page import Extras, report_page
    from toolkit.reports.redo import redo_recipe
    from toolkit.reports.selection import ordered

    run = Run.start(artifacts, json, quiet)
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder: give a file's name")
    began = time.perf_counter()
    dataset = run.dataset(data)
    findings = None if audit is None else kept_findings(audit, dataset.name)
    part = get_split(dataset, split, run.artifacts)
    chosen = choose_rows(run, dataset, part, members, kinds=KINDS, resamples=resamples, seed=seed)
    rows = ordered(chosen.rows, best_first=True)
    root: Any = context.find_root().command
    with run.progress("drawing") as (start, advance):
        start(_PARTS)
        page = report_page(
            dataset,
            part,
            chosen.members,
            rows,
            run.artifacts,
            Extras(
                {"resamples": f"{resamples:,}", "seed": str(seed)},
                redo_recipe(chosen.members, step_options(root)),
                findings,
            ),
            on_part=advance,
        )
    write_page(page, out.absolute())
    seconds = time.perf_counter() - began
    size = len(page.encode())
    if run.json:
        made = {"path": str(out), "bytes": size, "seconds": round(seconds, 3)}
        run.emit(made | document(dataset, split, rows))
    else:
        run.show(
            f"{out}: {len(chosen.members)} members of {dataset.name}, {size / 1e6:.1f} MB, "
            f"{seconds:.1f} s"
        )
