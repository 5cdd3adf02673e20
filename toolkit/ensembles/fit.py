"""Fit an ensemble: combiner, calibration and thresholds, with scores that are out of fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.ensembles.calibration import Calibration
from toolkit.ensembles.choice import map_within, price_of_choice
from toolkit.ensembles.combiners import Combiner, Mean, Rank
from toolkit.ensembles.greedy import Greedy
from toolkit.ensembles.join import Joined
from toolkit.ensembles.stack import Stack
from toolkit.ensembles.thresholds import Thresholds, fit_thresholds
from toolkit.errors import UsageError, check_choice
from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD, Predictions

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
        considered: nested out-of-fold mAP, within folds, of each method that was tried.
        price: by how much that flatters the best of them.
    """

    combiner: Combiner
    calibration: Calibration
    thresholds: Thresholds
    raw: np.ndarray
    scores: np.ndarray
    rest: np.ndarray
    considered: dict[str, float]
    price: float = 0.0

    def states(self) -> dict[str, dict[str, np.ndarray | str]]:
        """Return what was learned, as :func:`toolkit.members.member.save_member` takes it."""
        return {
            "combiner": {**self.combiner.state()},
            "calibration": {**self.calibration.state()},
        }

    def facts(self, joined: Joined) -> dict[str, Any]:
        """Return the JSON-able facts that :func:`restore` and ``toolkit compare`` need."""
        return {
            "method": self.combiner.name,
            "options": self.combiner.get_params(),
            "members": list(joined.names),
            "calibration": dict(zip(joined.labels, self.calibration.method_, strict=True)),
            "thresholds": self.thresholds.facts(joined.labels),
            "considered": {
                title: None if np.isnan(value) else value
                for title, value in self.considered.items()
            },
            "price": self.price,
        }

    def predictions(self, joined: Joined, recipe: dict[str, Any]) -> Predictions:
        """Return the scores as a member's."""
        n, t = len(joined.ids), len(joined.rest)
        return Predictions(
            ids=joined.ids + joined.rest,
            labels=joined.labels,
            scores=np.concatenate([self.scores, self.rest]),
            origin=np.r_[np.full(n, OUT_OF_FOLD), np.full(t, HELD_OUT)].astype(np.int8),
            fold=np.r_[joined.fold, np.full(t, -1)].astype(np.int16),
            folds_digest=joined.folds_digest,
            dataset_digest=joined.dataset_digest,
            recipe=recipe,
        )


def fit_ensemble(
    joined: Joined,
    method: str = "auto",
    *,
    cross_label: bool = False,
    cardinality: bool = False,
    any_sign: bool = False,
    per_label: bool = False,
    calibration: str = "auto",
    objective: str = "f1",
    seed: int = 0,
) -> Ensemble:
    """Combine, calibrate, and fit thresholds.

    Every development score is nested: the weights, their strength, the calibration and its method
    that gave it were learned and chosen without the labels of its fold. With ``auto`` they are all
    the best method's own, and what choosing it by them flatters is reported apart.
    What still leaks through the members' own folds is measured in docs/decisions/0005-nesting.md.

    Args:
        joined: see :func:`toolkit.ensembles.join.join`.
        method: one of ``METHODS``; ``auto`` takes the best by nested mAP. It tries the stack in
            which labels see each other for up to ``MANY_LABELS`` labels: the time of that one grows
            with the cube of their number.
        cross_label: of the stack.
        cardinality: of the stack.
        any_sign: of the stack: weights may be negative.
        per_label: of greedy selection.
        calibration: see :class:`toolkit.ensembles.calibration.Calibration`.
        objective: of the thresholds.
        seed: of greedy selection's bags.

    Raises:
        UsageError: the method is unknown, or an option is another method's.
    """
    stacking, wider = method in ("stack", "auto"), cross_label or cardinality
    check_choice("method", method, METHODS)
    if (wider or any_sign) and not stacking:
        raise UsageError(
            f"cross_label, cardinality and any_sign: expected method stack, found {method}"
        )
    if per_label and method not in ("greedy", "auto"):
        raise UsageError(f"per_label: expected method greedy, found {method}")
    candidates: dict[str, Combiner] = {
        "mean": Mean(),
        "rank": Rank(),
        "greedy": Greedy(per_label=per_label, seed=seed),
        "stack": Stack(cross_label, cardinality, not any_sign),
    }
    if method != "auto":
        candidates = {method: candidates[method]}
    elif not wider and joined.Y.shape[1] <= MANY_LABELS:
        candidates["stack, cross-label"] = Stack(True, True, not any_sign)
    mapping = Calibration(calibration)
    fitted = {
        title: candidate.cross_fit(joined.Z, joined.Y, joined.fold)
        for title, candidate in candidates.items()
    }
    considered = {
        title: map_within(joined.Y, scores, joined.fold) for title, (scores, _) in fitted.items()
    }
    best = max(considered, key=lambda title: considered[title])
    raw, combiner = fitted[best]
    scores = mapping.cross_fit(raw, joined.Y, joined.fold)
    return Ensemble(
        combiner=combiner,
        calibration=mapping,
        thresholds=fit_thresholds(joined.Y, scores, joined.fold, objective),
        raw=raw,
        scores=scores,
        rest=mapping.apply(combiner.combine(joined.rest_logits)),
        considered=considered,
        price=price_of_choice(
            joined.Y, {title: each for title, (each, _) in fitted.items()}, joined.fold, seed
        ),
    )


def restore(
    facts: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]]
) -> tuple[Combiner, Calibration]:
    """Rebuild what turns members' logits into probabilities."""
    combiner = COMBINERS[facts["method"]](**facts["options"]).restore(states["combiner"])
    return combiner, Calibration().restore(states["calibration"])
