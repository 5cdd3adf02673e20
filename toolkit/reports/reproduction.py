"""Reproduction: each result of the paper beside what its protocol gives here, and mended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import MemberError
from toolkit.members.member import Member
from toolkit.paper import RESULTS, PaperResult
from toolkit.reports.comparison import Row, member_row
from toolkit.store import read_json

FIGURES = ("accuracy", "macro_precision", "macro_recall", "map")
PROTOCOLS = ("published", "corrected")


@dataclass(frozen=True)
class Reproduced:
    """One result of the paper and ours.

    Attributes:
        result: the paper's.
        published: what the published protocol measures here, faults and all, on test images with
            labels as it pairs them; None where it was not run.
        corrected: the same hyperparameters mended, on test images with their own labels.
        made_from: what each of the two was made from; it says so where weights are random.
    """

    result: PaperResult
    published: dict[str, Any] | None
    corrected: dict[str, Any] | None
    made_from: dict[str, str]

    def facts(self) -> dict[str, Any]:
        """Return the row as JSON-able facts."""
        paper = {name: getattr(self.result, name, None) for name in FIGURES}
        return {
            "key": self.result.key,
            "source": self.result.source,
            "name": self.result.name,
            "paper": paper,
            "published": self.published,
            "corrected": self.corrected,
            "made_from": self.made_from,
        }


def reproduced(dataset: Dataset, members: Iterable[Member]) -> list[Reproduced]:
    """Return every result of the paper with what members of this data set measured for it.

    Args:
        dataset: members of others are passed over.
        members: any; those that ``finetune --row`` made carry measurements.
    """
    found: dict[str, dict[str, Any]] = {protocol: {} for protocol in PROTOCOLS}
    sources: dict[str, dict[str, str]] = {protocol: {} for protocol in PROTOCOLS}
    for member in members:
        if member.kind != "finetuned" or member.predictions.dataset_digest != dataset.digest:
            continue
        notes = read_json(
            member.folder / "model" / "notes.json", f"the notes of member {member.name}"
        )
        protocol = notes.get("protocol")
        if protocol in found:
            found[protocol] |= notes["measured"]
            sources[protocol] |= dict.fromkeys(notes["measured"], member.source)
    return [
        Reproduced(
            result,
            found["published"].get(key),
            found["corrected"].get(key),
            {protocol: sources[protocol][key] for protocol in PROTOCOLS if key in found[protocol]},
        )
        for key, result in RESULTS.items()
    ]


def future_rows(dataset: Dataset, split: Split, members: Iterable[Member]) -> list[Row]:
    """Return the members that no row of the paper stands for, scored on the test images.

    Members of another data set or split are passed over. The best comes last.
    """
    rows = []
    for member in members:
        if member.recipe().get("protocol") in PROTOCOLS:
            continue
        try:
            rows.append(member_row(dataset, split, member, resamples=0))
        except MemberError:
            continue
    return sorted(rows, key=lambda row: row.metrics["map"] or 0.0)
