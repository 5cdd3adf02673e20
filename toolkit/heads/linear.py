"""LinearHead: L2 logistic regression for all labels, with C chosen per label out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from toolkit.data.stratify import iterative_stratification
from toolkit.heads.head import OneVsRestHead, Progress, State, label_weights
from toolkit.heads.logistic import Solution, solve, solve_once
from toolkit.heads.shrunk_choice import shrunk_choice
from toolkit.heads.standardise import NormalisedInput, normalises
from toolkit.statistics.metrics import average_precision

_BLOCK = 2048
STRENGTHS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1)


class LinearHead(NormalisedInput, OneVsRestHead):
    """One-vs-rest logistic regression on standardised, and where they allow it rooted, features.

    The whole grid of strengths, folds and labels is solved together
    (:func:`toolkit.heads.logistic.solve`). C is chosen per label by its out-of-fold log loss (or
    average precision), shrunk towards the choice that is best for all labels together: a label with
    k positives trusts its own curve as k / (k + shrinkage).

    Args:
        Cs: strengths to choose from, as scikit-learn's ``C``; one value is used as it is.
        class_weight: None, ``balanced``, or ``pos_weight`` as in the paper.
        criterion: ``log_loss`` or ``average_precision``.
        shrinkage: in positives; see above.
        folds: inner folds of :meth:`fit` when there is a choice to make.
        tol: see :func:`toolkit.heads.logistic.solve`.
        normalise: first take square roots and bring every row to length 1 (Perronnin et al. 2010):
            pooled activations are skewed. ``auto`` does so if no training row has a feature below
            0, as after a ReLU.
        device: ``cpu`` or ``cuda``.
        random_state: of the inner folds.

    Attributes:
        normalised_: whether roots are taken and rows brought to length 1.
        coef_: ``float32 (M, d)`` for the M labels that are not constant, in the units of X, or of
            what normalising makes of it.
        intercept_: ``float32 (M,)``.
        C_: ``float64 (M,)``, the strength chosen for each.
    """

    normalised_: bool
    coef_: np.ndarray
    intercept_: np.ndarray
    C_: np.ndarray

    def __init__(
        self,
        Cs: Sequence[float] = STRENGTHS,
        class_weight: str | None = None,
        criterion: str = "log_loss",
        shrinkage: float = 50.0,
        folds: int = 5,
        tol: float = 1e-6,
        normalise: bool | str = "auto",
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.Cs = Cs
        self.class_weight = class_weight
        self.criterion = criterion
        self.shrinkage = shrinkage
        self.folds = folds
        self.tol = tol
        self.normalise = normalise
        self.device = device
        self.random_state = random_state

    def fit_folds(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        fold: np.ndarray,
        sample_weight: np.ndarray | None = None,
        on_progress: Progress | None = None,
    ) -> list[Self]:
        """Fit one model a fold, all at once; see :class:`toolkit.heads.head.FitsFolds`.

        The strength of fold f's model is chosen by the out-of-fold scores of the other folds' rows.

        Args:
            X: ``float32 (n, d)``.
            Y: ``uint8 (n, L)``.
            fold: ``int (n,)``, at least 0.
            sample_weight: ``(n,)`` or ``(n, L)``.
            on_progress: called with 1 after each strength.
        """
        X, Y, weight = self._validated(X, Y, sample_weight)
        folds = int(fold.max()) + 1
        clones = [clone(self) for _ in range(folds)]
        shared = np.ones(Y.shape[1], bool)
        non_negative = X.min(axis=1) >= 0
        for f, each in enumerate(clones):
            rows = fold != f
            each.classes_, each.n_features_in_ = self.classes_, self.n_features_in_
            each.levels_ = self.levels_
            open_ = each._find_constant(Y[rows], weight[rows])
            shared &= np.isin(np.arange(Y.shape[1]), open_)
            each.normalised_ = normalises(non_negative[rows], self.normalise)
        if not shared.all() or len({each.normalised_ for each in clones}) > 1:
            # a label with one class in some fold cannot share the passes: fit fold by fold
            for f, each in enumerate(clones):
                each.fit(X[fold != f], Y[fold != f], weight[fold != f])
            return clones
        weight = label_weights(Y, weight, self.class_weight)
        X = clones[0]._normalised(X)
        found = solve(
            X, Y, weight, fold, self._grid(), tol=self.tol, device=self.device,
            on_progress=on_progress,
        )  # fmt: skip
        for f, each in enumerate(clones):
            at = self._choose(found, Y, weight, fold != f)
            labels = np.arange(Y.shape[1])
            each.coef_ = found.coef[at, f, labels]
            each.intercept_ = found.intercept[at, f, labels]
            each.C_ = np.asarray(self._grid())[at]
        return clones

    def _fit(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> None:
        grid = self._grid()
        self.C_ = np.full(Y.shape[1], grid[0])
        self.normalised_ = normalises(X.min(axis=1) >= 0, self.normalise)
        X = self._normalised(X)
        if Y.shape[1] == 0:
            return
        weight = label_weights(Y, weight, self.class_weight)
        if len(grid) > 1:
            folds = min(self.folds, int(np.minimum(Y.sum(0), (1 - Y).sum(0)).min()), len(X) // 2)
            if folds >= 2:
                fold = iterative_stratification(
                    Y, np.full(folds, 1.0 / folds), seed=self.random_state
                )
                found = solve(X, Y, weight, fold, grid, tol=self.tol, device=self.device)
                at = self._choose(found, Y, weight, np.ones(len(Y), bool))
                self.C_ = np.asarray(grid)[at]
            else:  # too few of one class to choose by: the middle of the grid
                self.C_ = np.full(Y.shape[1], grid[len(grid) // 2])
        self.coef_, self.intercept_ = solve_once(
            X, Y, weight, self.C_, tol=self.tol, device=self.device
        )

    def check(self) -> None:
        """See :meth:`OneVsRestHead.check`."""
        self._grid()

    def _grid(self) -> list[float]:
        grid = sorted({float(C) for C in np.atleast_1d(self.Cs)})
        if not grid or grid[0] <= 0:
            raise ValueError(f"Cs must be positive numbers, got {self.Cs!r}")
        if self.criterion not in ("log_loss", "average_precision"):
            raise ValueError(
                f"criterion is 'log_loss' or 'average_precision', not {self.criterion!r}"
            )
        return grid

    def _choose(
        self, found: Solution, Y: np.ndarray, weight: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """Return the place in the grid for each label, judged on ``rows``."""
        truth, weight = Y[rows], weight[rows]
        if self.criterion == "log_loss":
            losses = []
            for logits in found.logits:
                z = logits[rows]
                loss = weight * (np.logaddexp(0.0, z) - truth * z)
                losses.append(loss.sum(0) / weight.sum(0))
            cost = np.array(losses)
        else:
            cost = -np.array([average_precision(truth, logits[rows]) for logits in found.logits])
            cost = np.nan_to_num(cost)
        return shrunk_choice(cost, truth.sum(0), 0, self.shrinkage)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return ``float32 (n, M)`` logits of the labels that are not constant."""
        check_is_fitted(self, "coef_")
        return self._logits(self._validated_x(X)).astype(np.float32)

    def _scores(self, X: np.ndarray) -> np.ndarray:
        scores: np.ndarray = 1.0 / (1.0 + np.exp(-self._logits(X)))
        return scores

    def _logits(self, X: np.ndarray) -> np.ndarray:
        """Multiply in float64, so that after rounding to float32 a row's score does not depend on
        the rows beside it.
        """
        coef = self.coef_.T.astype(np.float64)
        logits = np.empty((len(X), len(self.coef_)))
        for start in range(0, len(X), _BLOCK):
            block = self._normalised(X[start : start + _BLOCK]).astype(np.float64)
            logits[start : start + _BLOCK] = block @ coef + self.intercept_
        return logits.clip(-80, 80)

    def _state(self) -> State:
        return {
            "coef": self.coef_,
            "intercept": self.intercept_,
            "C": self.C_,
            "normalised": np.array([int(self.normalised_)]),
        }

    def _restore(self, state: State) -> None:
        self.coef_ = np.asarray(state["coef"])
        self.intercept_ = np.asarray(state["intercept"])
        self.C_ = np.asarray(state["C"])
        self.normalised_ = bool(np.asarray(state["normalised"])[0])
