"""Thresholds per label, fitted on out-of-sample scores, with a global one beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import MemberError, UsageError
from toolkit.members.member import Member
from toolkit.members.predictions import IN_SAMPLE
from toolkit.statistics.links import logits, sigmoid
from toolkit.statistics.metrics import binarize, decision_counts, metrics_from_counts
from toolkit.storage.files import read_json

SHRINKAGE = 20.0
_FORMS = "f1, f2, f0.5 (any F-beta), precision=0.9 or recall=0.8"


@dataclass(frozen=True)
class Objective:
    """What thresholds are for: ``f`` with beta, or the best at a target precision or recall."""

    kind: str = "f"
    value: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Read ``f1``, ``f0.5``, ``precision=0.9`` or ``recall=0.8``.

        Raises:
            UsageError: it is none of these.

        >>> Objective.parse("precision=0.9")
        Objective(kind='precision', value=0.9)
        """
        kind, equals, number = text.partition("=")
        if not equals and text.startswith("f"):
            kind, number = "f", text[1:]
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        fits = value > 0 if kind == "f" else 0 < value <= 1
        if kind not in ("f", "precision", "recall") or not fits or not np.isfinite(value):
            raise UsageError(f"thresholds: expected {_FORMS}, found {text!r}")
        return cls(kind, value)

    def __str__(self) -> str:
        """Return the text that :meth:`parse` reads."""
        return f"f{self.value:g}" if self.kind == "f" else f"{self.kind}={self.value:g}"


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Thresholds and how steady they are.

    Attributes:
        objective: what they were fitted for.
        per_label: ``float64 (L,)``; a score at or above its label's threshold means yes.
        overall: the one threshold that is best for all labels' decisions pooled.
        spread: ``float64 (L, 2)``: least and greatest threshold when each fold is left out.
        nested: metrics of decisions about each row by thresholds fitted without its fold, at
            ``per_label`` and at ``overall``.
    """

    objective: str
    per_label: np.ndarray
    overall: float
    spread: np.ndarray
    nested: dict[str, dict[str, float | None]]

    def facts(self, labels: tuple[str, ...]) -> dict[str, Any]:
        """Return JSON-able facts from which :meth:`from_facts` rebuilds."""
        return {
            "objective": self.objective,
            "overall": self.overall,
            "per_label": dict(zip(labels, self.per_label.tolist(), strict=True)),
            "spread": dict(zip(labels, self.spread.tolist(), strict=True)),
            "nested": self.nested,
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], labels: tuple[str, ...]) -> Thresholds:
        """Rebuild; the order of ``labels`` is the caller's."""
        return cls(
            objective=facts["objective"],
            per_label=np.array([facts["per_label"][label] for label in labels]),
            overall=float(facts["overall"]),
            spread=np.array([facts["spread"][label] for label in labels]),
            nested=dict(facts["nested"]),
        )


def fit_thresholds(
    Y: np.ndarray,
    S: np.ndarray,
    fold: np.ndarray,
    objective: str = "f1",
    shrinkage: float = SHRINKAGE,
) -> Thresholds:
    """Fit a threshold for each label on out-of-sample scores.

    The threshold that is best for a label with k positives is drawn, in log-odds, towards the
    global one with weight ``shrinkage / (k + shrinkage)``: a handful of positives says little of
    where to cut. Thresholds for a target precision or recall are not shrunk; where a target
    precision is out of reach the cut of highest precision is taken.

    Args:
        Y: ``uint8 (n, L)``.
        S: ``(n, L)`` scores in [0, 1] by models that did not see the row.
        fold: ``int (n,)``, at least 0.
        objective: see :meth:`Objective.parse`.
        shrinkage: in positives.
    """
    goal = Objective.parse(objective)
    per_label, overall = _fit(Y, S, goal, shrinkage)
    parts = []
    counts = {"per_label": np.zeros((3, Y.shape[1]), np.int64)}
    counts["overall"] = counts["per_label"].copy()
    for each in np.unique(fold):
        held = fold == each
        own, one = (per_label, overall) if held.all() else _fit(Y[~held], S[~held], goal, shrinkage)
        parts.append(own)
        for name, cut in (("per_label", own), ("overall", one)):
            counts[name] += decision_counts(Y[held], binarize(S[held], cut))
    nested = {
        name: {
            key: None if np.isnan(value) else float(value)
            for key, value in metrics_from_counts(three[0], three[1], three[2], len(Y)).items()
        }
        for name, three in counts.items()
    }
    spread = np.stack([np.min(parts, axis=0), np.max(parts, axis=0)], axis=1)
    return Thresholds(str(goal), per_label, overall, spread, nested)


def tuned_thresholds(member: Member, dataset: Dataset, split: Split) -> Thresholds:
    """Return a member's own thresholds, or fit them on its development scores for F1.

    Raises:
        MemberError: it has no out-of-sample scores of development images.
    """
    notes = member.folder / "model" / "notes.json"
    if notes.is_file():
        saved = read_json(notes, f"the notes of member {member.name}").get("thresholds")
        if saved is not None:
            return Thresholds.from_facts(saved, dataset.labels)
    predictions = member.scored
    rows = [
        row
        for row in split.development
        if predictions.origin[predictions.row.get(dataset.ids[row], 0)] != IN_SAMPLE
        and dataset.ids[row] in predictions.row
    ]
    if not rows:
        raise MemberError(
            f"member {member.name} has no out-of-sample scores of development images to tune "
            "thresholds on: make it again with folds"
        )
    at = [predictions.row[dataset.ids[row]] for row in rows]
    fold = np.maximum(predictions.fold[at], 0)
    return fit_thresholds(dataset.Y[rows], predictions.scores[at], fold)


def _fit(
    Y: np.ndarray, S: np.ndarray, goal: Objective, shrinkage: float
) -> tuple[np.ndarray, float]:
    overall = _best(Y.reshape(-1), S.reshape(-1), goal, 0.5)
    own = np.array([_best(y, s, goal, overall) for y, s in zip(Y.T, S.T, strict=True)])
    if goal.kind != "f" or shrinkage <= 0:
        return own, overall
    positives = Y.sum(axis=0, dtype=np.float64)
    trust = positives / (positives + shrinkage)
    centre = float(logits(np.array(overall)))
    drawn = trust * logits(own) + (1 - trust) * centre
    # a label with much support keeps its cut to the last digit
    return np.where(trust > 0.999, own, sigmoid(drawn)), overall


def _best(y: np.ndarray, s: np.ndarray, goal: Objective, default: float) -> float:
    """Return the best cut of one label: halfway between two scores."""
    positives = int(y.sum())
    if not positives:
        return default
    order = np.argsort(-s, kind="stable")
    ordered = s[order]
    hits = np.cumsum(y[order], dtype=np.float64)
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    called = last + 1.0
    hits = hits[last]
    precision, recall = hits / called, hits / positives
    if goal.kind == "f":
        square = goal.value**2
        place = int(((1 + square) * hits / (square * positives + called)).argmax())
    elif goal.kind == "precision":
        reached = np.flatnonzero(precision >= goal.value)
        place = int(reached[-1]) if len(reached) else int(precision.argmax())
    else:
        place = int(np.flatnonzero(recall >= goal.value)[0])
    upper = ordered[last[place]]
    lower = ordered[last[place] + 1] if last[place] + 1 < len(ordered) else type(upper)(0)
    middle = type(upper)((float(upper) + float(lower)) / 2)
    return float(middle if middle > lower else upper)
