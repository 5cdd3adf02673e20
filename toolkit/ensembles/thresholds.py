"""Thresholds per label, fitted on out-of-sample scores, and one for all labels."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import ArtifactError, MemberError, ToolkitError, UsageError
from toolkit.members.held_out import developed
from toolkit.members.member import Member
from toolkit.statistics.links import logits, sigmoid
from toolkit.statistics.metrics import binarize, decision_counts, metrics_from_counts, rows_known
from toolkit.storage.files import digest_bytes, digest_of, read_json, write_json

SHRINKAGE = 20.0
KEPT = "thresholds.json"
_FORMS = "f1, f2, f0.5 (any F-beta), precision=0.9 or recall=0.8"


def parse_objective(text: str) -> tuple[str, float]:
    """Return what thresholds are for: F-beta with beta, or a target precision or recall.

    Raises:
        UsageError: it is none of ``f1``, ``f0.5``, ``precision=0.9``, ``recall=0.8`` and the like.

    >>> parse_objective("f1"), parse_objective("precision=0.9")
    (('f', 1.0), ('precision', 0.9))
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
    return kind, value


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
    global one with weight ``shrinkage / (k + shrinkage)``: a handful of positives says little.
    Thresholds for a target precision or recall are not shrunk; where a target
    precision is out of reach the threshold of highest precision is taken.

    Args:
        Y: ``int8 (n, L)``; cells of -1 are unknown and do not count.
        S: ``(n, L)`` scores in [0, 1] by models that did not see the row.
        fold: ``int (n,)``, at least 0.
        objective: see :func:`parse_objective`.
        shrinkage: in positives.
    """
    goal = parse_objective(objective)
    per_label, overall = _fit(Y, S, goal, shrinkage)
    parts = []
    counts = {"per_label": np.zeros((3, Y.shape[1]), np.int64)}
    counts["overall"] = counts["per_label"].copy()
    for each in np.unique(fold):
        held = fold == each
        own, one = (per_label, overall) if held.all() else _fit(Y[~held], S[~held], goal, shrinkage)
        parts.append(own)
        for name, at in (("per_label", own), ("overall", one)):
            counts[name] += decision_counts(Y[held], binarize(S[held], at))
    nested = {
        name: {
            key: None if np.isnan(value) else float(value)
            for key, value in metrics_from_counts(
                three[0], three[1], three[2], rows_known(Y)
            ).items()
        }
        for name, three in counts.items()
    }
    spread = np.stack([np.min(parts, axis=0), np.max(parts, axis=0)], axis=1)
    return Thresholds(objective, per_label, overall, spread, nested)


def label_thresholds(Y: np.ndarray, S: np.ndarray, objective: str) -> np.ndarray:
    """Return what :func:`fit_thresholds` fits for each label, ``float64 (L,)``, and no more."""
    return _fit(Y, S, parse_objective(objective), SHRINKAGE)[0]


def tuned_thresholds(member: Member, dataset: Dataset, split: Split) -> Thresholds:
    """Return a member's own thresholds, or those that are best for F1 on its development scores.

    These are fitted once and kept in the member's folder, with a digest of what they were fitted
    on; where the folder cannot be written they are fitted at each call.

    Raises:
        MemberError: it has no out-of-sample scores of development images.
    """
    saved = member.notes().get("thresholds") if member.kind == "ensemble" else None
    if saved is not None:
        return Thresholds.from_facts(saved, dataset.labels)
    known = developed(dataset, split, member)
    if not len(known.rows):
        raise MemberError(
            f"member {member.name} has no out-of-sample scores of development images to tune "
            "thresholds on: make it again with folds"
        )
    at = [member.scored.row[dataset.ids[row]] for row in known.rows]
    given = known.truth, known.scores, np.maximum(member.scored.fold[at], 0)
    place, inputs = member.folder / KEPT, _digest(*given)
    if place.is_file():
        with suppress(ArtifactError, LookupError, TypeError, ValueError):  # damaged: fit anew
            there = read_json(place, f"thresholds of member {member.name}")
            if there["digest"] == digest_of(inputs, there["thresholds"]):
                return Thresholds.from_facts(there["thresholds"], dataset.labels)
    found = fit_thresholds(*given)
    if member.folder.is_dir():
        with suppress(OSError, ToolkitError):
            facts = found.facts(dataset.labels)
            write_json(place, {"thresholds": facts, "digest": digest_of(inputs, facts)})
    return found


def _digest(*arrays: np.ndarray) -> str:
    facts = [[str(each.dtype), each.shape, digest_bytes(each.tobytes()).hex()] for each in arrays]
    return digest_of(importlib.metadata.version("toolkit"), SHRINKAGE, facts)


def _fit(
    Y: np.ndarray, S: np.ndarray, goal: tuple[str, float], shrinkage: float
) -> tuple[np.ndarray, float]:
    overall = _best(Y.reshape(-1), S.reshape(-1), goal, 0.5)
    own = np.array([_best(y, s, goal, overall) for y, s in zip(Y.T, S.T, strict=True)])
    if goal[0] != "f" or shrinkage <= 0:
        return own, overall
    positives = (Y == 1).sum(axis=0, dtype=np.float64)
    trust = positives / (positives + shrinkage)
    centre = float(logits(np.array(overall)))
    drawn = trust * logits(own) + (1 - trust) * centre
    # a label with much support keeps its threshold to the last digit
    return np.where(trust > 0.999, own, sigmoid(drawn)), overall


def _descending(y: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scores, best first, and how many positives there are up to each, as float64.

    The order within equal scores is any: counts are looked up behind them.
    """
    bits = np.ascontiguousarray(s).view(np.uint32) if s.dtype == np.float32 else None
    if bits is None or (bits >> 31).any():
        order = np.argsort(-s)
        return s[order], np.cumsum(y[order], dtype=np.float64)
    # positive floats are ordered as their bits are, so a label can take the place of the sign
    both = np.sort((bits << 1) | (y == 1))[::-1]
    return (both >> 1).view(np.float32), np.cumsum(both & 1, dtype=np.float64)


def _best(y: np.ndarray, s: np.ndarray, goal: tuple[str, float], default: float) -> float:
    """Return the best threshold of one label: halfway between two scores."""
    kind, value = goal
    if (y < 0).any():
        y, s = y[y >= 0], s[y >= 0]
    positives = int(y.sum())
    if not positives:
        return default
    ordered, hits = _descending(y, s)
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    called = last + 1.0
    hits = hits[last]
    precision, recall = hits / called, hits / positives
    if kind == "f":
        square = value**2
        place = int(((1 + square) * hits / (square * positives + called)).argmax())
    elif kind == "precision":
        reached = np.flatnonzero(precision >= value)
        place = int(reached[-1]) if len(reached) else int(precision.argmax())
    else:
        place = int(np.flatnonzero(recall >= value)[0])
    upper = ordered[last[place]]
    lower = ordered[last[place] + 1] if last[place] + 1 < len(ordered) else type(upper)(0)
    middle = type(upper)((float(upper) + float(lower)) / 2)
    return float(middle if middle > lower else upper)
