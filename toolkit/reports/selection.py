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
    """Return the rows of these kinds: the paper's in its order, then references, then ours.

    References and ours, kind by kind, are sorted by a metric, the best last (where a terminal's
    prompt is) unless ``best_first``.
    """
    sign = -1 if best_first else 1

    def place(row: Row) -> tuple[int, float]:
        kind = KINDS.index(row.kind)
        value = row.metrics.get(key)
        return kind, 0.0 if row.kind == "paper" else sign * (-1.0 if value is None else value)

    return sorted((row for row in rows if row.kind in kinds), key=place)
