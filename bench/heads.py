"""Heads against what a user would pick: time ratios and mean average precision, interleaved.

    python bench/heads.py --data NAME [--artifacts DIR] [--features efficientnet_lite0]

Same rows, same folds. The slow side is measured on fewer problems where it says so, and scaled by
their number; both scores are out of fold, on the development images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from torch import nn

from toolkit.data.dataset_store import load_dataset
from toolkit.data.split_store import get_folds, get_split
from toolkit.features.backbones import BackboneSpec
from toolkit.features.key import CacheKey
from toolkit.features.matrix import gather
from toolkit.features.resolve import resolve
from toolkit.heads.lightgbm import LightGBMHead
from toolkit.heads.linear import STRENGTHS, LinearHead
from toolkit.heads.mlp import MLPHead
from toolkit.runtime.device import choose_precision
from toolkit.statistics.metrics import average_precision, log_loss, mean_average_precision


class Problem:
    """Development rows with their folds."""

    def __init__(self, options: argparse.Namespace) -> None:
        dataset = load_dataset(options.artifacts, options.data)
        split = get_split(dataset, "paper", options.artifacts)
        folds = get_folds(dataset, split, options.artifacts)
        precision = choose_precision("auto", "cpu")
        keys = [
            CacheKey(resolve(BackboneSpec(name), options.artifacts)[0], precision=precision)
            for name in options.features.split(",")
        ]
        matrix = gather(dataset.digests, keys, options.artifacts)
        own = folds.fold[matrix.rows] >= 0
        self.X, self.Y = matrix.X[own], dataset.Y[matrix.rows[own]]
        self.fold = folds.fold[matrix.rows[own]].astype(int)
        self.held = self.fold == 0

    def fit_part(self) -> tuple[np.ndarray, np.ndarray]:
        return self.X[~self.held], self.Y[~self.held]

    def score(self, scores: np.ndarray, rows: np.ndarray | None = None) -> dict[str, float]:
        rows = self.held if rows is None else rows
        return {
            "map": round(mean_average_precision(self.Y[rows], scores), 4),
            "log_loss": round(float(log_loss(self.Y[rows], scores).mean()), 5),
        }


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


def out_of_fold(models: list[Any], problem: Problem) -> np.ndarray:
    scores = np.zeros(problem.Y.shape, np.float32)
    for f, model in enumerate(models):
        scores[problem.fold == f] = model.predict_proba(problem.X[problem.fold == f])
    return scores


def linear(problem: Problem, rounds: int) -> dict[str, Any]:
    """Ours: 5 folds x 8 strengths x L labels. Theirs: every strength on one fold, times five."""
    ours, theirs = [], []
    scaler = StandardScaler().fit(problem.X[~problem.held])
    train, held = (
        scaler.transform(problem.X[~problem.held]),
        scaler.transform(problem.X[problem.held]),
    )
    grid_scores: list[np.ndarray] = []
    models: list[Any] = []
    everything = np.ones(len(problem.Y), bool)
    few = slice(0, 1000)  # libraries load and threads start before anything is timed
    LinearHead(Cs=[1e-3]).fit_folds(problem.X[few], problem.Y[few], problem.fold[few])
    LogisticRegression().fit(train[few], problem.Y[~problem.held][few, 0])
    for _ in range(rounds):
        seconds, models = timed(lambda: LinearHead().fit_folds(problem.X, problem.Y, problem.fold))
        ours.append(seconds)
        total, grid_scores = 0.0, []
        for C in STRENGTHS:
            model = OneVsRestClassifier(LogisticRegression(C=C, max_iter=1000))
            seconds, _ = timed(partial(model.fit, train, problem.Y[~problem.held]))
            total += seconds
            grid_scores.append(model.predict_proba(held))
        theirs.append(5 * total)
    mine = out_of_fold(models, problem)
    truth = problem.Y[problem.held]
    # theirs may choose each label's strength by the held rows themselves: an advantage to them
    losses = np.array([log_loss(truth, scores) for scores in grid_scores])
    chosen = np.stack([grid_scores[c][:, j] for j, c in enumerate(losses.argmin(0))], axis=1)
    cv_seconds, _ = timed(
        lambda: LogisticRegressionCV(
            Cs=list(STRENGTHS), cv=5, max_iter=1000, use_legacy_attributes=False
        ).fit(train, problem.Y[~problem.held][:, 0])
    )
    return {
        "what": "grid of 5 folds x 8 strengths x all labels",
        "ours_seconds": round(statistics.median(ours), 2),
        "theirs_seconds": round(statistics.median(theirs), 2),
        "theirs": "OneVsRestClassifier(LogisticRegression), one fold measured, times five",
        "ratio": round(statistics.median(theirs) / statistics.median(ours), 1),
        "logistic_regression_cv_seconds_one_label": round(cv_seconds, 2),
        "logistic_regression_cv_ratio": round(
            cv_seconds * problem.Y.shape[1] / statistics.median(ours), 1
        ),
        "ours": problem.score(mine[problem.held]),
        "theirs_best_of_grid_by_held_rows": problem.score(chosen),
        "ours_all_folds": problem.score(mine, everything),
    }


def boosting(problem: Problem, rounds: int) -> dict[str, Any]:
    """One fold: our head against a default LGBMClassifier for each label."""
    X, Y = problem.fit_part()
    ours, theirs = [], []
    mine = stock = np.zeros(0)
    for _ in range(rounds):
        head = LightGBMHead()
        seconds, _ = timed(partial(head.fit, X, Y))
        ours.append(seconds)
        mine = head.predict_proba(problem.X[problem.held])
        columns, total = [], 0.0
        for j in range(Y.shape[1]):
            model = lightgbm.LGBMClassifier(verbosity=-1)
            seconds, _ = timed(partial(model.fit, X, Y[:, j]))
            total += seconds
            columns.append(np.asarray(model.predict_proba(problem.X[problem.held]))[:, 1])
        theirs.append(total)
        stock = np.stack(columns, axis=1)
    return {
        "what": "one fold, all labels",
        "ours_seconds": round(statistics.median(ours), 2),
        "theirs_seconds": round(statistics.median(theirs), 2),
        "theirs": "a default LGBMClassifier a label",
        "ratio": round(statistics.median(theirs) / statistics.median(ours), 1),
        "ours": problem.score(mine),
        "theirs_scores": problem.score(stock),
    }


def mlp(problem: Problem, rounds: int) -> dict[str, Any]:
    """One fold: L networks as one against L networks one after another, same shape and epochs."""
    X, Y = problem.fit_part()
    mean, std = X.mean(0), X.std(0).clip(1e-6)
    train = torch.from_numpy((X - mean) / std)
    head = MLPHead(early_stopping=False)
    epochs, hidden, batch = head.epochs, head.hidden, head.batch_size
    ours, theirs = [], []
    mine = np.zeros(0)
    looped: list[np.ndarray] = []
    labels = range(3)  # of the loop, three are measured
    few = slice(0, 1000)  # libraries load and threads start before anything is timed
    MLPHead(epochs=1).fit(X[few], Y[few])
    one_network(train[few], torch.from_numpy(Y[few, 0]).float(), 1, hidden, batch)
    for _ in range(rounds):
        seconds, fitted = timed(lambda: MLPHead(early_stopping=False).fit(X, Y))
        ours.append(seconds)
        mine = fitted.predict_proba(problem.X[problem.held])
        total, looped = 0.0, []
        held = torch.from_numpy((problem.X[problem.held] - mean) / std)
        for j in labels:
            seconds, network = timed(
                partial(
                    one_network, train, torch.from_numpy(Y[:, j]).float(), epochs, hidden, batch
                )
            )
            total += seconds
            with torch.inference_mode():
                looped.append(torch.sigmoid(network(held)).squeeze(1).numpy())
        theirs.append(total * Y.shape[1] / len(labels))
    truth = problem.Y[problem.held][:, list(labels)]
    return {
        "what": f"one fold, all labels, {epochs} epochs, {hidden} hidden units",
        "ours_seconds": round(statistics.median(ours), 2),
        "theirs_seconds": round(statistics.median(theirs), 2),
        "theirs": "one nn.Sequential a label in fp32, three labels measured and scaled",
        "ratio": round(statistics.median(theirs) / statistics.median(ours), 1),
        "ours": problem.score(mine),
        "ours_first_three_labels_map": round(
            float(average_precision(truth, mine[:, list(labels)]).mean()), 4
        ),
        "theirs_first_three_labels_map": round(
            float(average_precision(truth, np.stack(looped, axis=1)).mean()), 4
        ),
    }


def one_network(
    X: torch.Tensor, y: torch.Tensor, epochs: int, hidden: int, batch: int
) -> nn.Module:
    network = nn.Sequential(
        nn.Linear(X.shape[1], hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 1)
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(X)), batch):
            loss = nn.functional.binary_cross_entropy_with_logits(
                network(X[rows]).squeeze(1), y[rows]
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--features", default="efficientnet_lite0")
    parser.add_argument("--heads", default="linear,lightgbm,mlp")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    problem = Problem(options)
    benches = {"linear": linear, "lightgbm": boosting, "mlp": mlp}
    document: dict[str, Any] = {
        "data": options.data,
        "features": options.features,
        "rows": len(problem.Y),
        "labels": problem.Y.shape[1],
        "rounds": options.rounds,
    }
    for name in options.heads.split(","):
        document[name] = benches[name](problem, options.rounds)
        print(name, json.dumps(document[name], indent=1), flush=True)
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
