"""Stack: per-label L2 logistic regression on members' logits (Wolpert 1992), chosen by nesting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from toolkit.ensembles.combiners import Combiner
from toolkit.ensembles.nesting import Nesting
from toolkit.ensembles.newton import Small, solve_small
from toolkit.heads.label_blocks import label_blocks
from toolkit.statistics.links import sigmoid
from toolkit.statistics.shrunk_choice import shrunk_choice

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_BLOCK = 8192
# up to so many labels each sees all others; of more, those whose mean logits move most with its own
_ALL_SEEN = 32
_SEEN = 16
_CORRELATED = 256


class Stack(Combiner):
    """One logistic regression per label on the members' logits.

    The penalty draws towards the plain mean of logits: ``|s (w - 1/M)|^2 / 2`` with s the spread of
    the mean logit, so that a label with few positives gets the mean of its members, not nothing.
    C is chosen by log loss on rows that the model never saw, the rarer the label the more as for
    all labels together. Weights are not negative unless asked for (Breiman 1996): members are
    so alike that free signs fit their noise, and that much more of it (see
    docs/decisions/0005-nesting.md). A label learns and is chosen for on the rows where it is known;
    those where it is not only help to say how far its members' logits spread.

    Args:
        cross_label: let a label also see the mean logits of the other labels; of more than 32
            labels, only of the 16 whose mean logits correlate most with its own, up or down. They
            are chosen by the members' scores alone, so no label of any fold has a part in it, and
            time is linear in the number of labels but for their correlations, one matrix product.
        cardinality: let it see the expected number of the other labels.
        nonnegative: let no member count against a label; other labels may.
        strengths: values of C to choose from.

    Attributes:
        coef_: ``float64 (L, d)``: members first, then other labels, then cardinality.
        intercept_: ``float64 (L,)``.
        C_: ``float64 (L,)``.
        others_: ``int64 (L, k)``, the other labels that each sees, with ``cross_label``.
    """

    name = "stack"
    coef_: np.ndarray
    intercept_: np.ndarray
    C_: np.ndarray
    others_: np.ndarray

    def __init__(
        self,
        cross_label: bool = False,
        cardinality: bool = False,
        nonnegative: bool = True,
        strengths: Sequence[float] = STRENGTHS,
    ) -> None:
        self.cross_label = cross_label
        self.cardinality = cardinality
        self.nonnegative = nonnegative
        self.strengths = strengths

    def fit(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> Self:
        """Choose C by these folds and fit on all rows."""
        self.cross_fit_in_place(Z, Y, fold)
        return self

    def cross_fit(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, Self]:
        """Score each row without its fold; see :class:`toolkit.ensembles.nesting.Nesting`."""
        model: Self = clone(self)
        return model.cross_fit_in_place(Z, Y, fold), model

    def cross_fit_in_place(self, Z: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Fit all that nesting needs at once; return the rows' nested scores ``float32 (n, L)``."""
        nesting = Nesting(fold)
        choosing = len(self.strengths) > 1
        if not choosing:  # then pairs of folds evaluate nothing
            nesting.sets = [left_out for left_out in nesting.sets if len(left_out) < 2]
            nesting.keep = nesting.keep[: len(nesting.sets)]
        labels, sets = Y.shape[1], len(nesting.sets)
        strength = np.repeat(self.strengths, sets)
        keep = np.tile(nesting.keep, (len(self.strengths), 1))
        shared = _Shared(Z)
        if self.cross_label:
            self.others_ = _most_alike(shared.mean)
        found: list[Small] = []
        costs: list[dict[int | None, np.ndarray]] = []
        for label in range(labels):
            X, known = self._features(Z, label, shared), Y[:, label] >= 0
            penalty, own = self._penalty(X, Z.shape[1]), nesting.only(known)
            X, y = (X, Y[:, label]) if known.all() else (X[known], Y[known, label])
            solved = solve_small(X, y, own.fold, keep, strength, **penalty)
            found.append(solved)
            if choosing:
                costs.append(own.costs(_Losses(X, y, solved, len(self.strengths))))
        default = len(self.strengths) // 2
        at: dict[int | None, np.ndarray] = {}
        for left_out in (None, *nesting.folds):
            rows = slice(None) if left_out is None else fold != left_out
            at[left_out] = (
                shrunk_choice(
                    np.stack([cost[left_out] for cost in costs], axis=1),
                    (Y[rows] == 1).sum(0),
                    default,
                )
                if choosing
                else np.zeros(labels, np.intp)
            )
        scores = np.empty(Y.shape, np.float32)
        for left_out in nesting.folds:
            rows = nesting.rows(left_out)
            own_rows = Z[rows]
            part = _Shared(own_rows)
            for label, solved in enumerate(found):
                problem = at[left_out][label] * sets + nesting.without(left_out)
                X = self._features(own_rows, label, part)
                z = X @ solved.coef[problem] + solved.intercept[problem]
                scores[rows, label] = sigmoid(z)
        final = at[None] * sets + nesting.without(None)
        self.coef_ = np.stack([s.coef[p] for s, p in zip(found, final, strict=True)])
        self.intercept_ = np.array([s.intercept[p] for s, p in zip(found, final, strict=True)])
        self.C_ = np.asarray(self.strengths)[at[None]]
        return scores

    def combine(self, Z: np.ndarray) -> np.ndarray:
        """Return probabilities."""
        scores = np.empty((len(Z), Z.shape[2]), np.float32)
        for start in range(0, len(Z), _BLOCK):
            block = Z[start : start + _BLOCK]
            shared = _Shared(block)
            for label in range(Z.shape[2]):
                z = self._features(block, label, shared) @ self.coef_[label]
                scores[start : start + _BLOCK, label] = sigmoid(z + self.intercept_[label])
        return scores

    def weights(self) -> np.ndarray:
        """Return the members' coefficients."""
        others = self.others_.shape[1] if self.cross_label else 0
        own: np.ndarray = self.coef_[:, : self.coef_.shape[1] - others - self.cardinality].T
        return own

    def held(self) -> Stack:
        """Return a stack with C held at the median of those chosen."""
        return Stack(
            self.cross_label, self.cardinality, self.nonnegative, [float(np.median(self.C_))]
        )

    def _features(self, Z: np.ndarray, label: int, shared: _Shared) -> np.ndarray:
        """Return ``float64 (n, d)``: what one label is predicted from."""
        parts = [Z[:, :, label].astype(np.float64)]
        if self.cross_label:
            parts.append(shared.mean[:, self.others_[label]])
        if self.cardinality:
            parts.append(shared.others(label))
        return np.hstack(parts)

    def _penalty(self, X: np.ndarray, members: int) -> dict[str, Any]:
        own = np.arange(X.shape[1]) < members
        spread = X.std(axis=0)
        spread[own] = X[:, own].mean(axis=1).std()
        return {
            "prior": np.where(own, 1 / members, 0.0),
            "scale": np.maximum(spread, 1e-3),
            "nonnegative": own if self.nonnegative else None,
        }


def _most_alike(logits: np.ndarray) -> np.ndarray:
    """Return the other labels that each label sees, ascending, ``int64 (L, k)``.

    Args:
        logits: ``(n, L)``, means over the members.
    """
    labels = logits.shape[1]
    every = np.arange(labels)
    if labels <= _ALL_SEEN:
        return np.stack([np.delete(every, label) for label in every])
    centred = logits - logits.mean(axis=0)
    centred /= np.maximum(np.sqrt(np.square(centred).sum(axis=0)), 1e-12)
    out = np.empty((labels, _SEEN), np.int64)
    for block in label_blocks(labels, -(-labels // _CORRELATED)):
        likeness = np.abs(centred[:, block].T @ centred)
        for label, own in zip(range(block.start, block.stop), likeness, strict=True):
            own[label] = -1.0
            out[label] = np.sort(np.argsort(-own, kind="stable")[:_SEEN])
    return out


class _Shared:
    """What all labels' features share: mean logits and their probabilities, each ``(n, L)``."""

    def __init__(self, Z: np.ndarray) -> None:
        self.mean = Z.mean(axis=1, dtype=np.float64)
        self.probability = sigmoid(self.mean)
        self._total = self.probability.sum(axis=1)

    def others(self, label: int) -> np.ndarray:
        """Return how many of the other labels are expected, ``(n, 1)``."""
        labels = self.probability.shape[1]
        found: np.ndarray
        if labels > _ALL_SEEN:  # not added up anew for each label
            found = (self._total - self.probability[:, label])[:, None]
        else:
            found = self.probability[:, np.arange(labels) != label].sum(axis=1, keepdims=True)
        return found


class _Losses:
    """Log loss of each strength's model of a set, summed over rows, ``(strengths,)``."""

    def __init__(self, X: np.ndarray, y: np.ndarray, solved: Small, strengths: int) -> None:
        self.X, self.y = X, y
        self.coef = solved.coef.reshape(strengths, -1, X.shape[1])
        self.intercept = solved.intercept.reshape(strengths, -1)

    def __call__(self, number: int, rows: np.ndarray) -> np.ndarray:
        z = self.X[rows] @ self.coef[:, number].T + self.intercept[:, number]
        loss: np.ndarray = (np.logaddexp(0.0, z) - self.y[rows, None] * z).sum(axis=0)
        return loss
