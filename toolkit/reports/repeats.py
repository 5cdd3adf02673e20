"""Repeats: members that differ in their seed alone, as one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np

from toolkit.errors import counted
from toolkit.members.member import Member
from toolkit.reports.comparison import Metrics, Row
from toolkit.storage.files import digest_of

REPEATS = ("each", "mean")
_SEEDS = frozenset({"name", "seed", "random_state"})


def averaged(rows: Sequence[Row], members: Sequence[Member], share: float) -> list[Row]:
    """Put one row in the place of those of members whose recipes differ in the seed alone.

    Its figures are means over the members. Its intervals are for the population of images and of
    seeds: the mean of the members' own, which are for images, widened by Nadeau & Bengio's (2003)
    for repeats, ``t sqrt((1 / m + share) s²)`` with m - 1 degrees of freedom. Their correction by
    the share of test rows is for repeats whose training rows overlap; here these are the same, so
    it errs on the wide side.

    Args:
        rows: of a comparison.
        members: whose rows are among them.
        share: test rows over development rows.
    """
    recipes = {member.name: _recipe(member) for member in members}
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(recipes.get(row.name, row.name), []).append(row)
    return [_mean(each, share) if len(each) > 1 else each[0] for each in groups.values()]


def nadeau_bengio(values: Sequence[float], share: float, confidence: float = 0.95) -> float:
    """Return half the width of the corrected resampled t interval of a mean.

    >>> round(nadeau_bengio([0.70, 0.72, 0.74], 0.25), 4)
    0.0657
    """
    from scipy.special import stdtrit

    m = len(values)
    t = float(stdtrit(m - 1, (1 + confidence) / 2))
    return t * sqrt((1 / m + share) * float(np.var(values, ddof=1)))


def _recipe(member: Member) -> str:
    """Name what a member was made by, its seed left out."""

    def seedless(facts: Any) -> Any:
        if isinstance(facts, Mapping):
            return {key: seedless(each) for key, each in facts.items() if key not in _SEEDS}
        return facts

    return digest_of(seedless(member.recipe()))


def _mean(rows: Sequence[Row], share: float) -> Row:
    first, number = rows[0], counted(len(rows), "seed")
    name = _common([row.name for row in rows]) or first.name
    deviation = _each([row.metrics for row in rows], lambda values: float(np.std(values, ddof=1)))
    reach = _each([row.metrics for row in rows], lambda values: nadeau_bengio(values, share))
    metrics = _each([row.metrics for row in rows], np.mean)
    tuned = [row.tuned for row in rows if row.tuned]
    labels = first.per_label
    return replace(
        first,
        name=f"{name} ({number})",
        metrics=metrics,
        ci={key: _widened([row.ci.get(key) for row in rows], reach, key) for key in first.ci},
        supported={
            key: {
                "labels": each["labels"],
                "value": _each([{"value": row.supported[key]["value"]} for row in rows], np.mean)[
                    "value"
                ],
                "ci": _widened([row.supported[key]["ci"] for row in rows], reach, key),
            }
            for key, each in first.supported.items()
            if all(row.supported.get(key, {}).get("labels") == each["labels"] for row in rows)
        },
        per_label={
            label: _each([row.per_label[label] for row in rows], np.mean)
            | {"support": labels[label]["support"]}
            for label in labels
        },
        # what is tested is tested of each member
        ap_ci={},
        versus={},
        pairs={},
        tuned=None
        if len(tuned) < len(rows)
        else {
            "objective": tuned[0]["objective"],
            "metrics": _each([each["metrics"] for each in tuned], np.mean),
        },
        repeats={
            "members": [row.name for row in rows],
            "deviation": deviation,
            "reach": reach,
        },
    )


def _each(facts: Sequence[Mapping[str, Any]], of: Any) -> Metrics:
    """Apply a function to each figure's values; None where one of them is undefined."""
    columns = {key: [each.get(key) for each in facts] for key in facts[0]}
    return {key: None if None in values else float(of(values)) for key, values in columns.items()}


def _widened(
    pairs: Sequence[Sequence[float] | None], reach: Metrics, key: str
) -> list[float] | None:
    more = reach.get(key)
    known = [pair for pair in pairs if pair is not None]
    if len(known) < len(pairs) or more is None:
        return None
    low, high = np.mean(known, axis=0)
    centre, half = (low + high) / 2, sqrt(((high - low) / 2) ** 2 + more**2)
    return [max(0.0, float(centre - half)), min(1.0, float(centre + half))]


def _common(names: Sequence[str]) -> str:
    """Return what names begin with alike.

    >>> _common(["mlp-seed-0", "mlp-seed-1"])
    'mlp-seed'
    """
    first, last = min(names), max(names)
    alike = next((at for at, letter in enumerate(first) if last[at : at + 1] != letter), len(first))
    return first[:alike].rstrip("-_. ")
