"""Combiners: from members' logits to one score a label; means of logits and of ranks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from toolkit.statistics.links import sigmoid

State = Mapping[str, np.ndarray]
_LEVELS = 513


class Combiner(ABC):
    """Base of the combiners; a subclass implements ``fit``, ``combine``, ``state``, ``restore``.

    Throughout, Z is ``float32 (n, M, L)``, logits of M members' out-of-sample scores, Y is
    ``uint8 (n, L)`` and fold ``int (n,)``, at least 0. Constructors take options, all JSON-able.
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
            model = self.clone().fit(Z[~held], Y[~held], fold[~held])
            scores[held] = model.combine(Z[held])
        return scores, self.clone().fit(Z, Y, fold)

    def held(self) -> Combiner:
        """Return an unfitted combiner with this one's choices held, to tell what members are worth.

        Fitting it costs a fraction, and leaving a member out moves nothing else.
        """
        return self.clone()

    def clone(self) -> Self:
        """Return an unfitted copy."""
        return type(self)(**self.options())

    def options(self) -> dict[str, Any]:
        """Return the constructor's options."""
        return {}

    def weights(self) -> np.ndarray | None:
        """Return how much each member counts, ``float (M, L)``, where that can be said."""
        return None

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Return what was learned."""

    @abstractmethod
    def restore(self, state: State) -> Self:
        """Take back what :meth:`state` returned."""


class Mean(Combiner):
    """The mean of logits, which is the geometric mean of odds; nothing is learned."""

    name = "mean"

    def fit(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> Self:
        """Learn nothing."""
        self.shape_ = Z.shape[1:]
        return self

    def combine(self, Z: np.ndarray) -> np.ndarray:
        """Return the probabilities of the mean logits."""
        return sigmoid(Z.mean(axis=1, dtype=np.float64)).astype(np.float32)

    def weights(self) -> np.ndarray:
        """Return 1 / M for each."""
        return np.full(self.shape_, 1 / self.shape_[0])

    def state(self) -> dict[str, np.ndarray]:
        """Return the numbers of members and labels."""
        return {"shape": np.array(self.shape_, np.int64)}

    def restore(self, state: State) -> Self:
        """Take back the numbers of members and labels."""
        members, labels = (int(size) for size in state["shape"])
        self.shape_ = (members, labels)
        return self


class Rank(Combiner):
    """The mean of ranks: each score is the share of development rows that score lower.

    Ranks of new images come from quantiles of the rows fitted on, dense towards both ends, so that
    one image can be scored alone.
    """

    name = "rank"

    def fit(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> Self:
        """Learn the quantiles of each member and label; labels are not looked at."""
        self.quantiles_ = np.quantile(Z, _levels(), axis=0).astype(np.float32)
        return self

    def combine(self, Z: np.ndarray) -> np.ndarray:
        """Return mean ranks."""
        levels = _levels()
        total = np.zeros((len(Z), Z.shape[2]))
        for member in range(Z.shape[1]):
            for label in range(Z.shape[2]):
                known = self.quantiles_[:, member, label]
                # of equal quantiles the middle one is meant: left and right ends averaged
                z = Z[:, member, label]
                low = np.interp(z, *_distinct(known, levels, first=True))
                high = np.interp(z, *_distinct(known, levels, first=False))
                total[:, label] += (low + high) / 2
        mean: np.ndarray = (total / Z.shape[1]).astype(np.float32)
        return mean

    def state(self) -> dict[str, np.ndarray]:
        """Return the quantiles."""
        return {"quantiles": self.quantiles_}

    def restore(self, state: State) -> Self:
        """Take back the quantiles."""
        self.quantiles_ = np.asarray(state["quantiles"])
        return self


def _levels() -> np.ndarray:
    inner = sigmoid(np.linspace(-9.0, 9.0, _LEVELS - 2))
    return np.concatenate([[0.0], inner, [1.0]])


def _distinct(
    quantiles: np.ndarray, levels: np.ndarray, first: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Keep, of equal quantiles, the first or the last level."""
    change = quantiles[1:] != quantiles[:-1]
    kept = np.r_[True, change] if first else np.r_[change, True]
    return quantiles[kept], levels[kept]
