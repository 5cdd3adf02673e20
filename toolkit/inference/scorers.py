"""Scorers by kind of member, from the artifacts folder or from an exported one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from toolkit.ensembles.fit import restore
from toolkit.errors import MemberError
from toolkit.inference.frozen import HeadScorer
from toolkit.inference.scorer import Batch, Parts, Scorer
from toolkit.members.member import load_member, load_state
from toolkit.statistics.links import logits

Find = Callable[[str], Parts]


def open_scorer(find: Find, name: str, precision: str | None = None) -> Scorer:
    """Return the scorer of a member or an ensemble.

    Args:
        find: gives a member's parts by name: :func:`in_artifacts`, or an exported folder's.
        name: which member.
        precision: that fine-tuned networks multiply in, ``bf16`` or ``fp32``; None for their own.

    Raises:
        UsageError: there is none of this name.
        MemberError: a member is no longer the one that an ensemble was made from.
    """
    parts = find(name)
    if parts.kind == "ensemble":
        return EnsembleScorer(parts, find, precision)
    if parts.kind == "finetuned":  # torch is imported for those alone
        from toolkit.inference.network import FinetunedScorer

        return FinetunedScorer(parts, precision)
    return HeadScorer(parts)


class EnsembleScorer:
    """Scores of the members, combined and calibrated.

    Args:
        parts: of an ensemble.
        find: gives its members' parts.
        precision: see :func:`open_scorer`.

    Attributes:
        members: their scorers, in the order in which they are combined.
        combiner: fitted.
        calibration: fitted.
    """

    def __init__(self, parts: Parts, find: Find, precision: str | None = None) -> None:
        self.labels = parts.labels
        facts = parts.notes
        for name in facts["members"]:
            if find(name).digest != facts["digests"][name]:
                raise MemberError(
                    f"member {name} was made again since ensemble {parts.name} learned on it: make "
                    "the ensemble again, with overwrite=True (--overwrite)"
                )
        self.members = [open_scorer(find, name, precision) for name in facts["members"]]
        stores = {store.key.hex: store for member in self.members for store in member.stores}
        self.stores = tuple(stores.values())
        self.pictures = tuple(
            dict.fromkeys(each for member in self.members for each in member.pictures)
        )
        states = {name: load_state(parts.folder, name) for name in ("combiner", "calibration")}
        self.combiner, self.calibration = restore(facts, states)

    def score(self, batch: Batch) -> np.ndarray:
        """Return calibrated probabilities."""
        each = np.stack([member.score(batch) for member in self.members], axis=1)
        known = ~np.isnan(each).any(axis=(1, 2))
        scores = np.full((len(each), len(self.labels)), np.nan, np.float32)
        scores[known] = self.calibration.apply(self.combiner.combine(logits(each[known])))
        return scores


def in_artifacts(artifacts: Path) -> Find:
    """Return what finds members' parts in an artifacts folder."""
    known: dict[str, Parts] = {}

    def find(name: str) -> Parts:
        if name not in known:
            member = load_member(artifacts, name)
            known[name] = Parts(
                name=name,
                kind=member.kind,
                source=member.source,
                labels=member.scored.labels,
                digest=member.scored.digest,
                folder=member.folder / "model",
                recipe=member.recipe(),
                notes=member.notes(),
            )
        return known[name]

    return find
