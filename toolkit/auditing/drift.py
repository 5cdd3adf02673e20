"""Drift: is every label as frequent in each part of a split?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.findings import Finding, counted
from toolkit.auditing.linear_probe import Floats
from toolkit.data.split import Split
from toolkit.errors import listed_labels, shortened
from toolkit.statistics.arrays import shares
from toolkit.statistics.intervals import holm

DRAWS = 9999
# splits that took no care of the labels' shares
UNBALANCED = ("paper", "file")


def drift_p_values(
    Y: npt.ArrayLike, part: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """Return ``(L,)``: p that a label is as frequent in every part, by a Monte Carlo exact test.

    The statistic is Pearson's chi-square over the parts; given its positives and the parts' sizes,
    a label's counts are multivariate hypergeometric, so no cell need be large. NaN for a label with
    one class only. Of each label the images where it is known are compared.

    Args:
        Y: 0/1 ``(n, L)``, -1 for unknown.
        part: ``int (n,)``, codes from 0.
        draws: from each label's distribution.
        seed: of the draws.
    """
    labels, codes = np.asarray(Y), np.asarray(part)
    codes = np.unique(codes, return_inverse=True)[1]
    random = np.random.default_rng(seed)
    p = np.full(labels.shape[1], np.nan)
    for j in range(labels.shape[1]):
        sizes = np.bincount(codes[labels[:, j] >= 0], minlength=codes.max() + 1)
        counts = np.bincount(codes[labels[:, j] == 1], minlength=len(sizes))
        counts, sizes = counts[sizes > 0], sizes[sizes > 0]
        positives, rows = int(counts.sum()), int(sizes.sum())
        if not 0 < positives < rows or len(sizes) < 2:
            continue
        expected = positives * sizes / rows
        drawn = random.multivariate_hypergeometric(sizes, positives, draws, method="marginals")
        scaled = expected * (1 - positives / rows)
        far = ((counts - expected) ** 2 / scaled).sum()
        reached = (((drawn - expected) ** 2 / scaled).sum(axis=1) >= far - 1e-9).sum()
        p[j] = (1 + reached) / (1 + draws)
    return p


def drift_findings(Y: npt.NDArray[Any], names: Sequence[str], split: Split) -> list[Finding]:
    """Return one finding on the labels' shares in the parts of ``split``; Holm over the labels."""
    p = drift_p_values(Y, split.part)
    adjusted = holm(p)
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    by_part = {
        name: {
            where: float(shares(Y[rows, j : j + 1])[0])
            for where, rows in parts.items()
            if (Y[rows, j] >= 0).any()
        }
        for j, name in enumerate(names)
    }
    where_known = ", where they are known" if (Y < 0).any() else ""
    evidence = {
        "labels": {
            name: {"p": float(p[j]), "p_holm": float(adjusted[j]), **by_part[name]}
            for j, name in enumerate(names)
            if not np.isnan(p[j])
        }
    }
    drifting = [j for j in range(len(names)) if adjusted[j] <= 0.05]
    if not drifting:
        text = f"every label is about as frequent in each part of the {split.name} split"
        text += where_known
        return [Finding("passed", "prevalence drift", text, evidence=evidence)]
    first = min(drifting, key=lambda j: adjusted[j])
    share = ", ".join(f"{value:.1%} of {where}" for where, value in by_part[names[first]].items())
    text = (
        f"{counted(len(drifting), 'label is', 'labels are')} on unlike shares of the parts of the "
        f"{split.name} split: {listed_labels(names[j] for j in drifting)} "
        f"({shortened(names[first])}: {share}; "
        f"p = {adjusted[first]:.2g} after Holm){where_known}"
    )
    advice = "use the stratified split, unless the parts are meant to differ"
    if split.name not in UNBALANCED:
        advice = "compare these labels between parts with care"
    weight = len(drifting)
    return [Finding("warning", "prevalence drift", text, advice, evidence, weight=weight)]
