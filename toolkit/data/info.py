"""What a data set holds: counts, prevalences, weights, sizes and splits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.paper.results import pos_weight


def describe(dataset: Dataset, splits: dict[str, Split]) -> dict[str, Any]:
    """Return the facts of ``toolkit data info`` as JSON-able values.

    Args:
        dataset: the data set.
        splits: name to split; for each the sizes and the positives per label are given.

    Returns:
        ``name``, ``root``, ``digest``, ``provenance``, ``images``, ``labels`` (positives,
        prevalence and pos_weight = negatives/positives each; pos_weight is None without
        positives), ``mean_prevalence``, ``labels_per_image``, ``unlabelled`` (images known to have
        no label), ``undecided`` (images without a known label of which some are unknown),
        ``unknown`` (share of cells), ``single_channel``, ``unreadable`` (images), ``metadata``
        (names), ``sizes`` (the ten commonest first), ``other_sizes`` (how many more) and ``splits``
        (images and positives of each part).
    """
    n = len(dataset)
    positive = dataset.Y == 1
    positives = positive.sum(axis=0, dtype=np.int64)
    known = (dataset.Y >= 0).sum(axis=0, dtype=np.int64)
    carried = np.flatnonzero(positives)
    odds = pos_weight(positives[carried], known[carried])
    weights = dict(zip(carried.tolist(), odds.tolist(), strict=True))
    sizes = Counter(f"{width}x{height}" for width, height in dataset.shapes.tolist() if width)
    return {
        "name": dataset.name,
        "root": str(dataset.root),
        "digest": dataset.digest,
        "provenance": dataset.provenance,
        "images": n,
        "labels": {
            label: {
                "positives": int(positives[j]),
                "prevalence": float(positives[j] / max(1, known[j])),
                "pos_weight": weights.get(j),
                **({} if known[j] == n else {"unknown": float(1 - known[j] / n)}),
            }
            for j, label in enumerate(dataset.labels)
        },
        "mean_prevalence": float(np.mean(positives / np.maximum(1, known))),
        "labels_per_image": float(positives.sum() / n),
        "unlabelled": int((dataset.Y == 0).all(axis=1).sum()),
        "undecided": int((~positive.any(axis=1) & (dataset.Y < 0).any(axis=1)).sum()),
        "unknown": float((dataset.Y < 0).mean()),
        "single_channel": sum(mode in ("L", "1", "LA", "I", "I;16", "F") for mode in dataset.modes),
        "unreadable": sum(mode == "" for mode in dataset.modes),
        "metadata": list(dataset.metadata),
        "sizes": dict(sizes.most_common(10)),
        "other_sizes": max(0, len(sizes) - 10),
        "splits": {
            name: {
                part: {
                    "images": len(rows),
                    "positives": dict(
                        zip(dataset.labels, positive[rows].sum(axis=0).tolist(), strict=True)
                    ),
                }
                for part, rows in (
                    ("train", split.train),
                    ("validation", split.validation),
                    ("test", split.test),
                )
            }
            for name, split in splits.items()
        },
    }
