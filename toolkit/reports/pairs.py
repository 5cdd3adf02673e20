"""Pairs: each member against each other member, on the same resamples of the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from toolkit.statistics.intervals import holm, paired_difference


def paired_members(
    drawn: Mapping[str, tuple[float | None, np.ndarray]],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return for each member how far it is above each other one.

    ``difference``, ``low`` and ``high`` (95 %) and ``p`` are of the paired bootstrap, ``p_holm`` is
    p after Holm (1979) over all pairs, ``least`` what that cannot fall below for want of resamples.

    Args:
        drawn: by member, a metric, and the same in the resamples ``(resamples,)``, which are the
            same for all.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in drawn}
    pairs = list(combinations(drawn, 2))
    for first, second in pairs:
        (one, ones), (other, others) = drawn[first], drawn[second]
        found[first][second] = asdict(paired_difference(one, other, ones - others))
    p = [found[first][second]["p"] for first, second in pairs]
    adjusted = holm([np.nan if value is None else value for value in p])
    for (first, second), value in zip(pairs, adjusted.tolist(), strict=True):
        facts = found[first][second]
        facts["p_holm"] = None if np.isnan(value) else value
        # what p_holm cannot fall below, whatever the members are
        facts["least"] = min(1.0, 2 * len(pairs) / (1 + len(drawn[first][1])))
        turned = {"difference": "difference", "low": "high", "high": "low"}
        found[second][first] = facts | {
            key: None if facts[of] is None else -facts[of] for key, of in turned.items()
        }
    return found
