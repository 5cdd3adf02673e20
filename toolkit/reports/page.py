"""The report's page: the comparison and all that stands behind it, in one file."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from toolkit.auditing.evidence import evidence_text
from toolkit.auditing.findings import Finding
from toolkit.auditing.html import TEMPLATES
from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.finetuning.journal import read_journal
from toolkit.images.thumbnails import Thumbnails
from toolkit.members.held_out import held_out
from toolkit.members.member import Member
from toolkit.pages.page import page_environment
from toolkit.reports.comparison import Row, document
from toolkit.reports.data_figures import (
    co_occurrence,
    distribution_by_split,
    epoch_figures,
    label_distribution,
)
from toolkit.reports.drawing import Picture
from toolkit.reports.headline import finding, ranked_members
from toolkit.reports.mistakes import contact_sheets
from toolkit.reports.score_figures import (
    ensemble_weights,
    label_precision,
    member_correlation,
    precision_recall_curves,
    reliability,
    threshold_sweep,
)
from toolkit.reports.table import COLUMNS, cells, short_title
from toolkit.storage.files import natural_key
from toolkit.storage.toml import dump_toml

_SHOWN = 3
_SIDE = 112
_PICTURES = 2_500_000


@dataclass(frozen=True)
class Extras:
    """What a report shows besides the comparison.

    Attributes:
        facts: name to value, shown in the head.
        recipe: TOML that makes the members again.
        findings: of an audit; None where none was given.
    """

    facts: Mapping[str, str]
    recipe: str
    findings: Sequence[Finding] | None = None


def report_page(
    dataset: Dataset,
    split: Split,
    members: Sequence[Member],
    rows: Sequence[Row],
    artifacts: Path,
    extras: Extras,
    on_part: Callable[[int], None] | None = None,
) -> str:
    """Return the page.

    Args:
        dataset: the data set.
        split: whose test images the rows were scored on.
        members: those of the rows, in any order.
        rows: of :func:`toolkit.reports.comparison.compare`; the page shows no other figures of
            the test images' metrics, and holds them all as JSON.
        artifacts: where journals of training lie.
        extras: what else to show.
        on_part: called with 1 for each part made.
    """
    step = on_part or (lambda parts: None)
    figures: dict[str, list[Picture]] = {"data": [], "training": [], "scores": [], "members": []}
    for group, picture in _figures(dataset, split, members, rows, artifacts):
        figures[group].append(picture)
        step(1)
    best = _best(members, rows)
    sheets = {}
    if best:
        thumbnails = Thumbnails(dataset.paths, side=_SIDE, budget=_PICTURES)
        each = max(2, min(6, 100 // len(dataset.labels)))
        sheets = contact_sheets(dataset, held_out(dataset, split, best[0]), thumbnails, each)
        step(1)
    found = page_environment(Path(__file__).parent, TEMPLATES)
    found.filters["evidence"] = evidence_text
    # inside a script element only < could end it
    kept = json.dumps(document(dataset.name, split.name, rows), allow_nan=False).replace(
        "<", "\\u003c"
    )
    return found.get_template("report.html.j2").render(
        title=f"Report on {dataset.name}",
        facts={
            "images": f"{len(dataset):,}",
            "labels": str(len(dataset.labels)),
            "split": split.name,
            "test images": f"{len(split.test):,}",
            "toolkit": importlib.metadata.version("toolkit"),
            **extras.facts,
        },
        finding=finding(dataset.name, rows),
        columns=COLUMNS,
        groups=[
            (group, [(row, short_title(row), cells(row)) for row in each])
            for group, each in groupby(rows, key=lambda row: row.group)
        ],
        figures=figures,
        best=best[0].name if best else "",
        sheets=sheets,
        findings=extras.findings,
        dataset=dataset,
        members=[(member, member.provenance(), dump_toml(member.recipe())) for member in members],
        recipe=extras.recipe,
        document=kept.replace("<", "\\u003c"),
    )


def _best(members: Sequence[Member], rows: Sequence[Row]) -> list[Member]:
    by_name = {member.name: member for member in members}
    return [by_name[row.name] for row in ranked_members(rows) if row.name in by_name]


def _figures(
    dataset: Dataset, split: Split, members: Sequence[Member], rows: Sequence[Row], artifacts: Path
) -> Iterator[tuple[str, Picture]]:
    yield "data", label_distribution(dataset)
    yield "data", distribution_by_split(dataset, split)
    yield "data", co_occurrence(dataset)
    none = None
    if len(split.validation):
        none = 1 - float(dataset.Y[split.validation].mean())
    for picture in epoch_figures(_journals(members, artifacts), none):
        yield "training", picture
    best = _best(members, rows)
    if not best:
        return
    scored = {member.name: held_out(dataset, split, member) for member in best}
    first = {member.name: scored[member.name] for member in best[:_SHOWN]}
    shown = [row for row in ranked_members(rows) if row.name in first]
    yield "scores", label_precision(shown, dataset.labels)
    yield "scores", precision_recall_curves(first, shown, dataset.labels)
    yield "scores", threshold_sweep(dataset, split, best[0])
    yield "scores", reliability(first, dataset.labels)
    yield "members", member_correlation(scored)
    ensembles = [member for member in best if member.kind == "ensemble"]
    for member in ensembles[:_SHOWN]:
        yield "members", ensemble_weights(member, dataset.labels)
    if not ensembles:
        why = "Left out: there is no ensemble yet. toolkit ensemble --members all makes one."
        yield "members", Picture("Weights of an ensemble", "", "", why)


def _journals(members: Sequence[Member], artifacts: Path) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for member in members:
        folder = artifacts / "reports" / "training" / member.name
        files = sorted(folder.glob("*/metrics.jsonl"), key=lambda file: natural_key(str(file)))
        for file in files:
            lines = read_journal(file)
            if lines:
                name = member.name if len(files) == 1 else f"{member.name}, {file.parent.name}"
                found[name] = lines
    return found
