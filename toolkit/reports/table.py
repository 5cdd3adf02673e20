"""Table: the cells of a comparison, and its plain forms CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from toolkit.pages.escaping import csv_text, markdown, markdown_line, tex, tex_line
from toolkit.reports.comparison import Row
from toolkit.reports.differences import PAPER, REFERENCE
from toolkit.statistics.metrics import METRICS

ALPHA = 0.05


@dataclass(frozen=True)
class Cell:
    """One figure of a table.

    Attributes:
        key: where it stands in ``compare --json``, keys joined by dots.
        value: as it stands there; None where it is undefined or not published.
        text: as it is shown.
    """

    key: str
    value: float | None
    text: str


@dataclass(frozen=True)
class Column:
    """A column: its heads, short and long, and its cell of a row."""

    short: str
    title: str
    cell: Callable[[Row], Cell]


def _metric(key: str, digits: int, scale: float = 1.0) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        value = row.metrics[key]
        return Cell(f"metrics.{key}", value, number(value, digits, scale))

    return cell


def _tuned(key: str) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        value = row.tuned["metrics"][key] if row.tuned else None
        return Cell(f"tuned.metrics.{key}", value, number(value, 3))

    return cell


def _versus(against: str, key: str, digits: int, scale: float = 1.0) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        found = row.versus.get(against, {}).get(key)
        place = f"versus.{against}.{key}.difference"
        if found is None:
            return Cell(place, None, "")
        shown = f"{scale * found['difference']:+.{digits}f}"
        return Cell(place, found["difference"], shown + mark(found))

    return cell


def _interval(row: Row) -> Cell:
    pair = row.ci.get("map")
    shown = "" if pair is None else f"{pair[0]:.3f}-{pair[1]:.3f}"
    return Cell("ci.map.0", None if pair is None else pair[0], shown)


# the most telling first: a narrow table leaves out from the end
COLUMNS: tuple[Column, ...] = (
    Column("mAP", "mean average precision", _metric("map", 3)),
    Column("95 %", "its 95 % interval", _interval),
    Column("acc %", "accuracy (1 - Hamming loss), %", _metric("accuracy", 2, 100)),
    Column(
        "Δ chance",
        "accuracy above a predictor that ignores the image, points",
        _versus(REFERENCE, "accuracy", 2, 100),
    ),
    Column("prec", "macro precision at 0.5", _metric("macro_precision", 2)),
    Column("rec", "macro recall at 0.5", _metric("macro_recall", 2)),
    Column("macro-F1 tuned", "macro F1, tuned thresholds", _tuned("macro_f1")),
    Column("micro-F1 tuned", "micro F1, tuned thresholds", _tuned("micro_f1")),
    Column("Δ paper", "accuracy above the paper's best", _versus(PAPER, "accuracy", 2, 100)),
    Column("macro-F1", "macro F1 at 0.5", _metric("macro_f1", 3)),
    Column("micro-F1", "micro F1 at 0.5", _metric("micro_f1", 3)),
    Column("Δ mAP", "mAP above predictors that ignore the image", _versus(REFERENCE, "map", 3)),
    Column("AUROC", "area under the ROC curve", _metric("auroc", 3)),
)
LEGEND = (
    "T/§: the paper's table/row and section; frozen: its feature extraction, else fine-tuned; ep: "
    "epochs; pos_w: weighted loss; @: threshold. mAP: mean average precision with its 95 % "
    "interval over resampled images. acc: 1 - Hamming loss, as in the paper. prec, rec (macro), "
    "macro-F1, micro-F1: at 0.5; tuned: at thresholds tuned on development images. Δ chance, "
    "Δ mAP: accuracy and mAP above the best predictor that ignores the image (* Holm's p <= 0.05, "
    "paired bootstrap); Δ paper: accuracy above the paper's best figure (° outside the 95 % "
    "interval; its test images are others, so no test)."
)


_SHORT = {
    " epochs": " ep",
    ", SGD": "",
    " feature-extract": " frozen",
    " finetune": "",
    "pos_weight": "pos_w",
    ", threshold ": " @",
    ",": "",
}


def cells(row: Row) -> list[Cell]:
    """Return the cells of a row, one a column."""
    return [column.cell(row) for column in COLUMNS]


def mark(versus: dict[str, Any]) -> str:
    """Return ``*`` for a difference that is significant, ``°`` for a figure out of the interval."""
    if "outside" in versus:
        return "°" if versus["outside"] else ""
    p = versus["p_holm"]
    return "*" if p is not None and p <= ALPHA else ""


def number(value: float | None, digits: int, scale: float = 1.0) -> str:
    """Return a figure's text; a dash where there is none."""
    return "–" if value is None else f"{scale * value:.{digits}f}"


def short_title(row: Row) -> str:
    """Name a row in one line: the paper's by table and row, ours with what it says of weights."""
    if row.kind == "paper":
        place = row.source.replace("Table ", "T").replace(", row ", "/").replace("Section ", "§")
        name = row.name
        for long, short in _SHORT.items():
            name = name.replace(long, short)
        return f"{place:5} {name}"
    random = " (random weights)" if "(random weights)" in row.source else ""
    return row.name + random


def csv_table(rows: Sequence[Row]) -> str:
    """Return every figure of every row; what is undefined is empty."""
    heads = ["name", "kind", "group", "source", "images", *METRICS]
    heads += [f"{key}_{end}" for key in METRICS for end in ("low", "high")]
    heads += [f"tuned_{key}" for key in METRICS]
    differences = [(REFERENCE, key) for key in METRICS] + [
        (PAPER, key) for key in ("accuracy", "macro_precision", "macro_recall")
    ]
    heads += [f"above_{against}_{key}" for against, key in differences]
    heads += [f"p_holm_{key}" for key in METRICS]
    lines: list[list[Any]] = [heads]
    for row in rows:
        line: list[Any] = [row.name, row.kind, row.group, row.source, row.images]
        line += [row.metrics[key] for key in METRICS]
        for key in METRICS:
            line += row.ci.get(key) or [None, None]
        line += [row.tuned["metrics"][key] if row.tuned else None for key in METRICS]
        for against, key in differences:
            line.append(row.versus.get(against, {}).get(key, {}).get("difference"))
        line += [row.versus.get(REFERENCE, {}).get(key, {}).get("p_holm") for key in METRICS]
        lines.append(line)
    return csv_text(lines)


def markdown_table(rows: Sequence[Row]) -> str:
    """Return a Markdown table, groups as bold lines of their own."""
    heads = ["", *(column.short for column in COLUMNS)]
    lines = [markdown_line(heads), "|---|" + "---:|" * len(COLUMNS)]
    for group, members in _grouped(rows):
        lines.append(f"| **{markdown(group)}** |" + " |" * len(COLUMNS))
        lines += [
            markdown_line([short_title(row), *(cell.text for cell in cells(row))])
            for row in members
        ]
    return "\n".join([*lines, "", markdown(LEGEND)]) + "\n"


def latex_table(rows: Sequence[Row]) -> str:
    r"""Return a ``tabular`` for the package booktabs, groups apart by ``\midrule``."""
    lines = [
        f"\\begin{{tabular}}{{l{'r' * len(COLUMNS)}}}",
        r"\toprule",
        tex_line(["", *(column.short for column in COLUMNS)]),
    ]
    for group, members in _grouped(rows):
        lines.append(r"\midrule")
        lines.append(f"\\multicolumn{{{len(COLUMNS) + 1}}}{{l}}{{\\emph{{{tex(group)}}}}} \\\\")
        lines += [
            tex_line([short_title(row), *(cell.text for cell in cells(row))]) for row in members
        ]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _grouped(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    for group, members in groupby(rows, key=lambda row: row.group):
        yield group, list(members)
