"""Explorer: what a page needs to move thresholds and to look through the images that follow."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.images.sprites import ACROSS, SIDE, sprite_sheets
from toolkit.members.held_out import Scored
from toolkit.reports.embedding_map import EmbeddingMap, map_document
from toolkit.runtime.progress import Progress

IMAGES, LABELS, CELLS = 5000, 200, 400_000
_BUDGET = 4_000_000
_SCALE = 65535


def explorer_document(
    dataset: Dataset,
    scored: Mapping[str, Scored],
    thresholds: Mapping[str, np.ndarray],
    progress: Progress,
    mapped: Callable[[np.ndarray], EmbeddingMap | None] = lambda rows: None,
) -> dict[str, Any]:
    """Return labels, scores and small pictures of the test images that all members scored.

    Of very many images or labels some are left out, labels from the rarest; ``left_out`` says so.

    Args:
        dataset: with the images.
        scored: by member.
        thresholds: by member ``(L,)``.
        progress: where progress is shown.
        mapped: gives the map of rows of the data set, or None.
    """
    rows = np.sort(np.array(
        sorted(set.intersection(*(set(each.rows.tolist()) for each in scored.values()))), np.int64
    ))  # fmt: skip
    truth = dataset.Y[rows]
    labels = np.argsort(-(truth == 1).sum(axis=0), kind="stable")[:LABELS]
    labels = labels[(truth[:, labels] == 1).any(axis=0)]
    most = min(IMAGES, max(1, CELLS // max(1, len(labels))))
    # images spread over all of them
    kept = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64)]
    with progress.task("thumbnails", len(kept)) as task:
        sheets = sprite_sheets([dataset.paths[row] for row in kept], _BUDGET, task.advance)
    kept = kept[: len(sheets) * ACROSS * ACROSS]
    labels = np.sort(labels)
    plane = mapped(kept) if len(kept) else None
    left_out = []
    if len(kept) < len(rows):
        left_out.append(f"{len(kept):,} of {len(rows):,} test images, evenly spread, are here.")
    if len(labels) < len(dataset.labels):
        left_out.append(
            f"{len(labels):,} of {len(dataset.labels):,} labels are here; the others are rarer or "
            "have no positive among the test images."
        )
    return {
        "labels": [dataset.labels[at] for at in labels],
        "images": [dataset.ids[row] for row in kept],
        "truth": _packed(dataset.Y[np.ix_(kept, labels)].astype("i1")),
        "members": [
            {
                "name": name,
                "scores": _packed(_scores_of(each, kept)[:, labels]),
                "thresholds": [round(float(thresholds[name][at]), 5) for at in labels],
            }
            for name, each in scored.items()
        ],
        "scale": _SCALE,
        "sheets": sheets,
        "side": SIDE,
        "across": ACROSS,
        "left_out": " ".join(left_out),
        **({} if plane is None else {"map": map_document(plane, dataset, kept)}),
    }


def _scores_of(scored: Scored, rows: np.ndarray) -> np.ndarray:
    at = np.searchsorted(scored.rows, rows)
    return np.round(scored.scores[at].astype(np.float64) * _SCALE).astype("<u2")


def _packed(values: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(values.T).tobytes()).decode("ascii")
