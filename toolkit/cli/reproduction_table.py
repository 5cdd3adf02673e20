"""The table that reproduce ends in: the paper, its protocol here, corrected, and future work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.reports.comparison import Row
    from toolkit.reproduction.rows import Reproduced


_WIDE = {"paper": 16, "published": 18, "corrected": 18, "mAP": 6}


def reproduction_table(rows: Sequence[Reproduced], width: int = 100) -> Any:
    """Return one line a result: accuracy in percent and macro precision/recall, three times."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="The paper | its protocol as published, ours | the same corrected",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        caption="Accuracy %, macro precision/recall; mAP corrected. Published is measured as "
        "published, on labels paired by position. * random weights, † another network or other "
        "settings than the row's.",
        caption_justify="left",
    )
    names = max(20, width - sum(_WIDE.values()) - len(_WIDE))
    table.add_column("", no_wrap=True, overflow="ellipsis", width=names)
    for head, wide in _WIDE.items():
        table.add_column(head, justify="right", no_wrap=True, width=wide)
    for row in rows:
        paper = row.result
        printed = {
            "accuracy": paper.accuracy,
            "macro_precision": paper.macro_precision,
            "macro_recall": paper.macro_recall,
        }
        place = paper.source.replace("Table ", "T").replace(", row ", "/").replace("Section ", "§")
        table.add_row(
            Text(f"{place:5} {paper.name}"),
            _figures(printed),
            _figures(row.published, _star(row, "published")),
            _figures(row.corrected, _star(row, "corrected")),
            _number(row.corrected["map"] if row.corrected else None, 3),
        )
    return table


def future_table(rows: Sequence[Row]) -> Any:
    """Return one line a member that goes beyond the paper."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="Beyond the paper, on the same test images",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    table.add_column("", no_wrap=True, overflow="ellipsis")
    table.add_column("acc, prec/rec", justify="right", no_wrap=True)
    table.add_column("mAP", justify="right")
    for row in rows:
        star = "*" if "(random weights)" in row.source else ""
        table.add_row(
            Text(f"{row.name} ({row.kind})"),
            _figures(row.metrics, star),
            _number(row.metrics["map"], 3),
        )
    return table


def _star(row: Reproduced, protocol: str) -> str:
    if protocol not in row.made_from:
        return ""
    random = "(random weights)" in row.made_from[protocol]
    return ("*" if random else "") + ("" if protocol in row.exact else "†")


def _figures(values: Any, star: str = "") -> str:
    if values is None:
        return "–"
    accuracy = values["accuracy"]
    percent = "–" if accuracy is None else f"{100 * accuracy:.2f}"
    rates = "/".join(_number(values[key], 2) for key in ("macro_precision", "macro_recall"))
    return f" {percent} {rates}{star}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
