"""Member against member: the matrix of differences, and which are level with the best."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.pages.tables import Table
from toolkit.reports.comparison import Row
from toolkit.reports.headline import ranked_members

ALPHA, LEVEL = 0.05, "≈"
_MOST = 12


def level_with_best(rows: Sequence[Row]) -> set[str]:
    """Return the names of members whose mAP is not distinguishable from the best one's.

    The best is the one that is best on these very images, so any of them may be as good.
    """
    ranked = ranked_members(rows)
    p = {
        name: each["p_holm"]
        for row in ranked[:1]
        for name, each in row.pairs.items()
        # with too few resamples nothing can be told apart, and nothing is said
        if (each.get("least") or 0) <= ALPHA
    }
    there = {row.name for row in ranked}
    return {name for name, value in p.items() if value is not None and value > ALPHA} & there


def pair_table(rows: Sequence[Row], title: str) -> Table | None:
    """Return differences in mAP, line less column; None for fewer than two members.

    Of very many members the best are shown.
    """
    ranked = ranked_members(rows)
    shown = [row for row in ranked if row.pairs][:_MOST]
    if len(shown) < 2:
        return None
    rest = f"; the best {len(shown)} of {len(ranked)} members" if len(shown) < len(ranked) else ""
    return Table(
        f"{title}: mAP of the line's member less that of the column's{rest}",
        ["", *(row.name for row in shown)],
        {"": [[row.name, *(_cell(row, other) for other in shown)] for row in shown]},
        [""] * (1 + len(shown)),
        {"*": f"*: p ≤ {ALPHA} by the paired bootstrap, after Holm over all pairs"},
        "In brackets 95 % intervals",
    )


def _cell(row: Row, other: Row) -> str:
    found = row.pairs.get(other.name)
    if found is None or found["difference"] is None:
        return "" if row is other else "–"
    p = found["p_holm"]
    sure = "*" if p is not None and p <= ALPHA else ""
    return f"{found['difference']:+.3f}{sure} [{found['low']:+.3f}, {found['high']:+.3f}]"
