"""The audit's page: findings, tables and contact sheets in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.auditing.examine import Examination
from toolkit.auditing.findings import Finding, worst
from toolkit.auditing.verdicts import PART_NAMES
from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.images.thumbnails import BUDGET, Thumbnails
from toolkit.pages.page import page_environment

TEMPLATES = Path(__file__).parent
FIRST = 50
_PAIRS = 40


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

    def image(row: int) -> dict[str, str]:
        return {
            "image": dataset.ids[row],
            "part": PART_NAMES[int(split.part[row])],
            "carries": dataset.carried(row),
            "picture": picture(row),
        }

    # the budget is spent in this order
    first = [vars(each) | image(each.row) for each in examined.suspects[:FIRST]]
    found = [] if examined.duplicates is None else examined.duplicates.pairs
    pairs = [
        {"likeness": pair.likeness, "sides": [image(pair.first), image(pair.second)]}
        for pair in found[:_PAIRS]
    ]
    by_label: dict[str, list[dict[str, Any]]] = {}
    for each in examined.by_label:
        by_label.setdefault(each.label, []).append(vars(each) | image(each.row))
    return _render(
        title=f"Audit of {dataset.name}",
        findings=examined.findings,
        facts={"images": f"{len(dataset):,}", "labels": len(dataset.labels), **facts},
        alignment=examined.alignment,
        partly=bool((dataset.Y < 0).any()),
        noise=examined.noise,
        first=first,
        by_label=dict(sorted(by_label.items())),
        pairs=pairs,
        all_pairs=len(found),
    )


def published_page(findings: Sequence[Finding], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of the published scores; ``rows`` as of ``published_rows``."""
    return _render(
        title="Audit of the published scores", findings=findings, facts={}, published=rows
    )


def _render(*, title: str, findings: Sequence[Finding], **parts: Any) -> str:
    nothing = dict.fromkeys(
        ("alignment", "partly", "noise", "first", "by_label", "pairs", "published")
    )
    return page_environment(TEMPLATES).get_template("page.html.j2").render(
        title=title, findings=findings, worst=worst(findings), **(nothing | parts)
    )  # fmt: skip
