"""Choices made on the scores they are judged by: what they flatter, and how to judge them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.statistics.metrics import Floats, defined_mean
from toolkit.statistics.resampling import WeightedRanking, resample_counts

RESAMPLES = 200
_FIRST, _FAR = 100, 4.0


def price_of_choice(Y: np.ndarray, scores: Sequence[np.ndarray], seed: int = 0) -> float:
    """Return by how much mAP flatters the best of several methods because it was chosen by it.

    In each resample of the images the best method is chosen; its lead over the mean of all methods
    there, less its lead on the images that the resample left out, is what the choice flatters by
    (Tsamardinos, Greasidou & Borboudakis 2018, whose bootstrap this is). Leads are differences on
    the same images, so what resampling does to mAP itself cancels, and no two methods' scores are
    ever pooled.

    Args:
        Y: ``(n, L)``.
        scores: ``(n, L)`` of each method, each row's by a model that did not learn from it.
        seed: of the resamples.
    """
    if len(scores) < 2:
        return 0.0
    rankings = [WeightedRanking(Y, each) for each in scores]
    gaps = []
    for drawn in resample_counts(len(Y), RESAMPLES, seed):
        inside, outside = (
            np.stack([defined_mean(ranking(weights)[0]) for ranking in rankings], axis=1)
            for weights in (drawn, (drawn == 0).astype(np.uint8))
        )
        known = ~(np.isnan(inside) | np.isnan(outside)).any(axis=1)
        inside, outside = inside[known], outside[known]
        at = inside.argmax(axis=1)
        leads = [each[np.arange(len(at)), at] - each.mean(axis=1) for each in (inside, outside)]
        gaps.append(leads[0] - leads[1])
    joined = np.concatenate(gaps)
    return max(0.0, float(joined.mean())) if len(joined) else 0.0


def plausible_best(
    Y: np.ndarray, scores: Sequence[np.ndarray], resamples: int, seed: int
) -> tuple[list[int], Floats]:
    """Return the members that may be the best by mAP, and the draws of their mAP.

    Those that lie far below the best in a first hundred resamples are not drawn on.

    Args:
        Y: ``(n, L)``.
        scores: ``(n, L)`` of each of M members.
        resamples: of the images.
        seed: of the resamples.

    Returns:
        The places of M' members, and ``float64 (resamples, M')``.
    """
    rankings = [WeightedRanking(Y, each) for each in scores]
    chunks = list(resample_counts(len(Y), min(_FIRST, resamples), seed))
    first = _draw(rankings, chunks)
    mean, best = first.mean(axis=0), int(first.mean(axis=0).argmax())
    gap, spread = mean[best] - mean, (first - first[:, [best]]).std(axis=0)
    kept = [at for at in range(len(rankings)) if at == best or gap[at] <= _FAR * spread[at]]
    whole = resample_counts(len(Y), resamples, seed)
    return kept, _draw([rankings[at] for at in kept], list(whole))


def _draw(rankings: Sequence[WeightedRanking], chunks: Sequence[np.ndarray]) -> Floats:
    return np.concatenate(
        [
            np.stack([defined_mean(ranking(chunk)[0]) for ranking in rankings], axis=1)
            for chunk in chunks
        ]
    )
