"""The verb export: a model in a folder that predicts without the artifacts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.ensembles.thresholds import tuned_thresholds
from toolkit.errors import counted
from toolkit.inference.bundle import export_bundle
from toolkit.inference.card import model_card
from toolkit.inference.model import made_on, member_of
from toolkit.inference.scorers import in_artifacts, open_scorer
from toolkit.members.member import Member
from toolkit.runtime.arguments import checked


@dataclass(frozen=True, repr=False)
class Exported:
    """A folder with a model.

    Attributes:
        name: the model's name.
        path: the folder.
        members: names of the members in it.
        bytes: its size.
    """

    name: str
    path: Path
    members: tuple[str, ...]
    bytes: int

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit export --json``."""
        return {
            "name": self.name,
            "path": str(self.path),
            "members": list(self.members),
            "bytes": self.bytes,
        }

    def __repr__(self) -> str:
        """Return what matters in a line."""
        models = counted(len(self.members), "model")
        return f"{self.name} with {models}, {self.bytes / 1e6:.1f} MB ({self.path})"


@checked
def export(
    name: str | Member,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    artifacts: str | os.PathLike[str] | None = None,
) -> Exported:
    """Write a folder that predicts on another machine without the artifacts, with a model card.

    Args:
        name: of a member or an ensemble, or one in hand.
        folder: to write; it must not exist, unless it is an exported one.
        overwrite: replace an exported folder that holds something else.
        artifacts: where everything is kept.

    Raises:
        UsageError: there is no member of this name, or the folder is in the way.
        MemberError: the member was made on another data set, or has no scores to tune thresholds.
    """
    member, place = member_of(name, artifacts), Path(folder)
    find = in_artifacts(member.artifacts)
    scorer = open_scorer(find, member.name)  # what cannot predict here cannot predict elsewhere
    dataset, split = made_on(member)
    tuned = tuned_thresholds(member, dataset, split)
    members = export_bundle(
        find,
        member.name,
        place,
        thresholds=dict(zip(dataset.labels, tuned.per_label.tolist(), strict=True)),
        card=model_card(member, dataset, split, tuned, scorer.stores, scorer.pictures),
        overwrite=overwrite,
    )
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    return Exported(member.name, place, tuple(members), size)
