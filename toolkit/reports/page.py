"""The report's page: the comparison and all that stands behind it, in one file."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.auditing.findings import Finding
from toolkit.auditing.html import TEMPLATES
from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import DataError
from toolkit.finetuning.journal import read_journals
from toolkit.images.colours import SIDE, brightness, colour_statistics
from toolkit.images.pixel_store import PixelKey, decode_pixels
from toolkit.images.sources import Images
from toolkit.images.thumbnails import Thumbnails
from toolkit.members.held_out import developed, held_out
from toolkit.members.member import Member
from toolkit.pages.page import page_environment
from toolkit.reports import data_figures, score_figures
from toolkit.reports.comparison import Row, document
from toolkit.reports.drawing import Picture
from toolkit.reports.embedding_map import embedding_map
from toolkit.reports.explorer import explorer_document
from toolkit.reports.headline import headline, ranked_members
from toolkit.reports.label_details import COLUMNS as DETAILS
from toolkit.reports.label_details import KEY as DETAIL_KEY
from toolkit.reports.label_details import csv_address, label_details, shown_cells, tuned_or_half
from toolkit.reports.mistakes import Mistake, contact_sheets, most_uncertain
from toolkit.reports.pair_table import level_with_best, pair_table
from toolkit.reports.redo import redo_recipe
from toolkit.reports.slices import confusions, lifts, slices
from toolkit.reports.table import (
    best_by,
    comparison_table,
    short_title,
    shown_columns,
    table_title,
)
from toolkit.runtime.progress import Progress
from toolkit.storage.toml import dump_toml

_SHOWN = 3
_SIDE = 112
_PICTURES = 2_500_000
_LOOKED_AT = 20_000  # images that are decoded for their brightness: a minute
_FEW, _SHEETS = 200, 40
Part = tuple[str, Callable[[], Sequence[Picture]]]


def report_page(
    dataset: Dataset,
    split: Split,
    members: Sequence[Member],
    rows: Sequence[Row],
    artifacts: Path,
    *,
    facts: Mapping[str, str],
    findings: Sequence[Finding] | None = None,
    progress: Progress | None = None,
) -> str:
    """Return the page.

    Args:
        dataset: the data set.
        split: whose test images the rows were scored on.
        members: those of the rows, in any order.
        rows: of :func:`toolkit.reports.comparison.compared_rows`; the page shows no other figures
            of the test images' metrics, and holds them all as JSON.
        artifacts: where journals of training lie.
        facts: name to value, shown in the head besides those of the data.
        findings: of an audit; None where none was given.
        progress: where progress is shown.
    """
    by_name = {member.name: member for member in members}
    ranked = [row for row in ranked_members(rows) if row.name in by_name]
    best = [by_name[row.name] for row in ranked]
    parts = _data_parts(dataset, split, _journals(members, artifacts))
    parts += _score_parts(dataset, split, best, ranked[:_SHOWN]) if best else []
    figures: dict[str, list[Picture]] = {"data": [], "training": [], "scores": [], "members": []}
    progress = progress or Progress()
    with progress.task("drawing", len(parts) + 1) as task:
        for section, draw in parts:
            figures[section] += draw()
            task.advance()
        found = _looked_at(dataset, split, best[0], ranked[0]) if best else Looked()
        task.advance()
    shown = ranked[:_SHOWN]
    scores = {row.name: held_out(dataset, split, by_name[row.name]) for row in shown}
    details = {row.name: label_details(row, scores[row.name], dataset.labels) for row in shown}
    thresholds = {row.name: tuned_or_half(row, dataset.labels) for row in shown}
    mapped = partial(
        embedding_map, dataset, split.development, members=best + list(members), artifacts=artifacts
    )
    explored = explorer_document(dataset, scores, thresholds, progress, mapped) if shown else None
    of_best: tuple[Any, ...] = ()
    bright: np.ndarray | None = None
    if shown:
        of_best = dataset, scores[shown[0].name], thresholds[shown[0].name]
        with progress.task("brightness"):
            bright = _brightness(dataset, scores[shown[0].name].rows)
    title = table_title(dataset.name, split.name, "test", len(split.test), rows)
    table, columns = comparison_table(rows, title), shown_columns(rows)
    bold = [best_by(each, rows) for each in columns]
    pages = page_environment(Path(__file__).parent, TEMPLATES)
    kept = document(dataset.name, split.name, rows)
    return pages.get_template("report.html.j2").render(
        title=f"Report on {dataset.name}",
        facts={
            "images": f"{len(dataset):,}",
            "labels": str(len(dataset.labels)),
            "split": split.name,
            "test images": f"{len(split.test):,}",
            **({"unknown": f"{dataset.unknown.mean():.1%}"} if dataset.unknown.any() else {}),
            "toolkit": importlib.metadata.version("toolkit"),
            **facts,
        },
        headline=headline(dataset.name, rows, float((dataset.Y[split.test] < 0).mean())),
        table=table,
        columns=columns,
        groups=[
            (
                group,
                [
                    (
                        row,
                        short_title(row),
                        [
                            (each.cell(row), row.name in names)
                            for each, names in zip(columns, bold, strict=True)
                        ],
                    )
                    for row in own
                ],
            )
            for group, own in groupby(rows, key=lambda row: row.group)
        ],
        level=level_with_best(rows),
        figures=figures,
        best=best[0].name if best else "",
        pairs=pair_table(rows, dataset.name),
        details={
            name: [(each["label"], shown_cells(each)) for each in lines]
            for name, lines in details.items()
        },
        detail_heads=[head for _, head, _ in DETAILS if head],
        detail_key=DETAIL_KEY,
        details_csv=csv_address(details),
        slices=slices(*of_best, brightness=bright) if of_best else [],
        confusions=confusions(*of_best) if of_best else [],
        lifts=lifts(dataset),
        looked=found,
        explored=explored,
        explored_json=_in_a_script(explored),
        findings=findings,
        dataset=dataset,
        members=[(member, member.provenance(), dump_toml(member.recipe())) for member in members],
        recipe=redo_recipe(members),
        document=_in_a_script(kept),
    )


def _brightness(dataset: Dataset, rows: np.ndarray) -> np.ndarray | None:
    """Return the brightness of some images; None where one is gone, or they are very many."""
    if len(rows) > _LOOKED_AT:
        return None
    part = [[column[row] for row in rows.tolist()] for column in (dataset.ids, dataset.files)]
    images = Images(part[0], part[1], dataset.digests[rows], dataset.root)
    try:
        # not kept: a report writes its page and nothing else
        pixels, undecodable = decode_pixels(images, PixelKey(SIDE, SIDE))
    except DataError:
        return None  # the page shows which images cannot be read
    light = brightness(colour_statistics(pixels)[0])
    light[[image.digest.hex() in undecodable for image in images]] = np.nan
    return light


def _in_a_script(facts: Any) -> str:
    """Return JSON for a script element, which only < could end."""
    return json.dumps(facts, allow_nan=False).replace("<", "\\u003c")


@dataclass(frozen=True)
class Looked:
    """Images worth looking at: the most confident mistakes of each label, the most uncertain."""

    what: str = ""
    sheets: Mapping[str, list[Mistake]] = field(default_factory=dict)
    uncertain: Sequence[Mistake] = ()
    labels: str = ""


def _looked_at(dataset: Dataset, split: Split, best: Member, row: Row) -> Looked:
    thresholds = tuned_or_half(row, dataset.labels)
    thumbnails = Thumbnails(dataset.paths, side=_SIDE, budget=_PICTURES)
    each = max(2, min(6, 100 // len(dataset.labels)))
    scored, what = held_out(dataset, split, best), "Test images"
    others = developed(dataset, split, best)
    if len(scored.rows) < _FEW <= len(others.rows):
        what = (
            f"Development images scored out of fold, since there are only {len(scored.rows):,} "
            "test images,"
        )
        scored = others
    labels = ""
    if len(dataset.labels) > _SHEETS:
        labels = f"Of {len(dataset.labels):,} labels the {_SHEETS} with the most mistakes are here."
    sheets = contact_sheets(dataset, scored, thresholds, thumbnails, each, _SHEETS)
    return Looked(
        what,
        dict(sheets),
        most_uncertain(dataset, scored, thresholds, thumbnails),
        labels,
    )


def _data_parts(
    dataset: Dataset, split: Split, journals: dict[str, list[dict[str, Any]]]
) -> list[Part]:
    validation = dataset.Y[split.validation]
    known = validation[validation >= 0]
    none = 1 - float(known.mean()) if len(known) else None
    return [
        ("data", lambda: [data_figures.label_distribution(dataset)]),
        ("data", lambda: [data_figures.distribution_by_split(dataset, split)]),
        ("data", lambda: [data_figures.co_occurrence(dataset)]),
        ("training", lambda: data_figures.epoch_figures(journals, none)),
    ]


def _score_parts(
    dataset: Dataset, split: Split, best: Sequence[Member], rows: Sequence[Row]
) -> list[Part]:
    scored = {member.name: held_out(dataset, split, member) for member in best}
    first = {row.name: scored[row.name] for row in rows}
    known = (scored[best[0].name].truth >= 0).sum(axis=0)
    ensembles = [member for member in best if member.kind == "ensemble"][:_SHOWN]

    def weights() -> list[Picture]:
        if ensembles:
            return [score_figures.ensemble_weights(member, dataset) for member in ensembles]
        why = "Left out: there is no ensemble yet. toolkit ensemble --members all makes one."
        return [Picture("Weights of an ensemble", why)]

    return [
        ("scores", lambda: [score_figures.label_precision(rows, dataset.labels, known)]),
        ("scores", lambda: [score_figures.precision_recall_curves(first, dataset.labels)]),
        ("scores", lambda: [score_figures.threshold_sweep(dataset, split, best[0])]),
        ("scores", lambda: [score_figures.reliability(first, dataset.labels)]),
        ("members", lambda: [score_figures.member_correlation(scored)]),
        ("members", weights),
    ]


def _journals(members: Sequence[Member], artifacts: Path) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for member in members:
        runs = read_journals(artifacts, member.name)
        for run, lines in runs:
            found[member.name if len(runs) == 1 else f"{member.name}, {run}"] = lines
    return found
