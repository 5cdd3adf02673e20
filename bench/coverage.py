"""How often 95 % intervals hold the population's value, and how wide they are.

    python bench/coverage.py [--rows 200 300 2000 20000] [--samples 400] [--out FILE]

Fourteen labels of 0.4 to 60 % with calibrated binormal scores (easier the rarer), independent, or
with labels and errors correlated at 0.3. The population's values are those of 400,000 rows. For
each number of rows, samples are drawn anew; for each metric: in what share of samples the interval
was shown and held the population's value over the labels it is for, its mean width, and the same
for the percentile interval over all labels that have positives, which stood here before.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from toolkit.statistics.intervals import label_interval, metric_intervals, percentile_interval
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import METRICS, binarize, score
from toolkit.statistics.resampling import MEANS, Weighted

PREVALENCE = np.array([4, 6, 10, 15, 20, 30, 40, 60, 80, 120, 200, 300, 450, 600]) / 1000
SKILL = np.linspace(2.0, 1.0, len(PREVALENCE))
NAMES = [str(each) for each in range(len(PREVALENCE))]
OF_LABELS = {
    "map": "ap",
    "auroc": "auroc",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_f1": "f1",
}
RESAMPLES = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 300, 2000, 20000])
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    document: dict[str, Any] = {"resamples": RESAMPLES}
    for correlation in (0.0, 0.3):
        truth = score(*draw(400_000, np.random.default_rng(99), correlation))
        for rows in options.rows:
            samples = options.samples if rows <= 2000 else max(20, options.samples // 8)
            name = f"{rows} rows, correlation {correlation}"
            document[name] = {"samples": samples} | cover(rows, samples, correlation, truth)
            print(name, json.dumps(document[name], indent=1))
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def draw(
    rows: int, random: np.random.Generator, correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    def normal() -> np.ndarray:
        shared = np.sqrt(correlation) * random.normal(size=(rows, 1))
        own = np.sqrt(1 - correlation) * random.normal(size=(rows, len(PREVALENCE)))
        found: np.ndarray = shared + own
        return found

    Y = norm.cdf(normal()) < PREVALENCE
    evidence = normal() + SKILL * Y
    odds = np.log(PREVALENCE / (1 - PREVALENCE)) + SKILL * evidence - SKILL**2 / 2
    return Y, sigmoid(odds)


def cover(rows: int, samples: int, correlation: float, truth: Any) -> dict[str, Any]:
    columns = {
        key: np.array([truth.per_label[name][key] for name in NAMES]) for key in OF_LABELS.values()
    }
    held: dict[str, list[bool]] = {}
    width: dict[str, list[float]] = {}
    random = np.random.default_rng(rows)

    def note(name: str, pair: tuple[float, float] | list[float] | None, target: float) -> None:
        if pair is not None:
            held.setdefault(name, []).append(bool(pair[0] <= target <= pair[1]))
            width.setdefault(name, []).append(pair[1] - pair[0])

    for _ in range(samples):
        Y, S = draw(rows, random, correlation)
        weighted = Weighted(Y, S, binarize(S))
        drawn = weighted.draw(RESAMPLES, int(random.integers(2**31)))
        found, point = metric_intervals(weighted, drawn, NAMES), weighted.point()
        scored = weighted.positives > 0
        for metric in METRICS:
            before = percentile_interval(drawn.metrics[metric])
            if metric in MEANS:
                column, enough = columns[OF_LABELS[metric]], weighted.supported(metric)
                note(f"{metric}, percentile", before, float(column[scored].mean()))
                if enough.any():
                    target = float(column[enough].mean())
                    note(f"{metric}, labels with enough", found.supported[metric]["ci"], target)
            else:
                target = float(truth.metrics[metric])
                note(f"{metric}, percentile", before, target)
                note(metric, found.ci[metric], target)
        for label, count in enumerate(weighted.positives.tolist()):
            pair = label_interval(float(point.ap[0, label]), drawn.ap[:, label], count)
            group = "5-9" if count < 10 else "10-49" if count < 50 else "50 up"
            note(f"ap of a label, {group} positives", pair, float(columns["ap"][label]))
            few = f"ap of a label, {count} positives, percentile"
            if 0 < count < 5:
                before = percentile_interval(drawn.ap[:, label])
                note(few, before, float(columns["ap"][label]))
    return {
        name: {
            "covered": round(float(np.mean(each)), 3),
            "width": round(float(np.mean(width[name])), 4),
            "intervals": len(each),
        }
        for name, each in sorted(held.items())
    }


if __name__ == "__main__":
    main()
