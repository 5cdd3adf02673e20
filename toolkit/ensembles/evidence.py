"""Evidence: what an ensemble adds over its best member, and what each member adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from toolkit.ensembles.combiners import sigmoid
from toolkit.ensembles.ensemble import Ensemble
from toolkit.ensembles.join import Aligned
from toolkit.ensembles.thresholds import fit_thresholds
from toolkit.statistics.intervals import WeightedRanking, holm, resample_counts
from toolkit.statistics.metrics import (
    binarize,
    brier,
    calibration_error,
    defined_mean,
    log_loss,
    mean_average_precision,
    metrics_from_counts,
)

_DECIDED = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "micro_f1")


@dataclass(frozen=True)
class Difference:
    """How much the ensemble scores above its best member, with a 95 % interval and two-sided p."""

    ensemble: float | None
    member: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True)
class LabelEvidence:
    """One label: average precision with its interval, and the difference from the best member.

    ``p_holm`` is adjusted for all labels (Holm 1979). ``ece`` and ``brier`` are before and after
    calibration, ``ece`` over bins of equal mass.
    """

    label: str
    positives: int
    ap: float | None
    low: float | None
    high: float | None
    gain: Difference
    p_holm: float | None
    method: str
    ece: tuple[float, float]
    brier: tuple[float, float]
    threshold: float
    spread: tuple[float, float]


@dataclass(frozen=True)
class Evidence:
    """All there is to say for an ensemble, from nested out-of-fold scores.

    Attributes:
        best: the member of highest mAP out of fold.
        members: mAP of each member.
        differences: by metric, from the best member; F1 and the like at thresholds that each
            system tuned without the row's fold.
        labels: one a label.
        calibration: mean over labels of log loss, Brier score and ECE, before and after.
        errors: ``(M, M)``, correlation of the members' errors, mean over labels.
        without: mAP of the ensemble without each member (its choices kept), and what that loses.
        added: members in the order in which each helps the mean of logits most, with its mAP.
        resamples: of the bootstrap.
        note: what the figures mean, in a sentence.
    """

    best: str
    members: dict[str, float]
    differences: dict[str, Difference]
    labels: list[LabelEvidence]
    calibration: dict[str, tuple[float, float]]
    errors: list[list[float]]
    without: dict[str, dict[str, float]]
    added: list[dict[str, Any]]
    resamples: int
    note: str

    def facts(self) -> dict[str, Any]:
        """Return all fields, JSON-able: None where a figure is undefined."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def gather_evidence(
    aligned: Aligned,
    ensemble: Ensemble,
    *,
    objective: str = "f1",
    resamples: int = 1000,
    seed: int = 0,
) -> Evidence:
    """Weigh an ensemble against its members on the development rows, all scores out of fold.

    Rankings are judged by the combined scores: calibration maps new images by one increasing
    function a label and reorders nothing, whereas the maps that each left out one fold, pooled,
    rank rows of different folds against each other by accidents of those folds.

    Args:
        aligned: the members.
        ensemble: fitted on them.
        objective: of both systems' thresholds.
        resamples: of the paired bootstrap over images.
        seed: of the bootstrap.
    """
    Y = aligned.Y
    members = {
        name: mean_average_precision(Y, aligned.Z[:, at]) for at, name in enumerate(aligned.names)
    }
    best = max(members, key=lambda name: members[name])
    single = sigmoid(aligned.Z[:, aligned.names.index(best)]).astype(np.float32)
    systems = [
        _System(Y, ensemble.raw, _decisions(aligned, ensemble.scores, objective)),
        _System(Y, single, _decisions(aligned, single, objective)),
    ]
    drawn = [_bootstrap(Y, system, resamples, seed) for system in systems]
    differences = {
        key: _difference(
            systems[0].metrics[key], systems[1].metrics[key], drawn[0][key] - drawn[1][key]
        )
        for key in ("map", "auroc", *_DECIDED)
    }
    without = _without(aligned, ensemble)
    return Evidence(
        best=best,
        members=members,
        differences=differences,
        labels=_labels(aligned, ensemble, systems, drawn),
        calibration={
            name: (
                float(np.nanmean(measure(Y, ensemble.raw))),
                float(np.nanmean(measure(Y, ensemble.scores))),
            )
            for name, measure in (
                ("log_loss", log_loss),
                ("brier", brier),
                ("ece", calibration_error),
            )
        },
        errors=error_correlation(Y, aligned.Z).tolist(),
        without=without,
        added=add_one(aligned),
        resamples=resamples,
        note=_note(best, differences["map"]),
    )


def error_correlation(Y: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Return ``(M, M)``: correlation of members' errors ``y - p``, mean over labels.

    Members whose errors are alike add little to each other (Krogh & Vedelsby 1995).
    """
    members = Z.shape[1]
    total = np.zeros((members, members))
    for label in range(Z.shape[2]):
        errors = Y[:, label, None] - sigmoid(Z[:, :, label])
        errors -= errors.mean(axis=0)
        spread = np.sqrt((errors**2).sum(axis=0)).clip(1e-12)
        total += (errors.T @ errors) / np.outer(spread, spread)
    mean: np.ndarray = total / Z.shape[2]
    return mean


def add_one(aligned: Aligned) -> list[dict[str, Any]]:
    """Add, from none, the member that helps the mean of logits most; return each step's mAP."""
    running = np.zeros(aligned.Y.shape, np.float32)
    left = list(range(len(aligned.names)))
    steps = []
    while left:
        reached = [
            mean_average_precision(aligned.Y, running + aligned.Z[:, member]) for member in left
        ]
        place = int(np.nanargmax(reached)) if not np.isnan(reached).all() else 0
        member = left.pop(place)
        running += aligned.Z[:, member]
        steps.append({"member": aligned.names[member], "map": reached[place]})
    return steps


class _System:
    """Scores to rank by, decisions, and the point values of all metrics."""

    def __init__(self, Y: np.ndarray, S: np.ndarray, decisions: np.ndarray) -> None:
        self.ranking = WeightedRanking(Y, S)
        yes, truth = decisions.astype(bool), Y.astype(bool)
        self.cells = np.hstack([truth & yes, yes, truth]).astype(np.float32)
        once = np.ones((1, len(Y)), np.uint8)
        values = self.of(once)
        self.ap: np.ndarray = values["ap"][0]
        self.metrics = {key: float(value[0]) for key, value in values.items() if key != "ap"}

    def of(self, chunk: np.ndarray) -> dict[str, np.ndarray]:
        """Return every metric under each row of multiplicities ``(b, n)``."""
        counts = (chunk.astype(np.float32) @ self.cells).astype(np.float64)
        hits, called, positives = np.split(counts, 3, axis=1)
        ap, area = self.ranking(chunk)
        decided = metrics_from_counts(hits, called, positives, rows=chunk.shape[1])
        return {
            "ap": ap, "map": defined_mean(ap), "auroc": defined_mean(area),
            **{key: decided[key] for key in _DECIDED},
        }  # fmt: skip


def _decisions(aligned: Aligned, S: np.ndarray, objective: str) -> np.ndarray:
    """Decide each row at thresholds fitted without its fold."""
    out = np.empty(S.shape, np.uint8)
    for fold in np.unique(aligned.fold):
        held = aligned.fold == fold
        fitted = fit_thresholds(aligned.Y[~held], S[~held], aligned.fold[~held], objective)
        out[held] = binarize(S[held], fitted.per_label)
    return out


def _bootstrap(Y: np.ndarray, system: _System, resamples: int, seed: int) -> dict[str, np.ndarray]:
    parts = [system.of(chunk) for chunk in resample_counts(len(Y), resamples, seed)]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _difference(ours: float, theirs: float, gaps: np.ndarray) -> Difference:
    """Percentile interval and p of a paired difference; see :mod:`toolkit.statistics.intervals`."""
    gaps = gaps[~np.isnan(gaps)]
    if not gaps.size or np.isnan(ours) or np.isnan(theirs):
        return Difference(_or_none(ours), _or_none(theirs), None, None, None, None)
    low, high = np.quantile(gaps, [0.025, 0.975])
    fewer = min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0))
    p = min(1.0, 2 * (1 + int(fewer)) / (1 + gaps.size))
    return Difference(ours, theirs, ours - theirs, float(low), float(high), p)


def _labels(
    aligned: Aligned,
    ensemble: Ensemble,
    systems: Sequence[_System],
    drawn: Sequence[Mapping[str, np.ndarray]],
) -> list[LabelEvidence]:
    Y, thresholds = aligned.Y, ensemble.thresholds
    gains = [
        _difference(float(a), float(b), gaps)
        for a, b, gaps in zip(
            systems[0].ap, systems[1].ap, (drawn[0]["ap"] - drawn[1]["ap"]).T, strict=True
        )
    ]
    adjusted = holm([np.nan if gain.p is None else gain.p for gain in gains])
    before = (calibration_error(Y, ensemble.raw), brier(Y, ensemble.raw))
    after = (calibration_error(Y, ensemble.scores), brier(Y, ensemble.scores))
    found = []
    for at, label in enumerate(aligned.labels):
        own = drawn[0]["ap"][:, at]
        own = own[~np.isnan(own)]
        low, high = np.quantile(own, [0.025, 0.975]) if own.size else (None, None)
        found.append(
            LabelEvidence(
                label=label,
                positives=int(Y[:, at].sum()),
                ap=_or_none(float(systems[0].ap[at])),
                low=None if low is None else float(low),
                high=None if high is None else float(high),
                gain=gains[at],
                p_holm=_or_none(float(adjusted[at])),
                method=ensemble.calibration.method_[at],
                ece=(float(before[0][at]), float(after[0][at])),
                brier=(float(before[1][at]), float(after[1][at])),
                threshold=float(thresholds.per_label[at]),
                spread=(float(thresholds.spread[at, 0]), float(thresholds.spread[at, 1])),
            )
        )
    return found


def _without(aligned: Aligned, ensemble: Ensemble) -> dict[str, dict[str, float]]:
    if len(aligned.names) < 3:
        return {}
    found = {}
    whole = _nested_map(aligned, ensemble, list(range(len(aligned.names))))
    for member, name in enumerate(aligned.names):
        kept = [other for other in range(len(aligned.names)) if other != member]
        reached = _nested_map(aligned, ensemble, kept)
        found[name] = {"map": reached, "loses": whole - reached}
    return found


def _nested_map(aligned: Aligned, ensemble: Ensemble, kept: list[int]) -> float:
    combiner = ensemble.combiner.held()
    scores, _ = combiner.cross_fit(aligned.Z[:, kept], aligned.Y, aligned.fold)
    return mean_average_precision(aligned.Y, scores)


def _note(best: str, gain: Difference) -> str:
    if gain.difference is None or gain.low is None or gain.high is None:
        return "No label has positives here, so nothing can be said of the ensemble."
    size = f"{gain.difference:+.4f} mAP [{gain.low:+.4f}, {gain.high:+.4f}]"
    if gain.low > 0:
        return f"The ensemble is better than its best member, {best}: {size}."
    if gain.high < 0:
        return f"The ensemble is worse than its best member: {size}. Use {best} alone."
    return (
        f"The ensemble does not help beyond what chance explains: {size} against {best}. "
        f"{best} alone is simpler and, as far as these images tell, as good."
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float) and np.isnan(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
