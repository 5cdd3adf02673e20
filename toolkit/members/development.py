"""Development scores: how well a member does on images that its models did not learn from.

The test images are left out: they are for :mod:`toolkit.reports`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.members.member import NOT_SCORED
from toolkit.members.predictions import ORIGINS, Predictions
from toolkit.statistics.metrics import score


def development_facts(dataset: Dataset, split: Split, predictions: Predictions) -> dict[str, Any]:
    """Return what a member scores on the development images.

    That is ``origin``, ``images``, ``labels_scored``, ``metrics`` and ``per_label``.

    Args:
        dataset: the images and labels that the predictions are of.
        split: names the development images.
        predictions: a member's; of images without any, ``origin`` is "none" and ``metrics`` empty.
    """
    row = {image: i for i, image in enumerate(dataset.ids)}
    inside = np.zeros(len(dataset), bool)
    inside[split.development] = True
    mine = [i for i, image in enumerate(predictions.ids) if inside[row[image]]]
    if not mine:
        return dict(NOT_SCORED)
    truth = dataset.Y[[row[predictions.ids[i]] for i in mine]]
    found = score(truth, predictions.scores[mine], labels=dataset.labels)
    return {
        "origin": ORIGINS[predictions.origin[mine[0]]],
        "images": len(mine),
        "labels_scored": found.labels_scored,
        "metrics": found.metrics,
        "per_label": found.per_label,
    }
