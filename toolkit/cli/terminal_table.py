"""A table as a person reads it: whole columns only, as many as the terminal is wide.

Figures are never cut and names are folded rather than shortened, since what is cut can be neither
read nor typed. Columns that do not fit are left out from the end, and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.pages.tables import Table

_NAMES, _TEXT, _LEAST, _HEAD = 26, 12, 8, 18
_LINES = 60


def terminal_table(
    table: Table, width: int, texts: Sequence[int] = (0,), rest: str = "--format csv holds all"
) -> tuple[Any, Any]:
    """Return a table of whole columns, the last ones left out where it is narrow, and its notes.

    Args:
        table: what is shown.
        width: of the terminal, in cells.
        texts: columns of text, set left and folded; the others hold figures.
        rest: where columns that are left out can be had.
    """
    from rich import box
    from rich import table as rich_table
    from rich.cells import cell_len
    from rich.text import Text

    from toolkit.errors import listed

    def wide(at: int) -> int:
        return max((cell_len(line[at]) for line in table.lines), default=0)

    words = [max(map(cell_len, (*head.split(), ""))) for head in table.heads]
    whole = [max(min(_HEAD, word), wide(at)) for at, word in enumerate(words)]
    least = [
        min(each, _TEXT if at else _NAMES) if at in texts else each for at, each in enumerate(whole)
    ]
    shown = len(whole)
    while shown > 2 and sum(least[:shown]) + shown > width:
        shown -= 1
    cut, left_out = table.first(shown), table.heads[shown:]
    least = least[:shown]
    if sum(least) + shown > width:
        least[0] = max(_LEAST, width - sum(least[1:]) - shown)
    for at in texts:
        if at < shown:
            least[at] += max(0, min(whole[at] - least[at], width - sum(least) - shown))
    drawn = rich_table.Table(
        title=Text(table.title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    for at, (head, each) in enumerate(zip(cut.heads, least, strict=True)):
        drawn.add_column(
            Text(head),
            justify="left" if at in texts else "right",
            overflow="fold",
            width=each,
            vertical="top" if at in texts else "bottom",
        )
    number = 0
    for group, lines in cut.groups.items():
        drawn.add_section()
        if group:
            drawn.add_row(Text(group, style="italic"))
        for line in lines:
            styles = ["bold" if (number, at) in table.best else "" for at in range(shown)]
            drawn.add_row(*map(Text, line, styles))
            number += 1
    notes = cut.notes
    if left_out:
        notes += f" Left out for want of width: {listed(left_out, 12)}; {rest}."
    return drawn, Text(notes.strip())


def figures_table(
    title: str,
    heads: Sequence[str],
    lines: Sequence[Sequence[str]],
    width: int,
    *,
    texts: Sequence[int] = (0,),
    keys: Sequence[str] = (),
    remark: str = "",
) -> tuple[Any, Any]:
    """Return lines as :func:`terminal_table` shows them; of very many the first and last ones.

    Args:
        title: what it shows.
        heads: of the columns.
        lines: cells as text.
        width: of the terminal, in cells.
        texts: columns of text; the others hold figures.
        keys: what each column shows; empty where all heads say it.
        remark: whatever else there is to explain.
    """
    from toolkit.pages.tables import Table

    groups: dict[str, Sequence[Sequence[str]]] = {"": lines}
    if len(lines) > _LINES:
        half = _LINES // 2
        groups = {"": lines[:half], "⋮": lines[-half:]}
        left_out = f"⋮: {len(lines) - 2 * half:,} of {len(lines):,} lines are left out here"
        remark = f"{left_out}; --json holds all. {remark}".strip()
    found = Table(title, heads, groups, keys or [""] * len(heads), remark=remark.rstrip("."))
    return terminal_table(found, width, texts, "--json holds all")


def shown(value: float | None, digits: int = 4, sign: str = "") -> str:
    """Return a figure as text; a dash where there is none.

    >>> shown(0.5, 2), shown(0.5, 2, "+"), shown(None)
    ('0.50', '+0.50', '–')
    """
    return "–" if value is None else f"{value:{sign}.{digits}f}"
