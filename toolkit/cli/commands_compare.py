"""toolkit compare: the paper, reference rows and ours in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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

_COLUMNS = {
    "acc %": 5, "+/-": 5, "prec": 4, "rec": 4, "miF1": 5, "maF1": 5, "miF1t": 5, "maF1t": 5,
    "mAP": 5, "95 %": 11,
}  # fmt: skip
_SORT = ("map", "accuracy", "macro_precision", "macro_recall", "macro_f1", "micro_f1", "auroc")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(compare)


def compare(
    members: Annotated[
        str, typer.Option("--members", help="Names or globs, comma-separated.")
    ] = "*",
    sort: Annotated[str, typer.Option("--sort", help=", ".join(_SORT))] = "map",
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
    """Compare the paper's rows, predictors that ignore the image, and ours on the test images."""
    from fnmatch import fnmatchcase

    from toolkit.data.shelf import get_split
    from toolkit.errors import MemberError, UsageError, listed
    from toolkit.members.member import list_members, load_member
    from toolkit.reports.comparison import compare as compare_rows

    run = Run.start(artifacts, json, quiet)
    if sort not in _SORT:
        raise UsageError(f"--sort is one of {', '.join(_SORT)}, not {sort!r}")
    dataset = run.dataset(data)
    part = get_split(dataset, split, run.artifacts)
    patterns = [pattern.strip() for pattern in members.split(",") if pattern.strip()]
    there = list_members(run.artifacts)
    chosen, others = [], []
    for name in there:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            member = load_member(run.artifacts, name)
            try:
                rows = compare_rows(dataset, part, [member], resamples=resamples, seed=seed)
                chosen.append(rows[-1])
            except MemberError:
                if name in patterns:  # asked for by its very name
                    raise
                others.append(name)
    unknown = [p for p in patterns if "*" not in p and "?" not in p and p not in there]
    if unknown:
        known = listed(there, 12) if there else "none yet"
        raise UsageError(f"no member named {listed(unknown)}; there are: {known}")
    if others:
        run.say(f"left out, made on another data set or split: {listed(others)}")
    shared = compare_rows(dataset, part, [])
    rows = _sorted([*shared, *chosen], sort)
    if run.json:
        document: dict[str, Any] = {"dataset": dataset.name, "split": split}
        run.emit(document | {"rows": [row.facts() for row in rows]})
        return
    images = len(part.test)
    title = f"{dataset.name}, split {split}: {images:,} test images"
    run.show(_table(rows, title, run.console().width))
    run.show(
        "T/§: the paper's table/row and section. acc: 1 - Hamming loss, as in the paper; +/-: its "
        "difference from always no, in points. prec, rec, miF1, maF1: at 0.5; miF1t, maF1t: at "
        "thresholds tuned on development images. 95 %: interval of mAP over resampled test images."
    )


def _sorted(rows: list[Row], key: str) -> list[Row]:
    """Keep the paper's rows in its order, then references, then ours, the best last."""
    order = {"paper": 0, "reference": 1}

    def place(row: Row) -> tuple[int, float]:
        group = order.get(row.kind, 2)
        value = row.metrics.get(key)
        return group, 0.0 if group == 0 else (value if value is not None else -1.0)

    return sorted(rows, key=place)


def _table(rows: list[Row], title: str, width: int) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False
    )
    names = max(20, width - sum(_COLUMNS.values()) - len(_COLUMNS))
    table.add_column("", no_wrap=True, overflow="ellipsis", width=names)
    for head, wide in _COLUMNS.items():
        table.add_column(head, justify="right", no_wrap=True, width=wide)
    none = next(row.metrics["accuracy"] for row in rows if row.name == "always no")
    groups = {"paper": 0, "reference": 1}
    previous = 0
    for row in rows:
        group = groups.get(row.kind, 2)
        if group != previous:
            table.add_section()
        previous, m = group, row.metrics
        tuned = row.tuned["metrics"] if row.tuned else {}
        accuracy = m["accuracy"]
        gap = None if accuracy is None or none is None else 100 * (accuracy - none)
        interval = row.ci.get("map")
        table.add_row(
            Text(_title(row), style="bold" if group == 2 else ""),
            _number(None if accuracy is None else 100 * accuracy, 2),
            "" if gap is None else f"{gap:+.1f}",
            _number(m["macro_precision"], 2),
            _number(m["macro_recall"], 2),
            _number(m["micro_f1"], 3),
            _number(m["macro_f1"], 3),
            _number(tuned.get("micro_f1"), 3),
            _number(tuned.get("macro_f1"), 3),
            _number(m["map"], 3),
            "" if interval is None else f"{interval[0]:.3f}-{interval[1]:.3f}",
        )
    return table


def _title(row: Row) -> str:
    """Name a row in one line: the paper's by table and row, ours with what it says of weights."""
    if row.kind == "paper":
        place = row.source.replace("Table ", "T").replace(", row ", "/").replace("Section ", "§")
        name = row.name.replace(" epochs", " ep").replace(", SGD", "")
        return f"{place:5} {name}"
    random = " (random weights)" if "(random weights)" in row.source else ""
    return row.name + random


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
