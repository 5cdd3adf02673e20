"""Label errors planted in labels: how many stand first, by the audit's ranking and by cleanlab's.

    python bench/label_errors.py [--data NAME] [--rows 1500] [--seeds 10] [--out FILE]

Needs cleanlab (2.9.0 was used) besides the project. Each seed draws rows of the data set anew (or
makes features of its own, without --data), plants errors, and learns out-of-fold probabilities from
the labels with the errors. All rankings get the same probabilities. Precision at k, k being the
number of errors planted, over all labels, over the rare ones (below 5 %) and the common ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class

import toolkit
from toolkit.auditing.label_errors import out_of_fold_probabilities, suspicion
from toolkit.data.dataset_store import load_dataset
from toolkit.data.split import make_folds, stratified_split
from toolkit.storage.artifacts import artifacts_folder

RARE = 0.05
SHARES = (0.01, 0.02, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3)
Array = np.ndarray


def made(rows: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Return features (n, 64) and labels (n, 8) that can be read off them."""
    Y = (random.random((rows, len(SHARES))) < SHARES).astype(np.uint8)
    directions = random.normal(size=(len(SHARES), 64))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return 3 * Y @ directions + 0.7 * random.normal(size=(rows, 64)), Y


def each_way(Y: Array, random: np.random.Generator, wrong: bool = True) -> Array:
    """Drop a tenth of each label's positives, and give as many negatives the label."""
    flips = np.zeros(Y.shape, bool)
    for j in range(Y.shape[1]):
        count = max(1, round(0.1 * Y[:, j].sum()))
        for value in (1, 0) if wrong else (1,):
            flips[random.choice(np.flatnonzero(Y[:, j] == value), count, replace=False), j] = True
    return flips


PLANTED: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "5 % of all cells": lambda Y, random: random.random(Y.shape) < 0.05,
    "10 % of positives, as many negatives": each_way,
    "10 % of positives": lambda Y, random: each_way(Y, random, wrong=False),
}


def rankings(P: Array, given: Array) -> dict[str, Array]:
    """Return the scores (n, L) of each method, larger for likelier errors."""
    labels, p = [np.flatnonzero(row).tolist() for row in given], P.astype(np.float64)
    own = np.where(given == 1, 1 - p, p)
    margin = get_label_quality_scores_per_class(
        labels, p, method="normalized_margin", adjust_pred_probs=True
    )
    filtered = find_multilabel_issues_per_class(labels, p, filter_by="confident_learning", n_jobs=1)
    return {
        "audit": suspicion(p, given),
        "cleanlab, self-confidence": 1 - get_label_quality_scores_per_class(labels, p),
        "cleanlab, adjusted margin": -margin,
        "cleanlab, confident learning first": own + filtered,
    }


def precision(scores: Array, flips: Array, k: int) -> float:
    order = np.argsort(-scores, axis=None, kind="stable")[:k]
    return float(flips.ravel()[order].mean())


def trial(X: Array, Y: Array, flips: Array) -> dict[str, dict[str, float]]:
    given = (Y ^ flips).astype(np.uint8)
    split = stratified_split([f"im{row}" for row in range(len(Y))], given)
    P = out_of_fold_probabilities(X, given, make_folds(split, given).fold)
    known = ~np.isnan(P).any(axis=0)
    P, given, flips, share = P[:, known], given[:, known], flips[:, known], Y[:, known].mean(axis=0)
    parts = {"all": share >= 0, "rare": share < RARE, "common": share >= RARE}
    return {
        method: {"at_50": precision(scores, flips, 50)}
        | {
            name: precision(scores[:, part], flips[:, part], int(flips[:, part].sum()))
            for name, part in parts.items()
        }
        for method, scores in rankings(P, given).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data")
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    whole, features = None, np.empty((0, 0))
    if options.data:
        whole = load_dataset(artifacts_folder(None), options.data)
        embedded = toolkit.embed(whole)
        assert isinstance(embedded, toolkit.Embeddings)
        features = embedded.X
    document: dict[str, Any] = {}
    for fault, plant in PLANTED.items():
        outcomes = []
        for seed in range(options.seeds):
            random = np.random.default_rng(seed)
            if whole is None:
                X, Y = made(options.rows, random)
            else:
                rows = np.sort(random.choice(len(whole), options.rows, replace=False))
                X, Y = features[rows], whole.Y[rows]
            outcomes.append(trial(X, Y, plant(Y, random)))
        document[fault] = {
            method: {figure: compared(outcomes, method, figure) for figure in outcomes[0][method]}
            for method in outcomes[0]
        }
        print(fault, json.dumps(document[fault], indent=1), flush=True)
    if options.out:
        made_by = f"bench/label_errors.py --rows {options.rows} --seeds {options.seeds}"
        kept = {"made_by": made_by, "data": options.data or "made", "planted": document}
        options.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def compared(
    outcomes: list[dict[str, dict[str, float]]], method: str, figure: str
) -> dict[str, Any]:
    """Return the mean, and its distance to the audit's with half its 95 % interval, by seed."""
    values = [each[method][figure] for each in outcomes]
    gap = np.subtract(values, [each["audit"][figure] for each in outcomes])
    half = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
    more = [round(float(value), 3) for value in (gap.mean(), half)]
    return {"mean": round(float(np.mean(values)), 3), "more_than_audit": more}


if __name__ == "__main__":
    main()
