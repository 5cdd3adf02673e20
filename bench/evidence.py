"""What an ensemble is said to gain, on simulated members whose worth is known.

    python bench/evidence.py [--sets 60] [--out FILE]

- ``auto``: four equally good members, five labels, 600 rows: the mAP of auto's out-of-fold scores
  less the best method's own, and macro-F1 on fresh rows less that of the same method asked for by
  name.
- ``worse`` and ``better``: how often an ensemble is said to be so against its best member, for
  members of pure noise and for nearly equal ones; 2.5 % each is what the interval allows for pure
  noise. With the mean difference in mAP that is told, and on 20,000 fresh rows.
- ``rare labels``: how often two equally good systems are said to differ in a label of k positives
  (p <= 0.05), by swaps and by the bootstrap; and in any of 14 labels of 300 rows after Holm.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.stratify import iterative_stratification
from toolkit.ensembles.fit import Ensemble, fit_ensemble
from toolkit.ensembles.gains import measure_gains
from toolkit.ensembles.join import Joined
from toolkit.statistics.intervals import holm, paired_difference
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import average_precision, mean_average_precision, score
from toolkit.statistics.resampling import draw_metrics
from toolkit.statistics.swaps import swap_test

FOLDS, RESAMPLES = 5, 300
MEMBERS, LABELS = 4, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sets", type=int, default=60)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    document = {
        "auto": auto(options.sets),
        "pure noise": claims(options.sets, 0.0, 1.0),
        "nearly equal": claims(options.sets, 1.2, 0.2),
        "rare labels": rare(300),
    }
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def members(
    rows: int,
    random: np.random.Generator,
    skill: float,
    own: float,
    count: int = 4,
    labels: int = 5,
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, and logits of members that share some of their errors."""
    Y = (random.random((rows, LABELS)) < np.linspace(0.05, 0.3, LABELS)).astype(np.uint8)
    shared = random.normal(size=(rows, 1, LABELS)) * np.sqrt(1 - own**2)
    errors = shared + own * random.normal(size=(rows, MEMBERS, LABELS))
    return Y, (skill * Y[:, None] - 2 + errors).astype(np.float32)


def joined(Y: np.ndarray, Z: np.ndarray) -> Joined:
    rows = len(Y)
    return Joined(
        names=tuple(f"m{each}" for each in range(Z.shape[1])),
        labels=tuple(f"l{each}" for each in range(Y.shape[1])),
        ids=tuple(map(str, range(rows))),
        Y=Y,
        fold=iterative_stratification(Y, np.full(FOLDS, 1 / FOLDS), seed=0),
        Z=Z,
        rest=(),
        rest_logits=Z[:0],
        folds_digest="",
        dataset_digest="",
    )


def apply(ensemble: Ensemble, Z: np.ndarray) -> np.ndarray:
    found: np.ndarray = ensemble.calibration.apply(ensemble.combiner.combine(Z))
    return found


def auto(sets: int) -> dict[str, Any]:
    lost, f1, prices = [], [], []
    for number in range(sets):
        random = np.random.default_rng(number)
        Y, Z = members(600, random, 1.2, 0.8)
        fresh, new = members(20_000, random, 1.2, 0.8)
        made = fit_ensemble(joined(Y, Z), "auto", seed=number)
        best = max(made.considered, key=lambda name: made.considered[name])
        cross = best.startswith("stack,")
        named = fit_ensemble(
            joined(Y, Z), best.split(",")[0], cross_label=cross, cardinality=cross, seed=number
        )
        lost.append(mean_average_precision(Y, made.raw) - mean_average_precision(Y, named.raw))
        both = [
            score(fresh, apply(each, new), each.thresholds.per_label).metrics["macro_f1"]
            for each in (made, named)
        ]
        f1.append(float(both[0] or 0) - float(both[1] or 0))
        prices.append(made.price)
    return {
        "map_below_the_method": _mean(lost),
        "macro_f1_below_the_method_by_name": _mean(f1),
        "price_told": _mean(prices),
    }


def claims(sets: int, skill: float, own: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for method in ("mean", "greedy", "stack"):
        told, true, worse, better = [], [], 0, 0
        for number in range(sets):
            random = np.random.default_rng(1000 + number)
            Y, Z = members(600, random, skill, own)
            fresh, new = members(20_000, random, skill, own)
            data = joined(Y, Z)
            made = fit_ensemble(data, method, seed=number)
            gains = measure_gains(data, made, resamples=RESAMPLES, seed=number)
            gain = gains.differences["map"]
            worse += gain["high"] < 0
            better += gain["low"] > 0
            told.append(gain["difference"])
            alone = max(mean_average_precision(fresh, new[:, at]) for at in range(Z.shape[1]))
            true.append(mean_average_precision(fresh, made.combiner.combine(new)) - alone)
        found[method] = {
            "said_worse": round(worse / sets, 3),
            "said_better": round(better / sets, 3),
            "told": _mean(told),
            "on_fresh_rows": _mean(true),
        }
    return found | {"sets": sets}


def rare(sets: int) -> dict[str, Any]:
    found: dict[str, Any] = {"sets": sets}
    random = np.random.default_rng(0)
    for positives in (1, 2, 3, 5, 6, 8, 12, 30):
        Y = np.zeros((300, sets), bool)
        Y[:positives] = True
        base = random.normal(size=Y.shape) + 1.2 * Y
        A, B = (sigmoid(base + 0.6 * random.normal(size=Y.shape)) for _ in range(2))
        _, p = swap_test(Y, A, B, permutations=999)
        bootstrap = [_bootstrap(Y[:, [at]], A[:, [at]], B[:, [at]]) for at in range(sets)]
        found[f"{positives} positives"] = {
            "swaps": round(float((p <= 0.05).mean()), 3),
            "tested": round(float((~np.isnan(p)).mean()), 3),
            "bootstrap": round(float((np.array(bootstrap) <= 0.05).mean()), 3),
        }
    wrong = {"swaps": 0, "bootstrap": 0}
    prevalence = np.geomspace(0.004, 0.3, 14)
    for _ in range(sets):
        Y = random.random((300, 14)) < prevalence
        base = random.normal(size=Y.shape) + 1.2 * Y
        A, B = (sigmoid(base + 0.6 * random.normal(size=Y.shape)) for _ in range(2))
        wrong["swaps"] += bool(np.nanmin(holm(swap_test(Y, A, B)[1])) <= 0.05)
        each = [_bootstrap(Y[:, [at]], A[:, [at]], B[:, [at]]) for at in range(14)]
        adjusted = holm(each)
        wrong["bootstrap"] += bool((~np.isnan(adjusted)).any() and np.nanmin(adjusted) <= 0.05)
    return found | {"any of 14 labels, Holm": {k: round(v / sets, 3) for k, v in wrong.items()}}


def _bootstrap(Y: np.ndarray, A: np.ndarray, B: np.ndarray) -> float:
    if not Y.any():
        return float("nan")
    points = [float(average_precision(Y, S)[0]) for S in (A, B)]
    gaps = np.subtract(*(draw_metrics(Y, S, resamples=RESAMPLES).ap[:, 0] for S in (A, B)))
    p = paired_difference(points[0], points[1], gaps).p
    return float("nan") if p is None else p


def _mean(values: list[float]) -> list[float]:
    """Return the mean and its standard error."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return [round(float(np.mean(values)), 4), round(float(error), 4)]


if __name__ == "__main__":
    main()
