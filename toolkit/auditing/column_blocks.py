"""Blocks of rows in which label columns are swapped: a split's part, a folder, a run of files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from toolkit.auditing.columns import FEWEST, ColumnSwap, swaps_by_scores
from toolkit.auditing.orders import Groups
from toolkit.auditing.probe import Floats, Probe

SHUFFLES = 199


def swapped_blocks(
    probe: Probe,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    files: Sequence[str],
    groups: Groups,
    *,
    alpha: float = 0.01,
    seed: int = 0,
) -> list[ColumnSwap]:
    """Find swapped columns in the groups, in a run of files, and in either half of the files.

    A swap that an earlier one of these three names is not named again. The halves are there for a
    block so large that a probe of all rows learns both meanings of the columns; which half is the
    wrong one cannot be known.
    """
    middle = len(probe) // 2
    halves = {
        "the first half of the files, or in the second": np.arange(middle),
        "the second half of the files, or in the first": np.arange(middle, len(probe)),
    }
    found = swaps_in_groups(probe, Y, labels, groups, alpha=alpha)
    found += swapped_run(probe, Y, labels, files, alpha=alpha, seed=seed)
    found += swaps_in_groups(probe, Y, labels, halves, alpha=alpha)
    kept: list[ColumnSwap] = []
    for swap in found:
        if not any(set(swap.columns) == set(other.columns) for other in kept):
            kept.append(swap)
    return kept


def swaps_in_groups(
    probe: Probe, Y: npt.ArrayLike, labels: Sequence[str], groups: Groups, *, alpha: float = 0.01
) -> list[ColumnSwap]:
    """Find columns swapped in one group of rows, by a probe fitted on all other rows.

    Where two groups disagree with each other and no third one decides, both see the swap; the
    smaller one is named.
    """
    truth = np.asarray(Y)
    found: list[tuple[int, ColumnSwap]] = []
    for name, rows in groups.items():
        others = np.setdiff1d(np.arange(len(truth)), rows)
        if min(len(rows), len(others)) < 2 * FEWEST:
            continue
        scores = probe.scores_from(truth, others)[rows]
        found += [
            (len(rows), swap)
            for swap in swaps_by_scores(
                *(scores, truth[rows], labels),
                where=name,
                against="a probe fitted on all other rows",
                places=len(groups),
                alpha=alpha,
            )
        ]
    kept: list[ColumnSwap] = []
    for _, swap in sorted(found, key=lambda pair: pair[0]):
        # a group that holds the swapped rows, or is their complement, sees the swap too
        if not any(set(swap.columns) == set(other.columns) for other in kept):
            kept.append(swap)
    return kept


def swapped_run(
    probe: Probe,
    Y: npt.ArrayLike,
    labels: Sequence[str],
    files: Sequence[str],
    *,
    shuffles: int = SHUFFLES,
    alpha: float = 0.01,
    seed: int = 0,
) -> list[ColumnSwap]:
    """Find a run of consecutive rows in which two columns or more are swapped.

    For each pair of columns, the rows that carry just one of the two say by their out-of-fold
    scores which of the two they should carry. The run of rows in which they contradict their labels
    most (the maximal sum, Kadane's scan) is compared with the same scan of the rows in random
    order, over all pairs at once; then a probe fitted outside the run decides as for a group.

    Args:
        probe: probe of the n images' embeddings, in the order of files.
        Y: 0/1 ``(n, L)``.
        labels: L names.
        files: n names; the run's first and last go into the sentence.
        shuffles: random orders.
        alpha: level, of the scan and of the decision.
        seed: of the random orders.
    """
    truth = np.asarray(Y)
    run = contradicting_run(probe.scores(truth), truth, shuffles=shuffles, alpha=alpha, seed=seed)
    if run is None:
        return []
    first, last = run
    name = f"the files from {files[first]} to {files[last]}"
    return swaps_in_groups(probe, truth, labels, {name: np.arange(first, last + 1)}, alpha=alpha)


def contradicting_run(
    S: npt.ArrayLike, Y: npt.ArrayLike, *, shuffles: int, alpha: float, seed: int = 0
) -> tuple[int, int] | None:
    """Return the first and last row of the run that contradicts some pair of columns most.

    None where as strong a run is found in more than ``alpha`` of random orders of the rows.
    """
    truth = np.asarray(Y).astype(np.int8)
    scores = np.asarray(S, np.float64) / np.maximum(np.asarray(S, np.float64).std(axis=0), 1e-12)
    pairs = []
    for a in range(truth.shape[1]):
        for b in range(a + 1, truth.shape[1]):
            rows = np.flatnonzero(truth[:, a] != truth[:, b])
            side = np.where(truth[rows, a] > truth[rows, b], 1.0, -1.0)
            if min((side > 0).sum(), (side < 0).sum()) >= 2 * FEWEST:
                gap = scores[rows, a] - scores[rows, b]
                # between the two classes' means, so that a rarer label's lower scores count alike
                middle = (gap[side > 0].mean() + gap[side < 0].mean()) / 2
                against = -side * (gap - middle)
                pairs.append((rows, against / max(float(against.std()), 1e-12)))
    if not pairs:
        return None
    runs = [(*_maximal_run(against), rows) for rows, against in pairs]
    height, start, end, rows = max(runs, key=lambda run: run[0])
    random = np.random.default_rng(seed)
    reached = 0
    for _ in range(shuffles):
        highest = max(_maximal_run(random.permutation(against))[0] for _, against in pairs)
        reached += highest >= height
        # on sound data the first few orders settle it
        if (1 + reached) / (1 + shuffles) > alpha:
            return None
    return int(rows[start]), int(rows[end])


def _maximal_run(values: Floats) -> tuple[float, int, int]:
    """Return the largest sum over consecutive values, and the first and last place of it."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    lowest = np.minimum.accumulate(sums)
    end = int((sums - lowest)[1:].argmax())
    start = int(sums[: end + 1].argmin())
    return float(sums[end + 1] - sums[start]), start, end
