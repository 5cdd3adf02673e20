"""Tables of a comparison: its columns and cells, average precision by label, flat records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import listed_labels
from toolkit.pages.tables import Table
from toolkit.reports.comparison import Row
from toolkit.reports.differences import PAPER, PRINTED, REFERENCE
from toolkit.reports.headline import ranked_members
from toolkit.reports.pair_table import LEVEL, level_with_best
from toolkit.statistics.further_metrics import FURTHER
from toolkit.statistics.metrics import EXTRA, METRICS
from toolkit.statistics.resampling import FEWEST

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
    """A column: its head, what it shows, and its cell of a row."""

    head: str
    key: str
    cell: Callable[[Row], Cell]


def _metric(key: str, digits: int, scale: float = 1.0) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        value = row.metrics.get(key)
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


def _supported(row: Row) -> Cell:
    found = row.supported.get("map")
    if found is None or found["ci"] is None or row.ci.get("map") is not None:
        return Cell("supported.map.value", None, "")
    low, high = found["ci"]
    shown = f"{found['value']:.3f} ({found['labels']}) {low:.2f}-{high:.2f}"
    return Cell("supported.map.value", found["value"], shown)


def _deviation(row: Row) -> Cell:
    value = row.repeats.get("deviation", {}).get("map")
    return Cell("repeats.deviation.map", value, "" if value is None else f"{value:.3f}")


# the most telling first: a narrow table leaves out from the end
COLUMNS: tuple[Column, ...] = (
    Column("mAP", "mean average precision", _metric("map", 3)),
    Column("95 %", "its 95 % interval, for the population of images", _interval),
    Column("± seeds", "standard deviation of mAP over seeds", _deviation),
    Column(
        f"mAP ≥ {FEWEST}",
        f"over the labels with {FEWEST} positives or more, where others have too few for an "
        "interval, with its own",
        _supported,
    ),
    Column("accuracy %", "1 - Hamming loss, as in the paper", _metric("accuracy", 2, 100)),
    Column(
        "Δ chance",
        "accuracy above the best predictor that ignores the image, in points",
        _versus(REFERENCE, "accuracy", 2, 100),
    ),
    Column("precision", "macro average at 0.5", _metric("macro_precision", 2)),
    Column("recall", "macro average at 0.5", _metric("macro_recall", 2)),
    Column("macro-F1 tuned", "at thresholds tuned on development images", _tuned("macro_f1")),
    Column("micro-F1 tuned", "at the same thresholds", _tuned("micro_f1")),
    Column(
        "Δ paper",
        "accuracy above the paper's best, in points",
        _versus(PAPER, "accuracy", 2, 100),
    ),
    Column("macro-F1", "at 0.5", _metric("macro_f1", 3)),
    Column("micro-F1", "at 0.5", _metric("micro_f1", 3)),
    Column(
        "Δ mAP", "mAP above the best predictor that ignores the image", _versus(REFERENCE, "map", 3)
    ),
    Column("AUROC", "area under the ROC curve, mean over labels", _metric("auroc", 3)),
)
_OF_MAP = 4  # columns that are of mAP
_COMPARED = {
    *(f"metrics.{name}" for name in (*METRICS, *FURTHER)),
    *(f"tuned.metrics.{name}" for name in METRICS),
}
_LESS_IS_BETTER = {f"metrics.{name}" for name, each in FURTHER.items() if not each.higher}
_MARKS = {
    LEVEL: f"{LEVEL}: not distinguishable from the best member (p > 0.05 by the paired bootstrap "
    "of mAP, after Holm over all pairs of members)",
    "*": "*: Holm's p ≤ 0.05, paired bootstrap",
    "°": "°: the paper's best figure is outside the 95 % interval; it was measured on test images "
    "of its own, so no test",
    "–": "–: undefined or not printed",
}
_PAPERS = (
    "T, §: the paper's table and row, its section; frozen: its feature extraction, else "
    "fine-tuned; ep: epochs; pos_w: loss weighted by the share of positives; @: threshold"
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


def table_title(dataset: str, split: str, part: str, images: int, rows: Sequence[Row]) -> str:
    """Say what is compared on what, and so where a mean is not over all labels."""
    title = f"{dataset}, split {split}: {images:,} {part} images"
    for row in ranked_members(rows)[:1]:
        lacking = [label for label, each in row.per_label.items() if not each["support"]]
        known = len(row.per_label) - len(lacking)
        if not known:
            title += "; no label has positives here, so mAP, precision, recall and F1 are undefined"
        elif lacking:
            title += f"; mAP over {known} of {len(row.per_label)} labels"
            title += f", without positives here: {listed_labels(lacking)}"
    return title


def _remark(rows: Sequence[Row]) -> str:
    """Say what the paper's rows are abbreviated by, and why the best member has no interval."""
    said = [_PAPERS] if any(row.kind == "paper" for row in rows) else []
    said += [
        f"Means without an interval are over labels with too little: {row.ci_note}"
        for row in ranked_members(rows)[:1]
        if row.ci_note and row.ci.get("map") is None
    ]
    return ". ".join(said)


def shown_columns(rows: Sequence[Row]) -> list[Column]:
    """Return the columns in which a row has a figure, those of further metrics after mAP's."""
    asked = [
        Column(each.head, each.what, _metric(name, 3))
        for name, each in FURTHER.items()
        if any(name in row.metrics for row in rows)
    ]
    columns = (*COLUMNS[:_OF_MAP], *asked, *COLUMNS[_OF_MAP:])
    return [each for each in columns if any(each.cell(row).value is not None for row in rows)]


def comparison_table(rows: Sequence[Row], title: str) -> Table:
    """Return the table, rows under the headings of their groups."""
    columns, level = shown_columns(rows), level_with_best(rows)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    placed = [row for each in groups.values() for row in each]

    def line(row: Row) -> list[str]:
        cells = [column.cell(row).text for column in columns]
        if row.name in level and columns[0].head == "mAP":
            cells[0] += LEVEL
        return [short_title(row), *cells]

    return Table(
        title,
        ["", *(column.head for column in columns)],
        {name: [line(row) for row in each] for name, each in groups.items()},
        ["", *(column.key for column in columns)],
        _MARKS,
        _remark(rows),
        frozenset(
            (at, 1 + place)
            for place, column in enumerate(columns)
            for at, row in enumerate(placed)
            if row.name in best_by(column, rows)
        ),
    )


def best_by(column: Column, rows: Sequence[Row]) -> set[str]:
    """Return the members whose figure in a column is the best; none where there is one member."""
    cells = {row.name: column.cell(row) for row in ranked_members(rows)}
    known = {name: cell.value for name, cell in cells.items() if cell.value is not None}
    if len(known) < 2 or not all(cell.key in _COMPARED for cell in cells.values()):
        return set()
    of = min if next(iter(cells.values())).key in _LESS_IS_BETTER else max
    return {name for name, value in known.items() if value == of(known.values())}


def label_table(rows: Sequence[Row], title: str) -> Table:
    """Return average precision by label: a line for each label, a column for each member."""
    ours = ranked_members(rows)
    lines: list[list[str]] = []
    best: set[tuple[int, int]] = set()
    for label in ours[0].per_label if ours else ():
        aps = [row.per_label[label]["ap"] for row in ours]
        known = [ap for ap in aps if ap is not None]
        if len(known) > 1:
            best |= {(len(lines), 3 + at) for at, ap in enumerate(aps) if ap == max(known)}
        support = ours[0].per_label[label]["support"] or 0
        line = [label, f"{support:,}", f"{support / max(1, ours[0].images):.3f}"]
        for row in ours:
            pair = row.ap_ci.get(label)
            interval = "" if pair is None else f" {pair[0]:.2f}-{pair[1]:.2f}"
            line.append(number(row.per_label[label]["ap"], 3) + interval)
        lines.append(line)
    return Table(
        f"{title}: average precision by label",
        ["label", "positives", "chance", *(row.name for row in ours)],
        {"": lines},
        ["", "among these images", "average precision of a random ranking", *[""] * len(ours)],
        remark=f"With 95 % intervals where there are {FEWEST} positives or more; the best member "
        "first",
        best=frozenset(best),
    )


def records(rows: Sequence[Row], *, per_label: bool = False) -> list[dict[str, Any]]:
    """Return every figure of every row, flat: one record per row, or per row and label."""
    return [each for row in rows for each in (_of_labels(row) if per_label else [_of_row(row)])]


def _of_row(row: Row) -> dict[str, Any]:
    tuned, versus = (row.tuned or {}).get("metrics", {}), row.versus
    found: dict[str, Any] = {
        "name": row.name,
        "kind": row.kind,
        "group": row.group,
        "source": row.source,
        "images": row.images,
        "labels_scored": row.labels_scored,
    }
    asked = [name for name in FURTHER if name in row.metrics]
    found |= {key: row.metrics.get(key) for key in (*METRICS, *EXTRA, *asked)}
    for key in METRICS:
        found[f"{key}_low"], found[f"{key}_high"] = row.ci.get(key) or (None, None)
    found |= {f"tuned_{key}": tuned.get(key) for key in METRICS}
    for against, keys in ((REFERENCE, METRICS), (PAPER, PRINTED)):
        for key in keys:
            difference = versus.get(against, {}).get(key, {}).get("difference")
            found[f"above_{against}_{key}"] = difference
    return found | {
        f"p_holm_{key}": versus.get(REFERENCE, {}).get(key, {}).get("p_holm") for key in METRICS
    }


def _of_labels(row: Row) -> list[dict[str, Any]]:
    found = []
    for label, each in row.per_label.items():
        low, high = row.ap_ci.get(label) or (None, None)
        found.append(
            {"name": row.name, "kind": row.kind, "label": label, "images": row.images}
            | each
            | {"ap_low": low, "ap_high": high}
        )
    return found


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
    if row.kind != "paper":
        return row.name + " (random weights)" * ("(random weights)" in row.source)
    place = row.source.replace("Table ", "T").replace(", row ", "/").replace("Section ", "§")
    name = row.name
    for long, short in _SHORT.items():
        name = name.replace(long, short)
    return f"{place:5} {name}"
