"""Ensemble: members combined, calibrated and cut, with development scores that are out of fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.ensembles.calibration import Calibration
from toolkit.ensembles.combiners import Combiner, Mean, Rank
from toolkit.ensembles.greedy import Greedy
from toolkit.ensembles.join import Aligned
from toolkit.ensembles.stack import Stack
from toolkit.ensembles.thresholds import Thresholds, fit_thresholds
from toolkit.errors import UsageError
from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD, Predictions
from toolkit.statistics.metrics import mean_average_precision

COMBINERS: dict[str, type[Combiner]] = {each.name: each for each in (Mean, Rank, Greedy, Stack)}
METHODS = (*COMBINERS, "auto")
MANY_LABELS = 64


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A fitted ensemble.

    Attributes:
        combiner: fitted on all development rows.
        calibration: likewise.
        thresholds: fitted on the calibrated out-of-fold scores.
        raw: ``float32 (n, L)``, combined development scores, each row without its fold.
        scores: ``float32 (n, L)``, the same calibrated, again without the row's fold.
        rest: ``float32 (t, L)``, calibrated scores of the other images.
        considered: nested out-of-fold mAP of each method that was tried.
    """

    combiner: Combiner
    calibration: Calibration
    thresholds: Thresholds
    raw: np.ndarray
    scores: np.ndarray
    rest: np.ndarray
    considered: dict[str, float]

    def states(self) -> dict[str, dict[str, np.ndarray | str]]:
        """Return what was learned, as :func:`toolkit.members.member.save_member` takes it."""
        return {
            "combiner": {**self.combiner.state()},
            "calibration": {**self.calibration.state()},
        }

    def facts(self, aligned: Aligned) -> dict[str, Any]:
        """Return the JSON-able facts that :func:`restore` and ``toolkit compare`` need."""
        return {
            "method": self.combiner.name,
            "options": self.combiner.options(),
            "members": list(aligned.names),
            "calibration": dict(zip(aligned.labels, self.calibration.method_, strict=True)),
            "thresholds": self.thresholds.facts(aligned.labels),
            "considered": {
                title: None if np.isnan(value) else value
                for title, value in self.considered.items()
            },
        }

    def predictions(self, aligned: Aligned, recipe: dict[str, Any]) -> Predictions:
        """Return the scores as a member's."""
        n, t = len(aligned.ids), len(aligned.rest)
        return Predictions(
            ids=aligned.ids + aligned.rest,
            labels=aligned.labels,
            scores=np.concatenate([self.scores, self.rest]),
            origin=np.r_[np.full(n, OUT_OF_FOLD), np.full(t, HELD_OUT)].astype(np.int8),
            fold=np.r_[aligned.fold, np.full(t, -1)].astype(np.int16),
            folds_digest=aligned.folds_digest,
            dataset_digest=aligned.dataset_digest,
            recipe=recipe,
        )


def fit_ensemble(
    aligned: Aligned,
    method: str = "auto",
    *,
    options: Mapping[str, Any] | None = None,
    calibration: str = "auto",
    objective: str = "f1",
    seed: int = 0,
) -> Ensemble:
    """Combine, calibrate and cut.

    Every development score is nested: the weights, their strength, the method (with ``auto``), the
    calibration and its method that gave it were learned and chosen without the labels of its fold.
    What the members' own folds leave is told in docs/decisions/0005-nesting.md.

    Args:
        aligned: see :func:`toolkit.ensembles.join.align`.
        method: one of ``METHODS``; ``auto`` takes the best by nested mAP. It tries the stack in
            which labels see each other for up to ``MANY_LABELS`` labels: the time of that one grows
            with the cube of their number.
        options: of the stack (``cross_label``, ``cardinality``, ``any_sign``) and of greedy
            selection (``per_label``).
        calibration: see :class:`toolkit.ensembles.calibration.Calibration`.
        objective: of the thresholds.
        seed: of greedy selection's bags.

    Raises:
        UsageError: the method or an option is unknown.
    """
    candidates = _candidates(method, dict(options or {}), seed, aligned.Y.shape[1])
    mapping = Calibration(calibration)
    fitted = {
        title: candidate.cross_fit(aligned.Z, aligned.Y, aligned.fold)
        for title, candidate in candidates.items()
    }
    considered = {
        title: mean_average_precision(aligned.Y, scores) for title, (scores, _) in fitted.items()
    }
    best = max(considered, key=lambda title: considered[title])
    combiner = fitted[best][1]
    raw = _chosen_without(aligned, {title: scores for title, (scores, _) in fitted.items()})
    scores = mapping.cross_fit(raw, aligned.Y, aligned.fold)
    return Ensemble(
        combiner=combiner,
        calibration=mapping,
        thresholds=fit_thresholds(aligned.Y, scores, aligned.fold, objective),
        raw=raw,
        scores=scores,
        rest=mapping.apply(combiner.combine(aligned.rest_logits)),
        considered=considered,
    )


def restore(
    facts: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]]
) -> tuple[Combiner, Calibration]:
    """Rebuild what turns members' logits into probabilities."""
    combiner = COMBINERS[facts["method"]](**facts["options"]).restore(states["combiner"])
    return combiner, Calibration().restore(states["calibration"])


def _chosen_without(aligned: Aligned, scores: dict[str, np.ndarray]) -> np.ndarray:
    """Take each fold's scores from the method that is best on the other folds."""
    if len(scores) == 1:
        return next(iter(scores.values()))
    out = np.empty(aligned.Y.shape, np.float32)
    for fold in np.unique(aligned.fold):
        held = aligned.fold == fold
        judged = {
            title: mean_average_precision(aligned.Y[~held], each[~held])
            for title, each in scores.items()
        }
        out[held] = scores[max(judged, key=lambda title: judged[title])][held]
    return out


def _candidates(
    method: str, options: dict[str, Any], seed: int, labels: int
) -> dict[str, Combiner]:
    if method not in METHODS:
        raise UsageError(f"--method is one of {', '.join(METHODS)}, not {method!r}")
    wider: dict[str, Any] = {
        name: bool(options.pop(name, False)) for name in ("cross_label", "cardinality")
    }
    signed = bool(options.pop("any_sign", False))
    selecting = bool(options.pop("per_label", False))
    if options:
        raise UsageError(
            f"an ensemble has no option {min(options)!r}; it takes {', '.join(wider)}, "
            "any_sign, per_label"
        )
    if (any(wider.values()) or signed) and method not in ("stack", "auto"):
        raise UsageError("--cross-label, --cardinality and --any-sign are for --method stack")
    if selecting and method not in ("greedy", "auto"):
        raise UsageError("--per-label is for --method greedy")
    made: dict[str, Combiner] = {
        "mean": Mean(),
        "rank": Rank(),
        "greedy": Greedy(per_label=selecting, seed=seed),
        "stack": Stack(**wider, nonnegative=not signed),
    }
    if method != "auto":
        return {method: made[method]}
    if not any(wider.values()) and labels <= MANY_LABELS:
        made["stack, cross-label"] = Stack(True, True, not signed)
    return made
