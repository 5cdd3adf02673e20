"""Heads on labels of which half the cells are hidden: ignored, taken for no, or fewer images.

    python bench/unknown.py --data NAME [--share 0.5] [--heads linear lightgbm mlp] [--out FILE]

The data set's features are embedded if they are not there. On the development images of its
``paper`` split, cells are hidden at random (one seed); each head is fitted five times over
(out of fold) on all cells, on the known cells (``unknown``), on the known cells with the hidden
ones taken for no (``no``), and on half the images with all their cells (``images``), which is the
same number of known cells. All are scored out of fold against all labels: mAP, with the paired
95 % bootstrap interval of its difference to ``images``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import toolkit as tk
from toolkit.data.split_store import get_folds, get_split
from toolkit.heads.registry import make_head
from toolkit.statistics.metrics import average_precision
from toolkit.storage.artifacts import artifacts_folder

RESAMPLES = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--heads", nargs="+", default=["linear", "lightgbm", "mlp"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    folder = artifacts_folder(None)
    photos = tk.embed(options.data, options.backbone).dataset
    X = tk.embed(photos, options.backbone).X
    split = get_split(photos, "paper", folder)
    fold = get_folds(photos, split, folder, 5).fold
    rows = split.development
    X, Y, fold = X[rows], photos.Y[rows].astype(np.int8), fold[rows]
    random = np.random.default_rng(options.seed)
    hidden = random.random(Y.shape) < options.share
    half = random.random(len(Y)) < options.share
    settings = {
        "all": Y,
        "unknown": np.where(hidden, -1, Y),
        "no": np.where(hidden, 0, Y),
        "images": np.where(half[:, None], -1, Y),
    }
    document: dict[str, Any] = {
        "data": {"images": len(Y), "labels": Y.shape[1], "hidden": options.share},
        "backbone": options.backbone,
        "heads": {
            head: measure(head, X, Y, fold, settings, options.seed) for head in options.heads
        },
    }
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def measure(
    name: str,
    X: np.ndarray,
    Y: np.ndarray,
    fold: np.ndarray,
    settings: dict[str, np.ndarray],
    seed: int,
) -> dict[str, Any]:
    head = make_head(name, random_state=seed)
    scores = {key: tk.cross_fit(head, X, labels, fold).scores for key, labels in settings.items()}
    random = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {key: [] for key in scores}
    for _ in range(RESAMPLES):
        at = random.integers(len(Y), size=len(Y))
        for key, S in scores.items():
            drawn[key].append(float(np.nanmean(average_precision(Y[at], S[at]))))
    base = np.array(drawn["images"])
    return {
        key: {
            "map": round(float(np.nanmean(average_precision(Y, S))), 4),
            "mean_score": round(float(S.mean()), 4),
            "over_images": [
                round(float(q), 4) for q in np.quantile(np.array(drawn[key]) - base, [0.025, 0.975])
            ],
        }
        for key, S in scores.items()
    }


if __name__ == "__main__":
    main()
