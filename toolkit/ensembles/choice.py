"""Choices made by the scores they are measured on: what that flatters, and how to correct it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.statistics.metrics import Floats, defined_mean
from toolkit.statistics.resampling import WeightedRanking, resample_counts

DRAWS, _INSIDE = 100, 0.8
_FIRST, _FAR = 100, 4.0


class WithinFolds:
    """Rankings of each fold's rows, by scores of models that each left one fold out.

    Such models are different models: pooled, their rows are ranked against each other by accidents
    of the folds, which costs a combiner that learns up to 0.01 of mAP where rows are few (Forman &
    Scholz 2010 on AUROC and F). Within a fold one model ranks, as it would new images.

    Args:
        Y: ``(n, L)``.
        S: ``(n, L)``.
        fold: ``int (n,)``.
    """

    def __init__(self, Y: np.ndarray, S: np.ndarray, fold: np.ndarray) -> None:
        parts = [np.flatnonzero(fold == each) for each in np.unique(fold)]
        self._parts = [(rows, WeightedRanking(Y[rows], S[rows])) for rows in parts]
        self._rows = len(Y)

    def __call__(self, weights: np.ndarray) -> tuple[Floats, Floats]:
        """Return AP and AUROC, means over folds that have them, ``(B, L)``, for weights (B, n)."""
        found = [ranking(weights[:, rows]) for rows, ranking in self._parts]
        ap, area = (defined_mean(np.stack(each), axis=0) for each in zip(*found, strict=True))
        return ap, area

    def point(self) -> tuple[Floats, Floats]:
        """Return both for the rows as they are, ``(L,)``."""
        ap, area = self(np.ones((1, self._rows), np.uint8))
        return ap[0], area[0]


@dataclass(frozen=True)
class Drawn:
    """mAP and AUROC within folds, of the rows as they are and of resamples.

    Attributes:
        point: of each, its value.
        draws: of each, ``(resamples,)``.
    """

    point: dict[str, float]
    draws: dict[str, Floats]


def draw_within(Y: np.ndarray, S: np.ndarray, fold: np.ndarray, resamples: int, seed: int) -> Drawn:
    """Return what resamples of the rows score within folds; draws with one seed are paired."""
    ranking = WithinFolds(Y, S, fold)
    point = dict(zip(("map", "auroc"), map(defined_mean, ranking.point()), strict=True))
    parts = [ranking(weights) for weights in resample_counts(len(Y), resamples, seed)]
    draws = {
        name: np.concatenate([defined_mean(part[at]) for part in parts])
        for at, name in enumerate(point)
    }
    return Drawn({name: float(value) for name, value in point.items()}, draws)


def map_within(Y: np.ndarray, S: np.ndarray, fold: np.ndarray) -> float:
    """Return the mean over labels of the average precision within folds."""
    return float(defined_mean(WithinFolds(Y, S, fold).point()[0]))


def price_of_choice(
    Y: np.ndarray, scores: Mapping[str, np.ndarray], fold: np.ndarray, seed: int = 0
) -> float:
    """Return by how much mAP flatters the best of several methods because it was chosen by it.

    Of four fifths of the images, drawn again and again, the best method is chosen; its lead over
    the mean of all methods there, less its lead on the other fifth, is what the choice flatters by
    (Tsamardinos, Greasidou & Borboudakis 2018 do so by the bootstrap, which draws more noise into
    the choice than there is). Leads are differences on the same images, and no two methods' scores
    are ever pooled.

    Args:
        Y: ``(n, L)``.
        scores: ``(n, L)`` by method, each row's by a model that did not learn from it.
        fold: ``int (n,)``.
        seed: of the draws.
    """
    if len(scores) < 2:
        return 0.0
    rankings = [WithinFolds(Y, each, fold) for each in scores.values()]
    random = np.random.default_rng(seed)
    drawn = (random.random((DRAWS, len(Y))) < _INSIDE).astype(np.uint8)
    inside, outside = (
        np.stack([defined_mean(ranking(weights)[0]) for ranking in rankings], axis=1)
        for weights in (drawn, 1 - drawn)
    )
    known = ~(np.isnan(inside) | np.isnan(outside)).any(axis=1)
    if not known.any():
        return 0.0
    inside, outside = inside[known], outside[known]
    at = inside.argmax(axis=1)
    leads = [each[np.arange(len(at)), at] - each.mean(axis=1) for each in (inside, outside)]
    return max(0.0, float((leads[0] - leads[1]).mean()))


def plausible_best(
    Y: np.ndarray, scores: Sequence[np.ndarray], fold: np.ndarray, resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """Return mAP within folds of the members that may be the best, and its draws.

    Those that lie far below the best in a first hundred resamples are left out.

    Args:
        Y: ``(n, L)``.
        scores: ``(n, L)`` of each member.
        fold: ``int (n,)``.
        resamples: of the images.
        seed: of the resamples.

    Returns:
        ``float64 (M',)`` and ``float64 (resamples, M')``.
    """
    few = [draw_within(Y, each, fold, min(_FIRST, resamples), seed) for each in scores]
    first = np.stack([each.draws["map"] for each in few], axis=1)
    mean = np.nan_to_num(first).mean(axis=0)
    best = int(mean.argmax())
    spread = np.nan_to_num(first - first[:, [best]]).std(axis=0)
    kept = [
        at for at in range(len(few)) if at == best or mean[best] - mean[at] <= _FAR * spread[at]
    ]
    drawn = [draw_within(Y, scores[at], fold, resamples, seed) for at in kept]
    return (
        np.array([each.point["map"] for each in drawn]),
        np.stack([each.draws["map"] for each in drawn], axis=1),
    )
