"""Groups: a part of a split, or a folder, whose labels alone are at fault."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import ALPHA, normal_tail, testable
from toolkit.auditing.linear_probe import standardized, standardized_labels
from toolkit.auditing.orders import Groups
from toolkit.statistics.metrics import auroc, defined_mean

_ALIKE = 0.95
_LEAST = 20


@dataclass(frozen=True)
class GroupAlignment:
    """How well the labels of one group of rows agree with a probe fitted outside their fold.

    Attributes:
        group: name of the group.
        rows: how many.
        mean_auroc: over the labels with both classes in the group; None where there is none.
        outside: the same over all other rows.
        p: permutation p-value of "within the group, labels do not belong to the images".
        p_worse: p-value of "the group is no worse than as many rows drawn from the others".
    """

    group: str
    rows: int
    mean_auroc: float | None
    outside: float | None
    p: float
    p_worse: float

    @property
    def misaligned(self) -> bool:
        """Whether only this group's labels look dealt at random: p above 0.05, p_worse not 0.01."""
        return self.p > 0.05 and self.p_worse <= ALPHA


def group_alignment(
    S: npt.ArrayLike,
    Y: npt.ArrayLike,
    groups: Groups,
    *,
    permutations: int = 199,
    seed: int = 0,
) -> list[GroupAlignment]:
    """Test each group of rows alone, with out-of-fold scores ``S`` of labels ``Y``, both (n, L).

    A fault of one split, folder or batch of files hides in a test over all rows. The statistic is
    the sum over labels of score times label, both standardized over all rows; p-values are adjusted
    by Bonferroni over the groups. Groups of all rows or of fewer than 20 are left out. Labels that
    are -1 on some rows count on the others, in the group and outside it by their mean there.
    """
    keep = testable(Y)
    labels, scores = np.asarray(Y)[:, keep], np.asarray(S)[:, keep]
    s, y = standardized(scores), standardized_labels(labels)
    product, known = s * y, labels >= 0
    random = np.random.default_rng(seed)
    found = []
    used = {name: rows for name, rows in groups.items() if _LEAST <= len(rows) < len(y)}
    for name, rows in used.items():
        others = np.setdiff1d(np.arange(len(y)), rows)
        a, b = s[rows] - s[rows].mean(axis=0), y[rows]
        dealt = [np.vdot(a, random.permutation(b)) for _ in range(permutations)]
        reached = int((np.array(dealt) >= np.vdot(a, b) - 1e-9).sum())
        # the share of either side's rows that knows a label; nothing is told by a label without
        weight = [known[r].mean(axis=0) for r in (rows, others)]
        both = (weight[0] > 0) & (weight[1] > 0)
        own, rest = (
            (product[r] * (both / np.where(both, share, 1))).sum(axis=1)
            for r, share in zip((rows, others), weight, strict=True)
        )
        error = np.sqrt(own.var() / len(rows) + rest.var() / len(others))
        fall = (rest.mean() - own.mean()) / max(float(error), 1e-12)
        inside, outside = (defined_mean(auroc(labels[r], scores[r])) for r in (rows, others))
        found.append(
            GroupAlignment(
                group=name,
                rows=len(rows),
                mean_auroc=None if np.isnan(inside) else float(inside),
                outside=None if np.isnan(outside) else float(outside),
                p=(1 + reached) / (1 + permutations),
                p_worse=min(1.0, normal_tail(fall) * len(used)),
            )
        )
    return found


def repeated_labels(Y: npt.ArrayLike, groups: Groups) -> list[str]:
    """Return the groups whose labels repeat, row by row, those of the data set's first rows.

    So it looks when the list of labels was started again for each part of a split: the group's own
    labels are then not in the data set at all. At least 20 rows of the group must carry labels, of
    three different kinds or more, and 95 % of those be alike: in all that is known of both.

    Args:
        Y: 0/1 ``(n, L)``, -1 for unknown.
        groups: name to rows, ascending.
    """
    labels = np.asarray(Y)
    found = []
    for name, rows in groups.items():
        own, first = labels[rows], labels[: len(rows)]
        carry = ((own == 1) & (first >= 0)).any(axis=1) & (rows != np.arange(len(rows)))
        if carry.sum() < _LEAST or len(np.unique(own[carry] == 1, axis=0)) < 3:
            continue
        alike = (own == first) | (own < 0) | (first < 0)
        if alike[carry].all(axis=1).mean() >= _ALIKE:
            found.append(name)
    return found
