"""What training makes of unknown labels: ignored, taken for no, or selectively; heads and a stack.

    python bench/unknown_training.py --data NAME [--images N] [--heads linear mlp] [--out FILE]

The data set's features are embedded if they are not there. Learned is on the training images of its
``paper`` split (or N of them, drawn once), out of fold in three folds; scored are its validation
and test images, by the mean over the folds' models and against all labels. Cells of the training
images are hidden in two ways: half of all at random (``random``); or so that half the yes are known
and a tenth of the no (``verified``), as where mostly what was found was confirmed. ``all`` hides
nothing. The stack learns from the same known cells. mAP, and 95 % intervals of differences to
``ignore`` from paired resamples of the scored images. FILE is written after each setting.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import toolkit as tk
from toolkit.data.split_store import get_split
from toolkit.data.stratify import iterative_stratification
from toolkit.ensembles.fit import fit_ensemble
from toolkit.ensembles.join import Joined
from toolkit.heads.partial_labels import UNKNOWN
from toolkit.heads.registry import make_head
from toolkit.statistics.links import logits
from toolkit.statistics.metrics import mean_average_precision
from toolkit.statistics.resampling import draw_metrics
from toolkit.storage.artifacts import artifacts_folder

FOLDS, RESAMPLES = 3, 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--images", type=int)
    parser.add_argument("--heads", nargs="+", default=["linear", "lightgbm", "mlp"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    made = tk.embed(options.data, options.backbone)
    photos, split = made.dataset, get_split(made.dataset, "paper", artifacts_folder(None))
    train = split.train
    if options.images:
        train = np.sort(np.random.default_rng(0).permutation(train)[: options.images])
    rest = np.concatenate([split.validation, split.test])
    rows, truth = np.concatenate([train, rest]), photos.Y[rest]
    fold = np.full(len(rows), -1)
    share = np.full(FOLDS, 1 / FOLDS)
    fold[: len(train)] = iterative_stratification(photos.Y[train], share, seed=0)
    results: dict[str, Any] = {}
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name, Y, unknown in settings(photos.Y[rows].astype(np.int8), len(train), options.seeds):
        began = time.perf_counter()
        scores[name] = scored(made.X[rows], Y, fold, unknown, photos.labels, options.heads)
        base = scores.get(name.rpartition(" ")[0] + " ignore", scores[name])
        results[name] = {
            head: compared(truth, own, base[head]) for head, own in scores[name].items()
        }
        print(name, results[name], f"{time.perf_counter() - began:.0f} s", flush=True)
        document = {
            "learned_from": len(train),
            "scored": len(rest),
            "labels": len(photos.labels),
            "backbone": options.backbone,
            "folds": FOLDS,
            "settings": results,
        }
        if options.out:
            options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def settings(
    Y: np.ndarray, learned: int, seeds: list[int]
) -> Iterator[tuple[str, np.ndarray, str]]:
    """Yield each setting's name, labels and what training makes of those unknown."""
    yield "all", Y, "ignore"
    for seed in seeds:
        random = np.random.default_rng(seed)
        first, second = random.random(Y.shape), random.random(Y.shape)
        seen = np.where(Y == 1, first < 0.5, second < 0.1)
        for way, known in (("random", first < 0.5), ("verified", seen)):
            known[learned:] = True
            for unknown in UNKNOWN:
                yield f"{way} {seed} {unknown}", np.where(known, Y, -1).astype(np.int8), unknown


def scored(
    X: np.ndarray,
    Y: np.ndarray,
    fold: np.ndarray,
    unknown: str,
    labels: tuple[str, ...],
    names: list[str],
) -> dict[str, np.ndarray]:
    """Return the heads' scores of the rows outside the folds, and, of several, their stack's."""
    found = [tk.cross_fit(make_head(head), X, Y, fold, unknown=unknown).scores for head in names]
    inside, outside = fold >= 0, fold < 0
    heads = {head: S[outside] for head, S in zip(names, found, strict=True)}
    if len(names) < 2:
        return heads
    Z = np.stack([logits(S) for S in found], axis=1)
    ids = np.arange(len(fold)).astype(str)
    joined = Joined(
        tuple(names), labels, tuple(ids[inside]), Y[inside], fold[inside], Z[inside],
        tuple(ids[outside]), Z[outside], "", "",
    )  # fmt: skip
    return heads | {"stack": fit_ensemble(joined, "stack").rest}


def compared(truth: np.ndarray, own: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    """Return mAP, its difference to another with its interval, and the mean score."""
    drawn = [draw_metrics(truth, S, resamples=RESAMPLES).metrics["map"] for S in (own, base)]
    point = [mean_average_precision(truth, S) for S in (own, base)]
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    return {
        "map": round(point[0], 4),
        "over_ignore": [round(float(x), 4) for x in (point[0] - point[1], low, high)],
        "mean_score": round(float(own.mean()), 4),
    }


if __name__ == "__main__":
    main()
