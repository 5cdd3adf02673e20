"""Mistakes: for each label the test images that a member is most confident about and wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.images.thumbnails import Thumbnails
from toolkit.members.held_out import Scored


@dataclass(frozen=True)
class Mistake:
    """One image on a contact sheet.

    Attributes:
        image: its id.
        kind: ``missed`` (labelled, low score) or ``false alarm`` (not labelled, high score).
        label: in question.
        score: the member's, for that label.
        carries: the labels given, in words.
        says: labels with a score of 0.5 or more, in words.
        picture: a data address; empty where there is none.
    """

    image: str
    kind: str
    label: str
    score: float
    carries: str
    says: str
    picture: str


def contact_sheets(
    dataset: Dataset, scored: Scored, picture: Thumbnails, each: int
) -> dict[str, list[Mistake]]:
    """Return, for each label, up to ``each`` false alarms and misses, the most confident first."""
    sheets: dict[str, list[Mistake]] = {}
    for at, label in enumerate(dataset.labels):
        truth, scores = scored.truth[:, at] == 1, scored.scores[:, at]
        alarms = np.flatnonzero(~truth & (scores >= 0.5))
        missed = np.flatnonzero(truth & (scores < 0.5))
        alarms = alarms[np.argsort(-scores[alarms], kind="stable")][:each]
        missed = missed[np.argsort(scores[missed], kind="stable")][:each]
        found = [
            Mistake(
                image=dataset.ids[scored.rows[place]],
                kind=kind,
                label=label,
                score=float(scores[place]),
                carries=_words(dataset.labels, scored.truth[place] == 1),
                says=_words(dataset.labels, scored.scores[place] >= 0.5),
                picture=picture(int(scored.rows[place])),
            )
            for kind, places in (("false alarm", alarms), ("missed", missed))
            for place in places
        ]
        if found:
            sheets[label] = found
    return sheets


def _words(labels: tuple[str, ...], given: np.ndarray) -> str:
    return ", ".join(name for name, yes in zip(labels, given, strict=True) if yes) or "none"
