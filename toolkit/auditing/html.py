"""The audit's page: findings, tables and contact sheets in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.auditing.duplicates import Pair
from toolkit.auditing.examine import Examination
from toolkit.auditing.findings import Finding, worst
from toolkit.auditing.label_errors import Suspect
from toolkit.data.dataset import Dataset
from toolkit.data.split import PARTS, Split
from toolkit.images.thumbnails import BUDGET, Thumbnails
from toolkit.pages.page import page_environment

TEMPLATES = Path(__file__).parent
FIRST = 50
_PAIRS = 40
_PART = {code: name for name, code in PARTS.items() if name != "val"}


def audit_page(
    examined: Examination,
    dataset: Dataset,
    split: Split,
    facts: Mapping[str, Any],
    budget: int = BUDGET,
) -> str:
    """Return the page of an examination.

    Args:
        examined: what was found.
        dataset: the data set, whose files the contact sheets show.
        split: its split.
        facts: name to value, shown in the head; such as features, permutations, seconds.
        budget: of characters for pictures.
    """
    picture = Thumbnails(dataset.paths, budget=budget)
    carried = _Carried(dataset)
    by_label: dict[str, list[dict[str, Any]]] = {}

    def cells(suspects: Iterable[Suspect]) -> list[dict[str, Any]]:
        return [
            vars(suspect)
            | {
                "image": dataset.ids[suspect.row],
                "carries": carried(suspect.row),
                "part": _PART[int(split.part[suspect.row])],
                "picture": picture(suspect.row),
            }
            for suspect in suspects
        ]

    first = cells(examined.suspects[:FIRST])
    pairs = [] if examined.duplicates is None else examined.duplicates.pairs[:_PAIRS]
    beside = [_beside(pair, dataset, split, carried, picture) for pair in pairs]
    for cell in cells(examined.by_label):
        by_label.setdefault(cell["label"], []).append(cell)
    return _render(
        title=f"Audit of {dataset.name}",
        findings=examined.findings,
        facts={"images": f"{len(dataset):,}", "labels": len(dataset.labels), **facts},
        alignment=examined.alignment,
        noise=examined.noise,
        first=first,
        by_label=dict(sorted(by_label.items())),
        pairs=beside,
        all_pairs=0 if examined.duplicates is None else len(examined.duplicates.pairs),
    )


def published_page(findings: Sequence[Finding], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of the published scores; ``rows`` as of ``published_rows``."""
    return _render(
        title="Audit of the published scores", findings=findings, facts={}, published=rows
    )


def _render(*, title: str, findings: Sequence[Finding], **parts: Any) -> str:
    nothing = dict.fromkeys(("alignment", "noise", "first", "by_label", "pairs", "published"))
    return (
        page_environment(TEMPLATES)
        .get_template("page.html.j2")
        .render(title=title, findings=findings, worst=worst(findings), **(nothing | parts))
    )


class _Carried:
    """The labels of an image, in words."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __call__(self, row: int) -> str:
        given = zip(self._dataset.labels, self._dataset.Y[row], strict=True)
        return ", ".join(name for name, yes in given if yes) or "no label"


def _beside(
    pair: Pair, dataset: Dataset, split: Split, carried: _Carried, picture: Thumbnails
) -> dict[str, Any]:
    sides = [
        {
            "image": dataset.ids[row],
            "part": _PART[int(split.part[row])],
            "carries": carried(row),
            "picture": picture(row),
        }
        for row in (pair.first, pair.second)
    ]
    return vars(pair) | {
        "sides": sides,
        "apart": sides[0]["part"] != sides[1]["part"],
        "differ": sides[0]["carries"] != sides[1]["carries"],
    }
