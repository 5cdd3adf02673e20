"""Each result of the paper next to what its protocol gives here, published and corrected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import MemberError
from toolkit.finetuning.protocols import backbone_of, settings_for
from toolkit.members.member import Member
from toolkit.paper.results import RESULTS, PaperResult, result
from toolkit.reports.comparison import Row, member_row
from toolkit.storage.files import read_json

FIGURES = ("accuracy", "macro_precision", "macro_recall", "map")
PROTOCOLS = ("published", "corrected")


@dataclass(frozen=True)
class Reproduced:
    """One result of the paper and ours.

    Attributes:
        result: the paper's.
        published: what the published protocol measures here, faults and all, on test images with
            labels as it pairs them; None where it was not run.
        corrected: the same hyperparameters without the faults, on test images with their labels.
        made_from: what each of the two was made from; it says so where weights are random.
        exact: protocols whose network and settings were the row's own. Where no member has them, a
            member that was asked for the row with others stands in, the first by name.
    """

    result: PaperResult
    published: dict[str, Any] | None
    corrected: dict[str, Any] | None
    made_from: dict[str, str]
    exact: tuple[str, ...]

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
            "exact": list(self.exact),
        }


def reproduced(dataset: Dataset, members: Iterable[Member]) -> list[Reproduced]:
    """Return every result of the paper with what members of this data set measured for it.

    Args:
        dataset: members of others are passed over.
        members: any; those that ``finetune --row`` made carry measurements.
    """
    found: dict[tuple[str, str], _Found] = {}
    for member in members:
        if member.kind != "finetuned" or member.scored.dataset_digest != dataset.digest:
            continue
        notes = read_json(
            member.folder / "model" / "notes.json", f"the notes of member {member.name}"
        )
        protocol = notes.get("protocol")
        if protocol not in PROTOCOLS:
            continue
        exact = bool(notes["measured"]) and _is_exact(member, notes)
        for key, measured in notes["measured"].items():
            there = found.get((protocol, key))
            if there is None or (exact and not there.exact):
                found[protocol, key] = _Found(measured, member.source, exact)
    return [_reproduced(key, found) for key in RESULTS]


@dataclass(frozen=True)
class _Found:
    measured: dict[str, Any]
    source: str
    exact: bool


def _reproduced(key: str, found: Mapping[tuple[str, str], _Found]) -> Reproduced:
    mine = {protocol: found[protocol, key] for protocol in PROTOCOLS if (protocol, key) in found}
    published, corrected = (
        mine[protocol].measured if protocol in mine else None for protocol in PROTOCOLS
    )
    return Reproduced(
        RESULTS[key],
        published,
        corrected,
        {protocol: each.source for protocol, each in mine.items()},
        tuple(protocol for protocol, each in mine.items() if each.exact),
    )


def _is_exact(member: Member, notes: Mapping[str, Any]) -> bool:
    """Tell whether a member is what its row is: network, weights, settings, split, pictures."""
    recipe = member.recipe()
    paper = result(recipe["row"])
    weights = "none" if paper.pretrain == "scratch" else "default"
    return (
        recipe["backbone"] == backbone_of(paper)
        and recipe["weights"] == weights
        and notes["settings"] == settings_for(notes["protocol"], recipe["row"]).facts()
        and recipe["split"] == "paper"
        and recipe["crop"] == "full"
        and not recipe["folds"]
        and recipe.get("size") is None
        and "aux" not in recipe
    )


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
