"""Mistakes: for each label the test images that a member is most confident about and wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.images.thumbnails import Thumbnails
from toolkit.members.held_out import Scored
from toolkit.statistics.metrics import binarize

SURE = 0.5


@dataclass(frozen=True)
class Mistake:
    """One image on a contact sheet.

    Attributes:
        image: its id.
        kind: ``missed`` (labelled, low score), ``false alarm`` (not labelled, high score) or
            ``uncertain``.
        label: in question.
        score: the member's, for that label.
        given: the labels given, in words.
        predicted: labels with scores at or above their thresholds, in words.
        picture: a data address; empty where there is none.
    """

    image: str
    kind: str
    label: str
    score: float
    given: str
    predicted: str
    picture: str


def contact_sheets(
    dataset: Dataset,
    scored: Scored,
    thresholds: np.ndarray,
    picture: Thumbnails,
    each: int,
    most: int = 40,
) -> Iterator[tuple[str, list[Mistake]]]:
    """Yield each label with up to ``each`` false alarms and misses, the most confident first.

    A mistake is confident where the score is at least half way (``SURE``) from the label's
    threshold, of ``thresholds`` (L,), to 0 or 1. Labels without such mistakes are left out, and so
    are images of which a label is unknown; of more than ``most`` labels those with the most
    mistakes are looked at.
    """
    predicted = binarize(scored.scores, thresholds) == 1
    wrongs = ((predicted != (scored.truth == 1)) & (scored.truth >= 0)).sum(axis=0)
    for at in sorted(np.argsort(-wrongs, kind="stable")[:most].tolist()):
        label = dataset.labels[at]
        truth, threshold = scored.truth[:, at] == 1, float(thresholds[at])
        gap = scored.scores[:, at].astype(np.float64) - threshold
        # how far from the threshold to the end of the scale, in [0, 1]
        room = np.where(predicted[:, at], 1 - threshold, -threshold)
        sure = np.divide(gap, room, out=np.zeros_like(gap), where=room != 0)
        known = scored.truth[:, at] >= 0
        wrong = np.flatnonzero(known & (predicted[:, at] != truth) & (sure >= SURE))
        wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
        kinds = {"false alarm": wrong[~truth[wrong]], "missed": wrong[truth[wrong]]}
        found = [
            Mistake(
                dataset.ids[scored.rows[place]],
                kind,
                label,
                float(scored.scores[place, at]),
                dataset.carried(int(scored.rows[place])),
                _words(dataset.labels, predicted[place]),
                picture(int(scored.rows[place])),
            )
            for kind, places in kinds.items()
            for place in places[:each]
        ]
        if found:
            yield label, found


def most_uncertain(
    dataset: Dataset, scored: Scored, thresholds: np.ndarray, picture: Thumbnails, most: int = 12
) -> list[Mistake]:
    """Return images whose labels are the least certain: their scores lie nearest to thresholds.

    An image counts by the mean over labels of how close each score is to its threshold, 1 at the
    threshold and 0 at the end of the scale; named is the label that is closest.
    """
    gap = scored.scores.astype(np.float64) - thresholds
    room = np.where(gap >= 0, 1 - thresholds, thresholds)
    close = 1 - np.abs(np.divide(gap, room, out=np.zeros_like(gap), where=room > 0))
    predicted = binarize(scored.scores, thresholds) == 1
    order = np.argsort(-close.mean(axis=1), kind="stable")[:most].tolist()
    found = []
    for place in order:
        at, row = int(close[place].argmax()), int(scored.rows[place])
        found.append(
            Mistake(
                dataset.ids[row],
                "uncertain",
                dataset.labels[at],
                float(scored.scores[place, at]),
                _words(dataset.labels, scored.truth[place] == 1),
                _words(dataset.labels, predicted[place]),
                picture(row),
            )
        )
    return found


def _words(labels: tuple[str, ...], there: np.ndarray) -> str:
    return ", ".join(name for name, yes in zip(labels, there, strict=True) if yes) or "no label"
