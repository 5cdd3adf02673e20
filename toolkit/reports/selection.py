"""Selection: which rows of a comparison are shown, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from toolkit.errors import check_choice
from toolkit.paper.results import LABELS
from toolkit.reports.comparison import KINDS, Row
from toolkit.statistics.further_metrics import FURTHER
from toolkit.storage.names import names_of


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


def parse_metrics(wanted: str | Iterable[str]) -> tuple[str, ...]:
    """Read names of further metrics; ``all`` is every one.

    Raises:
        UsageError: there is none of a name; all are listed.

    >>> parse_metrics("ece,brier"), parse_metrics("")
    (('ece', 'brier'), ())
    """
    names = tuple(names_of(wanted))
    for each in names:
        check_choice("metrics", each, (*FURTHER, "all"))
    return tuple(FURTHER) if "all" in names else names


def belonging(
    kinds: Sequence[str], labels: Sequence[str], paper: bool | None = None
) -> tuple[str, ...]:
    """Leave out the paper's rows where labels are not the paper's, unless they are asked for.

    >>> belonging(KINDS, ["cat"])[0], belonging(["paper"], ["cat"])
    ('reference', ('paper',))
    """
    if paper is None:
        paper = set(labels) == set(LABELS) or tuple(kinds) != KINDS
    return tuple(kind for kind in kinds if paper or kind != "paper")


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

    if not best_first:
        return sorted(
            kept,
            key=lambda row: (KINDS.index(row.kind), 0.0 if row.kind == "paper" else worth(row)),
        )
    last = ("reference", "paper")
    best = {
        kind: max(worth(row) for row in kept if row.kind == kind)
        for kind in {row.kind for row in kept}
    }

    def place(row: Row) -> tuple[int, float, int, float]:
        kind = KINDS.index(row.kind)
        if row.kind in last:
            return last.index(row.kind) + 1, 0.0, kind, 0.0 if row.kind == "paper" else -worth(row)
        return 0, -best[row.kind], kind, -worth(row)

    return sorted(kept, key=place)
