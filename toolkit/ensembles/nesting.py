"""Nesting: which folds a model leaves out, so that choices are evaluated on unseen rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from itertools import combinations

import numpy as np

Losses = Callable[[int, np.ndarray], np.ndarray]


class Nesting:
    """All sets of at most two folds to leave out.

    The model without folds {f, g} is the inner model of f evaluated on g and, at once, the
    inner model of g evaluated on f: with k folds an exactly nested choice costs k (k - 1) / 2 inner
    fits, k outer ones and a final one, not k (k - 1) + k + 1.

    Args:
        fold: ``int (n,)``, at least 0.

    Attributes:
        folds: the fold numbers that have rows.
        sets: the sets left out: none, each fold, each pair (from three folds on).
        keep: ``bool (S, max fold + 1)``, whether a fold's rows are learned on.
    """

    def __init__(self, fold: np.ndarray) -> None:
        self.fold = fold
        self.folds = np.unique(fold).tolist()
        pairs = list(combinations(self.folds, 2)) if len(self.folds) >= 3 else []
        self.sets: list[tuple[int, ...]] = [(), *((f,) for f in self.folds), *pairs]
        self.keep = np.ones((len(self.sets), max(self.folds) + 1), bool)
        for number, left_out in enumerate(self.sets):
            self.keep[number, list(left_out)] = False
        self._number = {left_out: number for number, left_out in enumerate(self.sets)}

    def only(self, known: np.ndarray) -> Nesting:
        """Return the same sets on fewer rows: those where a label is known, ``bool (n,)``."""
        if known.all():
            return self
        found = copy(self)
        found.fold = self.fold[known]
        return found

    def rows(self, fold: int) -> np.ndarray:
        """Return the rows of a fold."""
        return np.flatnonzero(self.fold == fold)

    def learned_on(self, number: int) -> np.ndarray:
        """Return the rows that the model of a set learns on."""
        return np.flatnonzero(self.keep[number][self.fold])

    def without(self, fold: int | None) -> int:
        """Return the set of one fold left out; with None, of none."""
        return self._number[() if fold is None else (fold,)]

    def inner(self, fold: int | None) -> Iterator[tuple[int, int]]:
        """Yield ``(fold to evaluate on, set)`` for choices made without ``fold``."""
        for other in self.folds:
            left_out = (other,) if fold is None else tuple(sorted((fold, other)))
            if other != fold and left_out in self._number:
                yield other, self._number[left_out]

    def costs(self, losses: Losses) -> dict[int | None, np.ndarray]:
        """Return the mean loss of each choice, evaluated without each fold and (None) on all rows.

        Args:
            losses: of a set's number and rows, summed over the rows, ``(choices, ...)``.

        Returns:
            NaN where there is nothing to evaluate on (fewer than three folds, or no row in them).
        """
        table = {
            (number, fold): losses(number, self.rows(fold))
            for number, left_out in enumerate(self.sets)
            for fold in left_out
        }
        out: dict[int | None, np.ndarray] = {}
        shape = next(iter(table.values())).shape
        for fold in (None, *self.folds):
            losses_on = [(other, table[number, other]) for other, number in self.inner(fold)]
            rows = sum(len(self.rows(other)) for other, _ in losses_on)
            out[fold] = (
                np.sum([loss for _, loss in losses_on], axis=0) / rows
                if rows
                else np.full(shape, np.nan)
            )
        return out
