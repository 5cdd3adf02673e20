"""Selection: which rows of a comparison are shown, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from toolkit.errors import check_choice
from toolkit.reports.comparison import KINDS, Row
from toolkit.storage.names import names_of

SORTS = ("map", "accuracy", "macro_precision", "macro_recall", "macro_f1", "micro_f1", "auroc")


def parse_kinds(wanted: str | Iterable[str]) -> tuple[str, ...]:
    """Read ``paper,head`` or a list; ``all`` is every kind.

    Raises:
        UsageError: a kind is unknown; all are listed.

    >>> parse_kinds("paper, ensemble")
    ('paper', 'ensemble')
    """
    kinds = tuple(names_of(wanted))
    for each in kinds or ("",):
        check_choice("kind", each, (*KINDS, "all"))
    return KINDS if "all" in kinds else kinds


def ordered(
    rows: Sequence[Row], key: str = "map", kinds: Sequence[str] = KINDS, *, best_first: bool = False
) -> list[Row]:
    """Return the rows of these kinds, those of a kind together.

    The paper's come first, in its order, then references, then ours, kind by kind, sorted by a
    metric, the best last: where a terminal's prompt is. A page is read from its top: with
    ``best_first`` ours come first, the kind of the best member before the others, then references,
    then the paper's.
    """
    kept = [row for row in rows if row.kind in kinds]

    def worth(row: Row) -> float:
        value = row.metrics.get(key)
        return -1.0 if value is None else value

    def place(row: Row) -> tuple[int, float]:
        return KINDS.index(row.kind), 0.0 if row.kind == "paper" else worth(row)

    if not best_first:
        return sorted(kept, key=place)
    best: dict[str, float] = {}
    for row in kept:
        best[row.kind] = max(worth(row), best.get(row.kind, -1.0))
    last = ("reference", "paper")

    def turned(row: Row) -> tuple[int, float, int, float]:
        kind, value = place(row)
        ours = row.kind not in last
        rank = -1 if ours else last.index(row.kind)
        return rank, -best[row.kind] if ours else 0.0, kind, -value

    return sorted(kept, key=turned)
