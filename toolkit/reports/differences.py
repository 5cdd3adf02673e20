"""Differences: how far a member is above the paper's best figures and above blind predictors.

Blind predictors score the same test images, so they are compared by the paired bootstrap, with p
after Holm (1979) over the members. The paper printed figures and no scores, on test images of its
own: its best figure is only looked up in the member's 95 % interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from toolkit.members.held_out import Scored
from toolkit.paper.results import RESULTS
from toolkit.statistics.intervals import holm, paired_difference
from toolkit.statistics.metrics import METRICS, score
from toolkit.statistics.resampling import Draws, draw_metrics

Metrics = Mapping[str, float | None]
PRINTED = ("accuracy", "macro_precision", "macro_recall")
REFERENCE, PAPER = "reference", "paper"


def paper_best(metric: str) -> tuple[str, float, float] | None:
    """Return name, figure and rounding of the paper's best row by a metric, None if unpublished.

    >>> paper_best("macro_precision")[1:]
    (0.08, 0.005)
    """
    if metric not in PRINTED:
        return None
    printed = [each for each in RESULTS.values() if getattr(each, metric) is not None]
    best = max(printed, key=lambda each: float(getattr(each, metric)))
    half = best.half_units[0] if metric == "accuracy" else best.half_units[1]
    return f"{best.source}: {best.name}", float(getattr(best, metric)), half


def from_paper(metrics: Metrics, intervals: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, by metric, the paper's best figure, the difference from it, and ``outside``.

    ``outside`` says whether the figure, however it was rounded, is outside the member's 95 %
    interval; None without one.
    """
    out: dict[str, dict[str, Any]] = {}
    for metric in PRINTED:
        best, own = paper_best(metric), metrics[metric]
        if best is None or own is None:
            continue
        name, value, half = best
        pair = intervals.get(metric)
        outside = None if pair is None else value + half < pair[0] or value - half > pair[1]
        out[metric] = {"name": name, "value": value, "difference": own - value, "outside": outside}
    return out


class Blind:
    """Predictors that ignore the image, drawn once for each set of test images.

    Args:
        constant: name to ``(L,)``, the score that a predictor gives to every image. Of equals the
            first is named for decisions, the last for rankings.
        expected: name to metrics, of predictors with no scores: expected values.
        labels: label names.
        resamples: of the paired bootstrap; 0 for none.
        seed: of the bootstrap.
    """

    def __init__(
        self,
        constant: Mapping[str, np.ndarray],
        expected: Mapping[str, Metrics],
        labels: tuple[str, ...],
        *,
        resamples: int,
        seed: int,
    ) -> None:
        self._constant, self._expected, self._labels = constant, expected, labels
        self._resamples, self._seed = resamples, seed
        self._known: dict[bytes, dict[str, tuple[Metrics, Draws | None]]] = {}

    def below(
        self, scored: Scored, metrics: Metrics, drawn: Draws | None
    ) -> dict[str, dict[str, Any]]:
        """Return, by metric, the best of these predictors and the difference from it.

        ``low``, ``high`` and ``p`` are None where that predictor has no scores to resample.
        """
        there = self._on(scored)
        out: dict[str, dict[str, Any]] = {}
        for metric in METRICS:
            # for rankings the predictors are given from the other end
            names = reversed(there) if metric in ("map", "auroc") else iter(there)
            values = {name: there[name][0][metric] for name in names}
            known = {name: value for name, value in values.items() if value is not None}
            own = metrics[metric]
            if own is None or not known:
                continue
            # of equals take one that can be resampled
            name = max(known, key=lambda each: (known[each], there[each][1] is not None))
            draws = there[name][1]
            facts = {"difference": own - known[name], "low": None, "high": None, "p": None}
            if drawn is not None and draws is not None:
                gaps = drawn.metrics[metric] - draws.metrics[metric]
                facts = asdict(paired_difference(own, known[name], gaps))
            out[metric] = {"name": name, "value": known[name], **facts, "p_holm": None}
        return out

    def _on(self, scored: Scored) -> dict[str, tuple[Metrics, Draws | None]]:
        key = scored.rows.tobytes()
        if key not in self._known:
            found: dict[str, tuple[Metrics, Draws | None]] = {}
            for name, constant in self._constant.items():
                scores = np.broadcast_to(constant, scored.truth.shape)
                drawn = (
                    draw_metrics(scored.truth, scores, resamples=self._resamples, seed=self._seed)
                    if self._resamples
                    else None
                )
                found[name] = score(scored.truth, scores, labels=self._labels).metrics, drawn
            found |= {name: (metrics, None) for name, metrics in self._expected.items()}
            self._known[key] = found
        return self._known[key]


def adjust(all_versus: Iterable[dict[str, dict[str, Any]]]) -> None:
    """Write ``p_holm`` into what :meth:`Blind.below` returned, metric by metric over members."""
    every = list(all_versus)
    for metric in METRICS:
        cells = [each[metric] for each in every if metric in each]
        p = [np.nan if cell["p"] is None else cell["p"] for cell in cells]
        for cell, value in zip(cells, holm(p), strict=True):
            cell["p_holm"] = None if np.isnan(value) else float(value)
