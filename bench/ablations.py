"""What each choice of features and heads is worth: out-of-fold mAP, and differences to a base.

    python bench/ablations.py --data NAME [--backbone efficientnet_lite0] [--only TEXT ...]
        [--out FILE]

Out of fold on the development images of the ``paper`` split, five folds; the test images are not
touched. ``features``: a linear head on one backbone, embedded in one way each, against its own
transform and size. ``heads``: other heads on that backbone's picture and mirror image, against the
linear one. Whatever learns (components, neighbours, chains) learns on a fold's training rows.
Differences are paired over resamples of the images, 95 % percentiles. ``--only`` keeps the
settings whose names hold one of the texts. FILE is written after each, and goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import toolkit as tk
from toolkit.features.spec import FeatureSpec
from toolkit.heads.registry import make_head
from toolkit.members.basis import Basis
from toolkit.members.frozen import FrozenWork
from toolkit.statistics.intervals import paired_difference
from toolkit.statistics.resampling import WeightedRanking, resample_counts

RESAMPLES, FOLDS = 1000, 5
BOTH = "original,hflip"
FEATURES: dict[str, dict[str, Any]] = {
    "own size": {},
    "with mirror image": {"views": BOTH},
    "crop full": {"crop": "full"},
    "crop center,full": {"crop": "center,full"},
    **{f"size {n}": {"size": n} for n in (128, 160, 192, 256, 288)},
    **{f"pooling {how}": {"pooling": how} for how in ("max", "avgmax", "gem")},
}
BASES = {"features": "own size", "heads": "linear"}
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--layers", nargs="*", default=[])
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    layers: dict[str, dict[str, Any]] = {
        f"layer {each}": {"layer": each} for each in options.layers
    }
    plans: dict[str, dict[str, Any]] = {"features": FEATURES | layers, "heads": HEADS}
    known = json.loads(options.out.read_text()) if options.out and options.out.exists() else {}
    results = known or {
        "made_by": f"python bench/ablations.py --data NAME --backbone {options.backbone}",
        "base": BASES,
    }
    scores: dict[str, np.ndarray] = {}
    for group, plan in plans.items():
        done = results.setdefault(group, {})
        for name, how in plan.items():
            wanted = any(text in f"{group} {name}" for text in options.only)
            if not (wanted or name == BASES[group]) or (name in done and name != BASES[group]):
                continue
            began = time.process_time()
            if group == "features":
                tk.embed(options.data, options.backbone, **how, progress=False)
                embedded = time.process_time() - began  # little where rows are cached
                X, Y, fold = rows_of(options, how)
                found = out_of_fold(plain("linear"), X, Y, fold)
                cost = {"features": X.shape[1], "embedding_cpu_seconds": round(embedded)}
            else:
                X, Y, fold = rows_of(options, {"views": BOTH})
                found, cost = out_of_fold(how, X, Y, fold), {}
            row = {**cost, "cpu_seconds": round(time.process_time() - began)}
            scores[f"{group} {name}"] = found
            base = scores[f"{group} {BASES[group]}"]
            done[name] = row | compared(Y[fold >= 0], found, base)
            print(group, name, done[name], flush=True)
            if options.out:
                options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def rows_of(options: argparse.Namespace, how: dict[str, Any]) -> tuple[np.ndarray, ...]:
    """Return features, labels and folds of all images."""
    spec = FeatureSpec.parse(options.backbone, **how)
    work = FrozenWork(Basis.open(options.data, "paper", FOLDS, None, None), spec)
    matrix = work.matrix()[0]
    return matrix.X, *work.training(matrix)


def out_of_fold(fit: Fit, X: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return scores of the rows that are in a fold."""
    found = np.zeros(Y.shape, np.float32)
    for f in range(int(fold.max()) + 1):
        others = (fold >= 0) & (fold != f)
        found[fold == f] = fit(X[others], Y[others], X[fold == f])
    return found[fold >= 0]


def compared(truth: np.ndarray, found: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    """Return mAP, and its difference to the base's with an interval."""
    one = np.ones((1, len(truth)), np.uint8)
    pair = [WeightedRanking(truth, each) for each in (found, base)]
    a, b = (float(np.nanmean(each(one)[0])) for each in pair)
    drawn = [[np.nanmean(r(counts)[0], axis=-1) for r in pair] for counts in draws(len(truth))]
    gaps = np.concatenate([first - second for first, second in drawn])
    gap = paired_difference(a, b, gaps)
    said = [gap.difference, gap.low, gap.high]
    return {"map": round(a, 4), "difference": [None if v is None else round(v, 4) for v in said]}


def draws(rows: int) -> Iterator[np.ndarray]:
    """Yield how often each row is drawn."""
    yield from resample_counts(rows, RESAMPLES)


def plain(name: str, **settings: Any) -> Fit:
    """Return one of the toolkit's heads."""
    return lambda X, Y, new: make_head(name, **settings).fit(X, Y).predict_proba(new)


def projected(fit: Fit, components: int) -> Fit:
    """Return a head on principal components, whitened, of the training rows."""

    def fitted(X: np.ndarray, Y: np.ndarray, new: np.ndarray) -> np.ndarray:
        steps = make_pipeline(StandardScaler(), PCA(components, whiten=True, random_state=0))
        Z = steps.fit_transform(X).astype(np.float32)
        return fit(Z, Y, steps.transform(new).astype(np.float32))

    return fitted


def neighbours(k: int, temperature: float = 0.07) -> Fit:
    """Return k nearest by cosine, weighted by its exponential (Wu et al. 2018)."""

    def fitted(X: np.ndarray, Y: np.ndarray, new: np.ndarray) -> np.ndarray:
        known, asked = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (X, new))
        found = np.zeros((len(new), Y.shape[1]), np.float32)
        for start in range(0, len(new), 1000):
            near = asked[start : start + 1000] @ known.T
            rows = np.argpartition(-near, k, axis=1)[:, :k]
            weight = np.exp(np.take_along_axis(near, rows, axis=1) / temperature)
            weight /= weight.sum(axis=1, keepdims=True)
            found[start : start + 1000] = np.einsum("nk,nkl->nl", weight, Y[rows] == 1)
        return found

    return fitted


def chain(X: np.ndarray, Y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return a chain of logistic regressions, the commonest label first (Read et al. 2009)."""
    order = np.argsort(-(Y == 1).sum(axis=0), kind="stable")
    model = ClassifierChain(LogisticRegression(C=0.01, max_iter=300), order=order, cv=3)
    return np.asarray(model.fit(X, Y == 1).predict_proba(new), np.float32)


def apart(X: np.ndarray, Y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the same regressions, each label by itself."""
    models = [LogisticRegression(C=0.01, max_iter=300).fit(X, y) for y in (Y == 1).T]
    return np.stack([model.predict_proba(new)[:, 1] for model in models], axis=1)


HEADS: dict[str, Fit] = {
    "linear": plain("linear"),
    "linear, balanced": plain("linear", class_weight="balanced"),
    "mlp, cross-entropy": plain("mlp", loss="bce"),
    "mlp, focal": plain("mlp", loss="focal"),
    "mlp, asymmetric": plain("mlp", loss="asl"),
    "mlp, cross-entropy, balanced": plain("mlp", loss="bce", class_weight="balanced"),
    "mlp, cross-entropy, 256 components": projected(plain("mlp", loss="bce"), 256),
    "mlp, cross-entropy, 512 components": projected(plain("mlp", loss="bce"), 512),
    "linear, 256 components": projected(plain("linear"), 256),
    "regressions, 256 components": projected(apart, 256),
    "chain of regressions, 256 components": projected(chain, 256),
    **{f"{k} neighbours, 256 components": projected(neighbours(k), 256) for k in (20, 50, 100)},
}


if __name__ == "__main__":
    main()
