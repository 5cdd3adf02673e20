"""Combiners: from members' logits to one score per label; means of logits and of ranks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from toolkit.statistics.links import sigmoid

_LEVELS = 513
Curve = tuple[np.ndarray, np.ndarray]


class Combiner(BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the combiners; a subclass implements ``fit`` and ``combine``.

    Throughout, Z is ``float32 (n, M, L)``, logits of M members' out-of-sample scores, Y is
    ``int8 (n, L)``, -1 where unknown, and fold ``int (n,)``, at least 0. Constructors take options,
    all JSON-able; what is learned are arrays whose names end in ``_``.
    """

    name = ""

    @abstractmethod
    def fit(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> Self:
        """Learn on these rows; whatever is chosen is chosen by these folds."""

    @abstractmethod
    def combine(self, Z: np.ndarray) -> np.ndarray:
        """Return ``float32 (n, L)`` scores in [0, 1]."""

    def cross_fit(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, Self]:
        """Return scores of each row by a combiner that learned without its fold, and one of all.

        The labels of a fold have no part in the scores of its rows, neither through weights nor
        through choices.

        Returns:
            ``float32 (n, L)``, and a combiner fitted on all rows.
        """
        scores = np.empty(Y.shape, np.float32)
        for each in np.unique(fold):
            held = fold == each
            model = clone(self).fit(Z[~held], Y[~held], fold[~held])
            scores[held] = model.combine(Z[held])
        return scores, clone(self).fit(Z, Y, fold)

    def held(self) -> Combiner:
        """Return an unfitted combiner with this one's choices held, to measure what members add.

        Fitting it costs a fraction, and leaving a member out moves nothing else.
        """
        found: Combiner = clone(self)
        return found

    def weights(self) -> np.ndarray | None:
        """Return how much each member counts, ``float (M, L)``, where that can be said."""
        return None

    def state(self) -> dict[str, np.ndarray]:
        """Return what was learned."""
        return {key: value for key, value in vars(self).items() if key.endswith("_")}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back what :meth:`state` returned."""
        for key, value in state.items():
            setattr(self, key, np.asarray(value))
        return self


class Mean(Combiner):
    """The mean of logits, which is the geometric mean of odds; nothing is learned.

    Attributes:
        weights_: ``float64 (M, L)``, 1 / M each.
    """

    name = "mean"
    weights_: np.ndarray

    def fit(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> Self:
        """Learn nothing."""
        self.weights_ = np.full(Z.shape[1:], 1 / Z.shape[1])
        return self

    def combine(self, Z: np.ndarray) -> np.ndarray:
        """Return the probabilities of the mean logits."""
        return sigmoid(Z.mean(axis=1, dtype=np.float64)).astype(np.float32)

    def weights(self) -> np.ndarray:
        """Return 1 / M for each."""
        return self.weights_


class Rank(Combiner):
    """The mean of ranks, and what members score on average at that rank.

    A rank is the share of development rows that score lower. Ranks of new images come from
    quantiles of the rows fitted on, dense towards both ends, so that one image can be scored alone.
    Going back through the mean of the members' quantiles changes no order, and gives scores that
    are as near to probabilities as the members' own: a mean rank is none.

    Attributes:
        quantiles_: ``float32 (levels, M, L)``.
    """

    name = "rank"
    quantiles_: np.ndarray

    def fit(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> Self:
        """Learn the quantiles of each member and label; labels are not looked at."""
        self.quantiles_ = np.quantile(Z, _levels(), axis=0).astype(np.float32)
        return self

    def combine(self, Z: np.ndarray) -> np.ndarray:
        """Return the probabilities of the mean quantiles at the mean ranks."""
        total = np.zeros((len(Z), Z.shape[2]))
        for member, label in np.ndindex(Z.shape[1:]):
            low, high = (
                np.interp(Z[:, member, label], *curve) for curve in self.rank_curves(member, label)
            )
            total[:, label] += (low + high) / 2
        ranks = total / Z.shape[1]
        found = [np.interp(u, *curve) for u, curve in zip(ranks.T, self.mean_curves(), strict=True)]
        return sigmoid(np.stack(found, axis=1)).astype(np.float32)

    def rank_curves(self, member: int, label: int) -> tuple[Curve, Curve]:
        """Return the curves from logits to ranks: of equal quantiles the first level, or the last.

        Their mean is meant: of equal quantiles the middle level.
        """
        known, levels = self.quantiles_[:, member, label], _levels()
        return _distinct(known, levels, first=True), _distinct(known, levels, first=False)

    def mean_curves(self) -> list[Curve]:
        """Return for each label the curve from ranks to the mean of the members' quantiles."""
        levels = _levels()
        return [(levels, known) for known in self.quantiles_.mean(axis=1, dtype=np.float64).T]


def _levels() -> np.ndarray:
    inner = sigmoid(np.linspace(-9.0, 9.0, _LEVELS - 2))
    return np.concatenate([[0.0], inner, [1.0]])


def _distinct(quantiles: np.ndarray, levels: np.ndarray, first: bool) -> Curve:
    """Keep, of equal quantiles, the first or the last level."""
    change = quantiles[1:] != quantiles[:-1]
    kept = np.r_[True, change] if first else np.r_[change, True]
    return quantiles[kept], levels[kept]
