"""Embedding map: test images as points, alike ones near each other, with their training neighbours.

The plane is that of the two main directions of the training images' embeddings (principal
components, fitted on them alone). Neighbours are those of the largest cosine, in all dimensions:
two points may touch in the plane and be far apart.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.errors import ArtifactError
from toolkit.features.key import CacheKey
from toolkit.features.matrix import FeatureMatrix, gather
from toolkit.members.member import Member

TRAINING, NEIGHBOURS = 20_000, 3
_FITTED, _BLOCK, _SCALE, _LABELS = 5_000, 512, 65_535, 5


@dataclass(frozen=True)
class EmbeddingMap:
    """Where images lie in a plane, and their nearest training images.

    Attributes:
        rows: ``(m,)`` of the data set, of the images that have embeddings.
        places: ``float (m, 2)``, each axis between 0 and 1.
        near: ``(m, NEIGHBOURS)``, rows of the nearest training images, the nearest first.
        cosines: of these.
        explained: share of the training embeddings' variance in the plane.
        title: of the embeddings.
        searched: how many training images were looked through.
    """

    rows: np.ndarray
    places: np.ndarray
    near: np.ndarray
    cosines: np.ndarray
    explained: float
    title: str
    searched: int


def embedding_map(
    dataset: Dataset,
    development: np.ndarray,
    rows: np.ndarray,
    *,
    members: Sequence[Member],
    artifacts: Path,
) -> EmbeddingMap | None:
    """Return the map of some images by stored embeddings, None where none are stored.

    Args:
        dataset: with the images.
        development: rows to fit on and to look through; of many, ``TRAINING`` evenly spread.
        rows: of the images to show.
        members: the first whose embeddings are there decides whose are taken.
        artifacts: where they are kept.
    """
    at = np.linspace(0, len(development) - 1, min(TRAINING, len(development))).round()
    learned = np.unique(development[at.astype(np.int64)])
    wanted = np.concatenate([learned, rows])
    stored = _stored(dataset.digests[wanted], members, artifacts)
    if stored is None:
        return None
    known = wanted[stored.rows]
    training = stored.rows < len(learned)
    if training.sum() <= NEIGHBOURS or training.all():
        return None
    X = stored.X / np.maximum(np.linalg.norm(stored.X, axis=1, keepdims=True), 1e-12)
    T, Q = X[training], X[~training]
    places, explained = _plane(T, Q)
    near, cosines = _nearest(Q, T)
    return EmbeddingMap(
        rows=known[~training],
        places=places,
        near=known[training][near],
        cosines=cosines,
        explained=explained,
        title=stored.title,
        searched=int(training.sum()),
    )


def _stored(
    digests: np.ndarray, members: Sequence[Member], artifacts: Path
) -> FeatureMatrix | None:
    for member in members:
        facts = member.notes().get("keys") if (member.folder / "model").is_dir() else None
        if facts:
            try:
                return gather(digests, [CacheKey.from_facts(each) for each in facts], artifacts)
            except ArtifactError:
                continue  # its store was taken away
    return None


def _plane(training: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, float]:
    from sklearn.decomposition import PCA

    each = max(1, len(training) // _FITTED)
    found = PCA(2, svd_solver="randomized", random_state=0).fit(training[::each])
    places = found.transform(shown)
    low, high = places.min(axis=0), places.max(axis=0)
    explained = float(found.explained_variance_ratio_.sum())
    return (places - low) / np.maximum(high - low, 1e-12), explained


def _nearest(shown: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    near = np.empty((len(shown), NEIGHBOURS), np.int64)
    cosines = np.empty((len(shown), NEIGHBOURS), np.float32)
    for start in range(0, len(shown), _BLOCK):
        block = shown[start : start + _BLOCK] @ training.T
        first = np.argpartition(-block, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        values = np.take_along_axis(block, first, axis=1)
        order = np.lexsort((first, -values), axis=1)
        near[start : start + _BLOCK] = np.take_along_axis(first, order, axis=1)
        cosines[start : start + _BLOCK] = np.take_along_axis(values, order, axis=1)
    return near, cosines


def map_document(found: EmbeddingMap, dataset: Dataset, rows: np.ndarray) -> dict[str, Any]:
    """Return what a page needs of a map.

    Args:
        found: the map.
        dataset: names images and labels.
        rows: of the images that the page holds, ascending, in the order that it numbers them.
    """
    kept = np.isin(found.rows, rows)
    number = np.searchsorted(rows, found.rows[kept])
    near = found.near[kept]
    training, places = np.unique(near, return_inverse=True)
    cosines = np.clip(found.cosines[kept].reshape(-1), 0, 1)
    return {
        "title": found.title,
        "explained": round(found.explained, 4),
        "searched": found.searched,
        "number": _packed(number, "<u2"),
        "x": _packed(np.round(found.places[kept, 0] * _SCALE), "<u2"),
        "y": _packed(np.round(found.places[kept, 1] * _SCALE), "<u2"),
        "each": NEIGHBOURS,
        "near": _packed(places.reshape(-1), "<i4"),
        "cosines": _packed(np.round(cosines * _SCALE), "<u2"),
        "training": [dataset.ids[row] for row in training.tolist()],
        "labels": [_labels_of(dataset, row) for row in training.tolist()],
    }


def _labels_of(dataset: Dataset, row: int) -> str:
    carried = np.flatnonzero(dataset.Y[row] == 1).tolist()
    shown = ", ".join(dataset.labels[at] for at in carried[:_LABELS])
    more = len(carried) - _LABELS
    return (shown or "no label") + (f" and {more} more" if more > 0 else "")


def _packed(values: np.ndarray, kind: str) -> str:
    return b64encode(values.astype(kind).tobytes()).decode("ascii")
