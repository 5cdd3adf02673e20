"""The comparison as a person reads it: grouped, and as wide as the terminal allows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.reports.comparison import Row

_NAMES = 26


def compare_table(rows: Sequence[Row], title: str, width: int) -> Any:
    """Return a table; where it is narrow, the last of ``COLUMNS`` are left out."""
    from rich.text import Text

    from toolkit.reports.table import COLUMNS, cells, short_title

    lines = [(row, cells(row)) for row in rows]
    widths = [
        max([len(column.short), *(len(line[at].text) for _, line in lines)])
        for at, column in enumerate(COLUMNS)
    ]
    shown = len(COLUMNS)
    while shown > 1 and width - sum(widths[:shown]) - shown < _NAMES:
        shown -= 1
    longest = max([_NAMES, *(len(short_title(row)) for row in rows)])
    names = max(8, min(longest, width - sum(widths[:shown]) - shown))
    table = _table(title, names)
    for column, wide in zip(COLUMNS[:shown], widths, strict=False):
        table.add_column(column.short, justify="right", no_wrap=True, width=wide)
    for group, members in groupby(lines, key=lambda line: line[0].group):
        table.add_section()
        table.add_row(Text(group, style="italic"))
        for row, line in members:
            style = "" if row.kind in ("paper", "reference") else "bold"
            table.add_row(Text(short_title(row), style=style), *(c.text for c in line[:shown]))
    return table


def label_table(rows: Sequence[Row], title: str, width: int) -> Any:
    """Return average precision by label and member, the best members where not all fit."""
    from rich.text import Text

    from toolkit.reports.headline import ranked_members
    from toolkit.reports.table import number

    ours = ranked_members(rows)
    if not ours:
        return Text("no member to show labels of: toolkit ovr --head linear")
    labels = list(ours[0].per_label)
    names = max(5, *(len(label) for label in labels))
    wide = 18
    room = max(1, (width - names - 14) // (wide + 1))
    shown = ours[:room]
    more = f" (the best {len(shown)} of {len(ours)})" if len(shown) < len(ours) else ""
    table = _table(f"{title}: average precision by label{more}", names)
    table.add_column("pos", justify="right", width=5)
    table.add_column("chance", justify="right", width=6)
    for row in shown:
        table.add_column(
            _in_two_lines(row.name, wide), justify="right", width=wide, overflow="fold"
        )
    for label in labels:
        support = ours[0].per_label[label]["support"] or 0
        line = [f"{support:,}", f"{support / max(1, ours[0].images):.3f}"]
        for row in shown:
            pair = row.ap_ci.get(label)
            interval = "" if pair is None else f" {pair[0]:.2f}-{pair[1]:.2f}"
            line.append(number(row.per_label[label]["ap"], 3) + interval)
        table.add_row(Text(label), *line)
    return table


def _in_two_lines(name: str, wide: int) -> str:
    """Break a name at a hyphen where both parts fit; else cut its middle out."""
    from toolkit.reports.drawing import brief

    first, _, rest = name.partition("-")
    if len(name) <= wide:
        return name
    if len(first) < wide and 0 < len(rest) <= wide:
        return f"{first}-\n{rest}"
    short = brief(name, 2 * wide)
    return f"{short[:wide]}\n{short[wide:]}"


def legend(rows: Sequence[Row]) -> str:
    """Return what explains the table: of the paper's rows only where there are any."""
    from toolkit.reports.table import LEGEND

    if any(row.kind == "paper" for row in rows):
        return LEGEND
    return LEGEND[LEGEND.index("mAP:") :]


def _table(title: str, names: int) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False
    )
    table.add_column("", no_wrap=True, overflow="ellipsis", width=names)
    return table
