"""LinearHead: L2 logistic regression for all labels, with C chosen per label out of fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from sklearn.base import clone

from toolkit.data.stratify import iterative_stratification
from toolkit.heads.head import CLASS_WEIGHTS, Progress, label_weights, seed_of, warn_one_class
from toolkit.heads.logistic import blocks_of_labels, solve_blocks, solve_once
from toolkit.heads.logistic_problems import Solution
from toolkit.heads.standardise import NormalisedHead
from toolkit.heads.standardised_rows import STREAMED, Rows
from toolkit.runtime.forecast import current_forecast
from toolkit.runtime.options import check_choices, check_ranges
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import average_precision
from toolkit.statistics.shrunk_choice import shrunk_choice

_BLOCK = 2048
# of more labels than this, those with one class in some fold do not keep the others from sharing
_FEW = 64
STRENGTHS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1)


@dataclass(eq=False, repr=False)
class LinearHead(NormalisedHead):
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

    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 4))
    >>> LinearHead().fit(X, X[:, :2] > 0).predict(X[:1]).shape
    (1, 2)
    """

    LEARNED = (*NormalisedHead.LEARNED, "coef", "intercept", "C")

    Cs: float | Sequence[float] = STRENGTHS
    class_weight: str | None = None
    criterion: str = "log_loss"
    shrinkage: float = 50.0
    folds: int = 5
    tol: float = 1e-6
    normalise: bool | str = "auto"
    device: str = "cpu"
    random_state: int | np.random.RandomState | None = 0

    coef_: np.ndarray = field(init=False)
    intercept_: np.ndarray = field(init=False)
    C_: np.ndarray = field(init=False)

    @property
    def steps_of_folds(self) -> int:
        """How many steps :meth:`fit_folds` tells of: one a strength."""
        return len(self._grid())

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
            X: as for :meth:`fit`.
            Y: as for :meth:`fit`.
            fold: ``int (n,)``; -1 for a row that no model learns from.
            sample_weight: ``(n,)`` or ``(n, L)``.
            on_progress: called with the steps that were done, :attr:`steps_of_folds` in all.
        """
        models = [clone(self) for _ in range(int(fold.max()) + 1)]
        for model in models:
            x, y, weight = model._validated(X, Y, sample_weight)
        if (fold < 0).any():
            weight = weight * (fold >= 0)[:, None]
        non_negative = x.min(axis=1) >= 0
        learned = [(fold != f) & (fold >= 0) for f in range(len(models))]
        for model, rows in zip(models, learned, strict=True):
            model._find_constant(y[rows], weight[rows])
            model._choose_normalising(non_negative[rows], x.shape[1])
        warn_one_class(models)
        varied = np.isnan(np.stack([model.constant_ for model in models]))
        shared: np.ndarray = varied.all(axis=0)
        alike = len({model.normalised_ for model in models}) == 1
        enough = shared.all() or (len(shared) > _FEW and shared.any())
        if not (alike and enough):
            # a label with one class in some fold cannot share the passes: fit fold by fold
            forecast = current_forecast()
            forecast.begin(len(models))
            steps = np.diff(np.linspace(0, self.steps_of_folds, len(models) + 1).astype(int))
            for model, rows, own, step in zip(models, learned, varied, steps, strict=True):
                model._fit(x[rows], y[rows][:, own], weight[rows][:, own])
                forecast.advance()
                if on_progress is not None:
                    on_progress(int(step))
            return models
        weight = label_weights(y, weight, self.class_weight)
        common = self._fit_together(models, x, y, weight, fold, shared, on_progress)
        for f, (model, C) in enumerate(zip(models, common, strict=True)):
            self._fit_apart(model, x, y, weight, learned[f], varied[f] & ~shared, shared, C)
        return models

    def _fit_together(
        self,
        models: list[Self],
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        fold: np.ndarray,
        shared: np.ndarray,
        on_progress: Progress | None,
    ) -> list[float]:
        """Fit the labels ``shared``, bool ``(L,)``, that have both classes in every fold.

        Returns:
            The strength that is best for all of them together, of each fold's model.
        """
        if not shared.all():
            y, weight = y[:, shared], weight[:, shared]
        rows = [(fold != f) & (fold >= 0) for f in range(len(models))]
        grid, common = np.asarray(self._grid()), []
        coefs, intercepts, costs = [], [], []
        blocks = len(blocks_of_labels(y.shape[1], len(models), x.shape))
        solved = 0
        forecast = current_forecast()
        forecast.begin(y.shape[1])

        def strength_done(count: int) -> None:
            nonlocal solved
            solved += count
            if blocks == 1:  # the larger a strength, the longer it takes
                forecast.at_least(solved, len(grid))
            if on_progress is not None:
                on_progress(count)

        for block, found in solve_blocks(
            models[0]._rows(x), y, weight, fold, self._grid(), tol=self.tol, device=self.device,
            on_progress=strength_done,
        ):  # fmt: skip
            forecast.advance(block.stop - block.start)
            coefs.append(found.coef)
            intercepts.append(found.intercept)
            of = (found, y[:, block], weight[:, block])
            costs.append([strength_costs(*of, each, self.criterion) for each in rows])
        for f, model in enumerate(models):
            cost = np.concatenate([each[f] for each in costs], axis=1)
            positives = y[rows[f]].sum(0)
            at = shrunk_choice(cost, positives, 0, self.shrinkage)
            edges = np.cumsum([coef.shape[2] for coef in coefs])[:-1]
            chosen = np.split(at, edges)
            model.coef_, model.intercept_ = (
                np.concatenate(
                    [
                        part[which, f, np.arange(len(which))]
                        for part, which in zip(parts, chosen, strict=True)
                    ]
                )
                for parts in (coefs, intercepts)
            )
            model.C_ = grid[at]
            common.append(float(grid[shrunk_choice(cost, 0 * positives, 0)[0]]))
        return common

    def _fit_apart(
        self,
        model: Self,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        rows: np.ndarray,
        rare: np.ndarray,
        shared: np.ndarray,
        strength: float,
    ) -> None:
        """Add the labels of one fold's model that have one class in another fold.

        No fold is left to choose a strength of their own by; they take the one best for all.
        """
        if not rare.any():
            return
        C = np.full(int(rare.sum()), strength)
        coef, intercept = solve_once(
            model._rows(x[rows]), y[rows][:, rare], weight[rows][:, rare], C,
            tol=self.tol, device=self.device,
        )  # fmt: skip
        order = np.argsort(np.r_[np.flatnonzero(shared), np.flatnonzero(rare)])
        model.coef_ = np.concatenate([model.coef_, coef])[order]
        model.intercept_ = np.concatenate([model.intercept_, intercept])[order]
        model.C_ = np.r_[model.C_, C][order]

    def _fit(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> None:
        grid = self._grid()
        self.C_ = np.full(Y.shape[1], grid[0])
        self._choose_normalising(X.min(axis=1) >= 0, X.shape[1])
        if Y.shape[1] == 0:
            return
        rows = self._rows(X)
        weight = label_weights(Y, weight, self.class_weight)
        if len(grid) > 1:
            no = ((Y == 0) & (weight > 0)).sum(0)
            folds = min(self.folds, int(np.minimum(Y.sum(0), no).min()), len(X) // 2)
            if folds >= 2:
                share = np.full(folds, 1.0 / folds)
                fold = iterative_stratification(Y, share, seed=seed_of(self.random_state))
                every = np.ones(len(Y), bool)
                costs = [
                    strength_costs(found, Y[:, at], weight[:, at], every, self.criterion)
                    for at, found in solve_blocks(
                        rows, Y, weight, fold, grid, tol=self.tol, device=self.device
                    )
                ]
                cost = np.concatenate(costs, axis=1)
                self.C_ = np.asarray(grid)[shrunk_choice(cost, Y.sum(0), 0, self.shrinkage)]
            else:  # too few of one class to choose by: the middle of the grid
                self.C_ = np.full(Y.shape[1], grid[len(grid) // 2])
        self.coef_, self.intercept_ = solve_once(
            rows, Y, weight, self.C_, tol=self.tol, device=self.device
        )

    def check(self) -> None:
        """See :meth:`OneVsRestHead.check`."""
        check_ranges(self, {"[0, inf)": "shrinkage", "int [2, inf)": "folds", "(0, inf)": "tol"})
        check_choices(
            self,
            class_weight=CLASS_WEIGHTS,
            criterion=("log_loss", "average_precision"),
            normalise=(True, False, "auto"),
        )
        grid = self._grid()
        if not grid or not 0 < grid[0] <= grid[-1] < np.inf:
            raise ValueError(f"Cs: expected numbers above 0, found {self.Cs!r}")

    def _grid(self) -> list[float]:
        return sorted({float(C) for C in np.atleast_1d(self.Cs)})

    def _rows(self, X: np.ndarray) -> Rows:
        """Return X normalised, at once or, where a copy of it would be large, as it is read."""
        return self._normalised(X) if X.size < STREAMED else _Normalised(X, self._normalised)

    def _scores(self, X: np.ndarray) -> np.ndarray:
        # multiplied in float64, so that after rounding to float32 a row's score does not depend on
        # the rows that are scored with it
        coef = self.coef_.T.astype(np.float64)
        scores = np.empty((len(X), len(self.coef_)), np.float32)
        for start in range(0, len(X), _BLOCK):
            block = self._normalised(X[start : start + _BLOCK]).astype(np.float64)
            scores[start : start + _BLOCK] = sigmoid(block @ coef + self.intercept_)
        return scores


@dataclass(frozen=True, eq=False)
class _Normalised:
    """Rows of X that are normalised when they are asked for."""

    X: np.ndarray
    normalised: Callable[[np.ndarray], np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.X.shape

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.normalised(np.asarray(self.X[rows]))


def strength_costs(
    found: Solution, Y: np.ndarray, weight: np.ndarray, rows: np.ndarray, criterion: str
) -> np.ndarray:
    """Return what each strength costs each label on some rows, ``(C, L)``; the less, the better.

    Args:
        found: whose logits are out of fold.
        Y: ``uint8 (n, L)``.
        weight: ``float32 (n, L)``.
        rows: ``bool (n,)``, the rows to choose by.
        criterion: see :class:`LinearHead`.
    """
    truth, weight = Y[rows], weight[rows]
    if criterion == "log_loss":
        losses = []
        for logits in found.logits:
            z = logits[rows]
            loss = weight * (np.logaddexp(0.0, z) - truth * z)
            losses.append(loss.sum(0) / weight.sum(0))
        return np.array(losses)
    known = np.where(weight > 0, truth, np.int8(-1))
    cost = -np.array([average_precision(known, logits[rows]) for logits in found.logits])
    known_cost: np.ndarray = np.nan_to_num(cost)
    return known_cost
