"""Gains: what an ensemble adds over its best member, and what each member adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from toolkit.ensembles.choice import draw_within, plausible_best
from toolkit.ensembles.fit import Ensemble
from toolkit.ensembles.join import Joined
from toolkit.ensembles.thresholds import label_thresholds
from toolkit.statistics.intervals import (
    benjamini_hochberg,
    difference_to_best,
    holm,
    label_interval,
    paired_difference,
)
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import (
    METRICS,
    binarize,
    brier,
    calibration_error,
    log_loss,
    mean_average_precision,
)
from toolkit.statistics.resampling import FEWEST, Draws, Weighted
from toolkit.statistics.swaps import swap_test

Facts = dict[str, Any]


@dataclass(frozen=True)
class Gains:
    """What there is to say for an ensemble, from nested out-of-fold scores; None is undefined.

    A difference is ``ensemble``, ``member``, ``difference``, the 95 % interval ``low`` to ``high``
    and a two-sided ``p``.

    Attributes:
        best: the member of highest mAP out of fold, or the one that was named to compare with.
        named: whether it was named.
        price: what mAP flatters the ensemble by because its method was chosen by it; differences
            in mAP are less it.
        members: mAP of each member.
        differences: by metric, from that member; F1 and the like at thresholds that each system
            tuned without the row's fold. In mAP, unless one was named, from the best of all members
            whichever it is: see :func:`~toolkit.statistics.intervals.difference_to_best`.
        labels: of each label its ``label``, ``positives``, ``ap`` with its interval ``low`` to
            ``high``, ``gain`` (the difference in AP, its p by swapping the two systems' scores),
            ``p_holm`` (p adjusted for all labels, Holm 1979), ``p_bh`` (for the share of false
            discoveries, Benjamini & Hochberg 1995), ``method`` of calibration, ``ece`` over bins of
            equal mass and ``brier`` (each before and after calibration), ``threshold`` and its
            ``spread``.
        calibration: mean over labels of log loss, Brier score and ECE, before and after.
        errors: ``(M, M)``, correlation of the members' errors, mean over labels.
        without: mAP of the ensemble without each member (its choices kept), and what that loses.
        added: members in the order in which each helps the mean of logits most, with its mAP.
        resamples: of the bootstrap.
        note: what the figures mean, in a sentence.
    """

    best: str
    named: bool
    price: float
    members: Facts
    differences: dict[str, Facts]
    labels: list[Facts]
    calibration: dict[str, list[float]]
    errors: list[list[float]]
    without: dict[str, Facts]
    added: list[Facts]
    resamples: int
    note: str

    def facts(self) -> Facts:
        """Return all fields, JSON-able."""
        return asdict(self)


def measure_gains(
    joined: Joined,
    ensemble: Ensemble,
    *,
    objective: str = "f1",
    against: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Gains:
    """Weigh an ensemble against its members on the development rows, all scores out of fold.

    Rankings are evaluated on the combined scores, within folds: calibration maps new images by one
    increasing function per label and reorders nothing, and models of different folds, pooled, rank
    rows against each other by accidents of those folds.

    Args:
        joined: the members.
        ensemble: fitted on them.
        objective: of both systems' thresholds.
        against: name of the member to compare with; None for the best.
        resamples: of the paired bootstrap over images.
        seed: of the bootstrap.
    """
    Y = joined.Y
    members = {
        name: mean_average_precision(Y, joined.Z[:, at]) for at, name in enumerate(joined.names)
    }
    best = max(members, key=lambda name: members[name]) if against is None else against
    single = sigmoid(joined.Z[:, joined.names.index(best)]).astype(np.float32)
    systems = [
        Weighted(Y, ensemble.raw, decide_nested(joined, ensemble.scores, objective)),
        Weighted(Y, single, decide_nested(joined, single, objective)),
    ]
    points = [system.point() for system in systems]
    drawn = [system.draw(resamples, seed) for system in systems]
    differences = {
        key: _difference(
            float(points[0].metrics[key][0]),
            float(points[1].metrics[key][0]),
            drawn[0].metrics[key] - drawn[1].metrics[key],
        )
        for key in METRICS
    }
    differences |= _rankings(joined, ensemble.raw, best, against is not None, resamples, seed)
    for key in ("difference", "low", "high"):
        value = differences["map"][key]
        differences["map"][key] = None if value is None else value - ensemble.price
    return Gains(
        best=best,
        named=against is not None,
        price=ensemble.price,
        members={name: _or_none(value) for name, value in members.items()},
        differences=differences,
        labels=_labels(joined, ensemble, single, points, drawn, seed),
        calibration={
            name: [float(np.nanmean(measure(Y, S))) for S in (ensemble.raw, ensemble.scores)]
            for name, measure in (
                ("log_loss", log_loss),
                ("brier", brier),
                ("ece", calibration_error),
            )
        },
        errors=error_correlation(Y, joined.Z).tolist(),
        without=_without(joined, ensemble),
        added=add_one(joined),
        resamples=resamples,
        note=_note(best, against is not None, differences["map"]),
    )


def error_correlation(Y: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Return ``(M, M)``: correlation of members' errors ``y - p``, mean over labels.

    Of each label over the rows where it is known; one that is known nowhere is left out.
    Members whose errors are alike add little to each other (Krogh & Vedelsby 1995).
    """
    members = Z.shape[1]
    total = np.zeros((members, members))
    for label in range(Z.shape[2]):
        known = Y[:, label] >= 0
        errors = Y[known, label, None] - sigmoid(Z[known, :, label])
        if not len(errors):
            continue
        errors -= errors.mean(axis=0)
        spread = np.sqrt((errors**2).sum(axis=0)).clip(1e-12)
        total += (errors.T @ errors) / np.outer(spread, spread)
    mean: np.ndarray = total / max(1, int((Y >= 0).any(axis=0).sum()))
    return mean


def add_one(joined: Joined) -> list[Facts]:
    """Add, from none, the member that helps the mean of logits most; return each step's mAP."""
    running = np.zeros(joined.Y.shape, np.float32)
    left = list(range(len(joined.names)))
    steps = []
    while left:
        reached = [
            mean_average_precision(joined.Y, running + joined.Z[:, member]) for member in left
        ]
        place = int(np.nanargmax(reached)) if not np.isnan(reached).all() else 0
        member = left.pop(place)
        running += joined.Z[:, member]
        steps.append({"member": joined.names[member], "map": _or_none(reached[place])})
    return steps


def decide_nested(joined: Joined, S: np.ndarray, objective: str) -> np.ndarray:
    """Decide each row at thresholds fitted without its fold."""
    out = np.empty(S.shape, np.uint8)
    for fold in np.unique(joined.fold):
        held = joined.fold == fold
        out[held] = binarize(S[held], label_thresholds(joined.Y[~held], S[~held], objective))
    return out


def _difference(ours: float, theirs: float, gaps: np.ndarray) -> Facts:
    both = {"ensemble": _or_none(ours), "member": _or_none(theirs)}
    return both | asdict(paired_difference(both["ensemble"], both["member"], gaps))


def _rankings(
    joined: Joined, raw: np.ndarray, best: str, named: bool, resamples: int, seed: int
) -> dict[str, Facts]:
    """Return the differences in mAP and AUROC within folds."""
    Y, fold = joined.Y, joined.fold
    scores = [joined.Z[:, at] for at in range(len(joined.names))]
    ours, theirs = (
        draw_within(Y, each, fold, resamples, seed)
        for each in (raw, scores[joined.names.index(best)])
    )
    found = {
        key: _difference(ours.point[key], theirs.point[key], ours.draws[key] - theirs.draws[key])
        for key in ours.point
    }
    if not named:
        others = plausible_best(Y, scores, fold, resamples, seed)
        difference = difference_to_best(ours.point["map"], others[0], ours.draws["map"], others[1])
        found["map"] |= asdict(difference)
    return found


def _labels(
    joined: Joined,
    ensemble: Ensemble,
    single: np.ndarray,
    points: Sequence[Draws],
    drawn: Sequence[Draws],
    seed: int,
) -> list[Facts]:
    ap, other = (each.ap[0].tolist() for each in points)
    gaps = drawn[0].ap - drawn[1].ap
    positives = (joined.Y == 1).sum(axis=0).tolist()
    gains = [
        _difference(a, b, gap if count >= FEWEST else gap[:0])
        for a, b, gap, count in zip(ap, other, gaps.T, positives, strict=True)
    ]
    gap, p = swap_test(joined.Y, ensemble.raw, single, joined.fold, seed=seed)
    for gain, size, value in zip(gains, gap.tolist(), p.tolist(), strict=True):
        gain |= {"difference": _or_none(size), "p": _or_none(value)}
    adjusted, discovered = holm(p), benjamini_hochberg(p)
    both = (ensemble.raw, ensemble.scores)
    ece, square = (
        [list(map(_or_none, pair)) for pair in np.stack(each, axis=1).tolist()]
        for each in zip(
            *((calibration_error(joined.Y, S), brier(joined.Y, S)) for S in both), strict=True
        )
    )
    found = []
    for at, label in enumerate(joined.labels):
        pair = label_interval(ap[at], drawn[0].ap[:, at], positives[at])
        low, high = pair or (None, None)
        found.append(
            {
                "label": label,
                "positives": positives[at],
                "ap": _or_none(ap[at]),
                "low": low,
                "high": high,
                "gain": gains[at],
                "p_holm": _or_none(float(adjusted[at])),
                "p_bh": _or_none(float(discovered[at])),
                "method": ensemble.calibration.method_[at],
                "ece": ece[at],
                "brier": square[at],
                "threshold": float(ensemble.thresholds.per_label[at]),
                "spread": ensemble.thresholds.spread[at].tolist(),
            }
        )
    return found


def _without(joined: Joined, ensemble: Ensemble) -> dict[str, Facts]:
    every = list(range(len(joined.names)))
    if len(every) < 3:
        return {}
    whole = _nested_map(joined, ensemble, every)
    found = {}
    for member, name in enumerate(joined.names):
        reached = _nested_map(joined, ensemble, [other for other in every if other != member])
        found[name] = {"map": _or_none(reached), "loses": _or_none(whole - reached)}
    return found


def _nested_map(joined: Joined, ensemble: Ensemble, kept: list[int]) -> float:
    combiner = ensemble.combiner.held()
    scores, _ = combiner.cross_fit(joined.Z[:, kept], joined.Y, joined.fold)
    return mean_average_precision(joined.Y, scores)


def _note(best: str, named: bool, gain: Facts) -> str:
    if gain["difference"] is None:
        return "No label has positives here, so nothing can be said of the ensemble."
    size = f"{gain['difference']:+.4f} mAP [{gain['low']:+.4f}, {gain['high']:+.4f}]"
    other = best if named else f"its best member ({best} on these images)"
    if gain["low"] > 0:
        return f"The ensemble is better than {other}: {size}."
    if gain["high"] < 0:
        return f"The ensemble is worse than {other}: {size}. Use {best} alone."
    return (
        f"The ensemble is not distinguishable from {other}: {size}. {best} alone is simpler and, "
        "as far as these images tell, as good."
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
