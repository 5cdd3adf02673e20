"""Held out: a member's scores of the test images, joined by id, or the reason there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import MemberError
from toolkit.members.member import Member
from toolkit.members.predictions import HELD_OUT, IN_SAMPLE
from toolkit.members.stale import said_other


@dataclass(frozen=True, eq=False)
class Scored:
    """Images with their labels and scores.

    Attributes:
        rows: ``int (n,)``, rows of the data set.
        truth: ``int8 (n, L)``; -1 is unknown.
        scores: ``float32 (n, L)``, by models that did not see the image.
    """

    rows: np.ndarray
    truth: np.ndarray
    scores: np.ndarray


def held_out(dataset: Dataset, split: Split, member: Member) -> Scored:
    """Return the test images that a member scored, in the data set's order.

    Raises:
        MemberError: the member belongs to another data set, or to another split: some test images
            have no held-out score.
    """
    predictions = member.scored
    if predictions.dataset_digest != dataset.digest:
        raise MemberError(said_other(member, dataset))
    scored = _scored(dataset, split.test, member)
    at = [predictions.row[dataset.ids[row]] for row in scored.rows]
    if not at or (predictions.origin[at] != HELD_OUT).any():
        raise MemberError(
            f"member {member.name} learned from images that split {split.name!r} holds for "
            "testing: compare it under the split it was made on"
        )
    return scored


def developed(dataset: Dataset, split: Split, member: Member) -> Scored:
    """Return the development images that a member scored without having learned from them."""
    scored = _scored(dataset, split.development, member)
    predictions = member.scored
    at = np.array([predictions.row[dataset.ids[row]] for row in scored.rows], np.int64)
    fair = predictions.origin[at] != IN_SAMPLE
    return Scored(scored.rows[fair], scored.truth[fair], scored.scores[fair])


def _scored(dataset: Dataset, rows: np.ndarray, member: Member) -> Scored:
    known = member.scored.row
    here = np.array([row for row in np.sort(rows) if dataset.ids[row] in known], np.int64)
    at = np.array([known[dataset.ids[row]] for row in here], np.int64)
    return Scored(here, dataset.Y[here], member.scored.scores[at])
