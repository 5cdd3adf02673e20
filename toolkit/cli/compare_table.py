"""A table as a person reads it: as many whole columns as the terminal is wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.pages.tables import Table

_NAMES, _HEAD = 26, 18


def terminal_table(table: Table, width: int) -> tuple[Any, Any]:
    """Return a table of whole columns, the last ones left out where it is narrow, and its notes."""
    from rich import box
    from rich import table as rich_table
    from rich.text import Text

    from toolkit.errors import listed

    widths = [
        max([min(_HEAD, max(map(len, (*head.split(), ""))))] + [len(line[at]) for line in lines])
        for lines in [table.lines]
        for at, head in enumerate(table.heads)
    ]
    shown = len(widths)
    while shown > 2 and sum(widths[1:shown]) + shown + min(widths[0], _NAMES) > width:
        shown -= 1
    cut, left_out = table.first(shown), table.heads[shown:]
    names = max(8, min(widths[0], width - sum(widths[1:shown]) - shown))
    drawn = rich_table.Table(
        title=Text(table.title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    drawn.add_column(cut.heads[0], overflow="fold", width=names)
    for head, wide in zip(cut.heads[1:], widths[1:], strict=False):
        drawn.add_column(
            Text(head), justify="right", overflow="fold", width=wide, vertical="bottom"
        )
    for group, lines in cut.groups.items():
        drawn.add_section()
        if group:
            drawn.add_row(Text(group, style="italic"))
        for line in lines:
            drawn.add_row(*map(Text, line))
    notes = cut.notes
    if left_out:
        notes += f" Left out for want of width: {listed(left_out, 12)}; --format csv holds all."
    return drawn, Text(notes)
