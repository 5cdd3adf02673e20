"""Selection: which rows of a comparison are shown, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.errors import UsageError
from toolkit.reports.comparison import KINDS, Row

SORTS = ("map", "accuracy", "macro_precision", "macro_recall", "macro_f1", "micro_f1", "auroc")


def parse_kinds(text: str) -> tuple[str, ...]:
    """Read ``paper,head``; ``all`` is every kind.

    Raises:
        UsageError: a kind is unknown; all are listed.

    >>> parse_kinds("paper, ensemble")
    ('paper', 'ensemble')
    """
    kinds = tuple(each.strip() for each in text.split(",") if each.strip())
    unknown = [each for each in kinds if each not in (*KINDS, "all")]
    if unknown or not kinds:
        raise UsageError(f"--kind is all, or some of {', '.join(KINDS)}, not {text!r}")
    return KINDS if "all" in kinds else kinds


def check_sort(key: str) -> str:
    """Return a key to sort by, or raise UsageError."""
    if key not in SORTS:
        raise UsageError(f"--sort is one of {', '.join(SORTS)}, not {key!r}")
    return key


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
