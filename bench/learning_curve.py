"""What more images would give: mAP against the number of images that a head learns from.

    python bench/learning_curve.py --data NAME --features efficientnet_lite0,efficientnet_lite1
        [--crop center,full] [--head mlp] [--repeats 3] [--out FILE]

Out of fold on the development images of the ``paper`` split: of the images that a fold's model may
learn from, an eighth, a quarter, half and all are used, drawn anew for each repeat, every smaller
draw a part of the larger. All sizes are scored on the same images. To the means over repeats
``a - b n^-c`` is fitted (Cortes et al. 1994); intervals are percentiles over resamples of the
scored images, the curve fitted again to each. The test images are not touched.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from toolkit.features.spec import FeatureSpec
from toolkit.heads.registry import head_options, make_head
from toolkit.members.basis import Basis
from toolkit.members.frozen import FrozenWork
from toolkit.statistics.metrics import mean_average_precision
from toolkit.statistics.resampling import WeightedRanking, resample_counts

SHARES = (0.125, 0.25, 0.5, 1.0)
RESAMPLES = 200
POWERS = np.linspace(0.05, 1.5, 30)
AHEAD = (2, 4, 8)


def main() -> None:
    options = parsed()
    spec = FeatureSpec.parse(options.features, views=options.views, crop=options.crop)
    work = FrozenWork(Basis.open(options.data, "paper", 5, None, None), spec)
    matrix = work.matrix()[0]
    X, (Y, fold) = matrix.X, work.training(matrix)
    sizes, scores, seconds = [], [], []
    for share in SHARES:
        began, drawn, used = time.process_time(), [], 0
        for repeat in range(options.repeats if share < 1 else 1):
            found = np.zeros(Y.shape, np.float32)
            for f in range(int(fold.max()) + 1):
                others = np.flatnonzero((fold >= 0) & (fold != f))
                order = np.random.default_rng([repeat, f]).permutation(others)
                some = np.sort(order[: round(share * len(others))])
                head = make_head(options.head, random_state=repeat, **head_options(options.set))
                head.fit(X[some], Y[some])
                found[fold == f], used = head.predict_proba(X[fold == f]), len(some)
            drawn.append(found[fold >= 0])
        sizes.append(used)
        scores.append(drawn)
        seconds.append(round(time.process_time() - began))
        truth = Y[fold >= 0]
        means = [round(mean_average_precision(truth, one), 4) for one in drawn]
        print(used, means, f"{seconds[-1]} CPU s", flush=True)
    document = {
        "made_by": "python bench/learning_curve.py " + " ".join(told(options)),
        "scored": int((fold >= 0).sum()),
        "cpu_seconds": seconds,
        **curve(np.array(sizes), Y[fold >= 0], scores, options.goal),
    }
    print(json.dumps(document, indent=1))
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def curve(
    sizes: np.ndarray, truth: np.ndarray, scores: list[list[np.ndarray]], goal: float
) -> dict[str, Any]:
    """Return the sizes' mAP, the fitted curve, and where it leads, with intervals."""
    weighted = [[WeightedRanking(truth, one) for one in drawn] for drawn in scores]
    whole = np.ones((1, len(truth)), np.uint8)
    point = means(weighted, whole)[0]
    chunks = resample_counts(len(truth), RESAMPLES)
    draws = np.concatenate([means(weighted, counts) for counts in chunks])
    fits = [fitted(sizes, values) for values in (point, *draws)]
    ahead = {
        f"{times} times as many": spread([float(at(fit, times * sizes[-1])) for fit in fits])
        for times in AHEAD
    }
    needed = [reached(fit, goal) for fit in fits]
    return {
        "sizes": {
            str(n): spread([float(one[k]) for one in (point, *draws)])
            for k, n in enumerate(sizes.tolist())
        },
        "repeats": {
            str(n): [round(float(means([[one]], whole)[0, 0]), 4) for one in drawn]
            for n, drawn in zip(sizes.tolist(), weighted, strict=True)
        },
        "limit": spread([float(fit[0]) for fit in fits]),
        "expected": ahead,
        "goal": goal,
        "images_for_goal": spread([float(n) for n in needed], 0),
        "share_of_resamples_that_never_reach_it": float(np.isinf(needed[1:]).mean()),
    }


def means(weighted: list[list[Any]], counts: np.ndarray) -> np.ndarray:
    """Return mAP ``(resamples, sizes)``, the mean over repeats."""
    return np.stack(
        [np.mean([np.nanmean(one(counts)[0], axis=-1) for one in drawn], 0) for drawn in weighted],
        axis=1,
    )


def fitted(sizes: np.ndarray, values: np.ndarray) -> tuple[float, float, float]:
    """Return a, b and c of ``a - b n^-c``, of least squares; a is 1 at most, b not negative."""
    best, found = np.inf, (float("nan"),) * 3
    for c in POWERS:
        # 1 - value = (1 - a) + b n^-c, both parts not negative
        terms = np.stack([np.ones(len(sizes)), (sizes / sizes[-1]) ** -c], axis=1)
        (left, b), error = nnls(terms, 1 - values)
        if error < best:
            best, found = error, (1 - left, b * sizes[-1] ** c, float(c))
    return found


def at(fit: tuple[float, float, float], n: float) -> float:
    """Return the curve's value for n images."""
    a, b, c = fit
    return float(a - b * n**-c)


def reached(fit: tuple[float, float, float], goal: float) -> float:
    """Return how many images the curve needs for the goal; infinity where it never gets there."""
    a, b, c = fit
    return float((b / (a - goal)) ** (1 / c)) if a > goal else float("inf")


def spread(values: list[float], digits: int = 4) -> list[float | None]:
    """Return the first value and the 95 % interval of the rest; None for infinity."""
    ordered = np.sort(values[1:])
    low, high = (float(ordered[int(q * (len(ordered) - 1))]) for q in (0.025, 0.975))
    return [round(v, digits) if np.isfinite(v) else None for v in (values[0], low, high)]


def told(options: argparse.Namespace) -> list[str]:
    """Return the options as they were given, without the file."""
    shown = ["--data NAME", f"--features {options.features}", f"--views {options.views}"]
    shown += [f"--crop {options.crop}", f"--head {options.head}", f"--repeats {options.repeats}"]
    return [*shown, *(f"--set {each}" for each in options.set), f"--goal {options.goal}"]


def parsed() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--features", default="efficientnet_lite0")
    parser.add_argument("--views", default="original,hflip")
    parser.add_argument("--crop", default="center")
    parser.add_argument("--head", default="mlp")
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--goal", type=float, default=0.8)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
