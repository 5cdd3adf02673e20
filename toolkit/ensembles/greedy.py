"""Greedy selection with replacement from the members, in bags (Caruana et al. 2004, 2006)."""

from __future__ import annotations

from typing import Self

import numpy as np

from toolkit.ensembles.combiners import Combiner
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import average_precision

_PATIENCE = 3


class Greedy(Combiner):
    """Weights by hill climbing on average precision.

    Starting from the best member, the member that helps most is added again and again, the same one
    as often as it helps; how often each was taken is its weight. That is done in bags, each a
    random half of the members, and the bags' weights are averaged (Caruana, Munson &
    Niculescu-Mizil 2006).

    Args:
        per_label: choose for each label alone, not for the mean over labels. Labels with few
            positives then choose much by luck.
        bags: number of bags; 0 for a single one with every member.
        steps: most selections in a bag; it ends sooner after three that do not help.
        seed: of the bags.

    Attributes:
        weights_: ``float64 (M, L)``, columns summing to 1.
    """

    name = "greedy"
    weights_: np.ndarray

    def __init__(
        self, per_label: bool = False, bags: int = 8, steps: int = 20, seed: int = 0
    ) -> None:
        self.per_label = per_label
        self.bags = bags
        self.steps = steps
        self.seed = seed

    def fit(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> Self:
        """Select members."""
        members = Z.shape[1]
        random = np.random.default_rng(self.seed)
        size = max(2, (members + 1) // 2) if self.bags else members
        several = self.bags if size < members else 1
        columns = [np.ascontiguousarray(Z[:, member]) for member in range(members)]
        total = np.zeros(Z.shape[1:])
        for _ in range(several):
            bag = np.sort(random.permutation(members)[:size])
            total[bag] += self._climb([columns[member] for member in bag], Y)
        self.weights_ = total / several
        return self

    def _climb(self, columns: list[np.ndarray], Y: np.ndarray) -> np.ndarray:
        """Return the weights ``(m, L)`` found in one bag."""
        labels = np.arange(Y.shape[1])
        taken = np.zeros((len(columns), Y.shape[1]))
        running = np.zeros(Y.shape, np.float32)
        best, kept = np.full(Y.shape[1], -np.inf), taken.copy()
        idle = 0
        for _ in range(self.steps):
            # the sum ranks as the mean does
            table = np.array([average_precision(Y, running + each) for each in columns])
            table = np.nan_to_num(table)
            if not self.per_label:
                table = np.broadcast_to(table.mean(axis=1, keepdims=True), table.shape)
            chosen = table.argmax(axis=0)
            taken[chosen, labels] += 1
            for member, column in enumerate(columns):
                own = chosen == member
                running[:, own] += column[:, own]
            reached = table[chosen, labels]
            better = reached > best + 1e-7
            best = np.where(better, reached, best)
            kept[:, better] = taken[:, better]
            idle = 0 if better.any() else idle + 1
            if idle >= _PATIENCE:
                break
        weights: np.ndarray = kept / kept.sum(axis=0)
        return weights

    def combine(self, Z: np.ndarray) -> np.ndarray:
        """Return the probabilities of the weighted mean logits."""
        return sigmoid(np.einsum("nml,ml->nl", Z, self.weights_)).astype(np.float32)

    def weights(self) -> np.ndarray:
        """Return the shares of selections."""
        return self.weights_

    def held(self) -> Greedy:
        """Return a selection from all members at once, in a single bag."""
        return Greedy(self.per_label, bags=0, steps=self.steps, seed=self.seed)
