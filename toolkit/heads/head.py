"""Head: a scikit-learn estimator that fits all L binary problems together."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

State = dict[str, np.ndarray | str]
Progress = Callable[[int], None]


class OneClassWarning(UserWarning):
    """A label has one class among the training rows and gets a constant predictor."""


class OneVsRestHead(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the heads: validation, constant labels, and prediction.

    A subclass implements ``_fit(X, Y, weight)`` for labels with both classes and ``_scores(X)``.

    Attributes:
        classes_: ``int (L,)``, the label columns, as in ``OneVsRestClassifier``.
        levels_: the two values of y, no before yes; 0 and 1 after :meth:`restore`.
        n_features_in_: width of X.
        constant_: ``float64 (L,)``, the probability of a label with one class among the training
            rows (0 or 1), NaN for the others.
    """

    classes_: np.ndarray
    levels_: np.ndarray
    n_features_in_: int
    constant_: np.ndarray

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit all labels.

        Args:
            X: ``float (n, d)``.
            y: ``(n, L)`` of 0 and 1, or of any two values of which the greater means yes.
            sample_weight: ``float (n,)``, or ``(n, L)`` for weights per label.

        Raises:
            ValueError: shapes differ, or values are not finite, or y holds more than two values.
        """
        X, Y, weight = self._validated(X, y, sample_weight)
        open_ = self._find_constant(Y, weight)
        self._fit(X, Y[:, open_], weight[:, open_])
        return self

    def check(self) -> None:
        """Look at the options alone, as ``fit`` does first.

        Raises:
            ValueError: an option is outside its range.
            TypeError: an option is of a wrong kind.
        """

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return ``float32 (n, L)``, P(y = 1) of each label."""
        check_is_fitted(self, "constant_")
        X = self._validated_x(X)
        scores = np.empty((len(X), len(self.classes_)), np.float32)
        scores[:] = np.nan_to_num(self.constant_)
        open_ = np.isnan(self.constant_)
        if open_.any():
            scores[:, open_] = self._scores(X)
        return scores

    def predict(self, X: Any) -> np.ndarray:
        """Return ``(n, L)`` of the values seen in fit: yes where P(y = 1) is at least one half."""
        check_is_fitted(self, "constant_")
        decided: np.ndarray = self.levels_[(self.predict_proba(X) >= 0.5).astype(np.intp)]
        return decided

    def state(self) -> State:
        """Return all that was learned: arrays, and texts in a library's own format."""
        check_is_fitted(self, "constant_")
        return {"constant": self.constant_, "width": np.array([self.n_features_in_])} | (
            self._state() if np.isnan(self.constant_).any() else {}
        )

    def restore(self, state: State) -> Self:
        """Take back what :meth:`state` returned; predictions are bit-identical."""
        self.constant_ = np.asarray(state["constant"], np.float64)
        self.classes_ = np.arange(len(self.constant_))
        self.levels_ = np.array([0, 1], np.uint8)
        self.n_features_in_ = int(np.asarray(state["width"])[0])
        if np.isnan(self.constant_).any():
            self._restore(state)
        return self

    def _fit(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> None:
        raise NotImplementedError  # unless a head has a fit of its own

    @abstractmethod
    def _scores(self, X: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _state(self) -> State: ...

    @abstractmethod
    def _restore(self, state: State) -> None: ...

    def _validated(
        self, X: Any, Y: Any, sample_weight: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        X = check_array(X, dtype=np.float32, ensure_min_samples=2, estimator=self)
        if Y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        Y = check_array(Y, dtype=None, ensure_2d=False, input_name="y", estimator=self)
        levels = np.unique(Y)
        if len(levels) > 2 or (Y.dtype.kind == "f" and (levels != np.round(levels)).any()):
            kind = "continuous" if Y.dtype.kind == "f" else "multiclass"
            raise ValueError(
                "Only binary classification is supported. Unknown label type: the type of the "
                f"target is {kind}, a label is 0 or 1"
            )
        if Y.ndim != 2:
            raise ValueError(
                f"y should be a 2d array of shape (n, L), got shape {Y.shape}; for one label "
                "reshape it to (n, 1)"
            )
        check_consistent_length(X, Y)
        if np.isin(levels, (0, 1)).all():
            levels = np.array([0, 1], Y.dtype)
        elif len(levels) == 1:
            levels = levels.repeat(2)
        self.levels_ = levels
        Y = levels[1] == Y
        if sample_weight is None:
            weight = np.ones(Y.shape, np.float32)
        else:
            weight = check_array(
                np.asarray(sample_weight),
                dtype=np.float32,
                ensure_2d=False,
                input_name="sample_weight",
            )
            if weight.shape not in ((len(Y),), Y.shape):
                raise ValueError(
                    f"sample_weight has shape {weight.shape}, expected {(len(Y),)} or {Y.shape}"
                )
            weight = np.broadcast_to(weight[:, None] if weight.ndim == 1 else weight, Y.shape)
            if (weight < 0).any():
                raise ValueError("Negative values in sample_weight")
            if not weight.any():
                raise ValueError("All sample weights are zero: at least one must be positive")
        self.n_features_in_ = X.shape[1]
        self.classes_ = np.arange(Y.shape[1])
        return X, np.asarray(Y, np.uint8), np.ascontiguousarray(weight)

    def _validated_x(self, X: Any) -> np.ndarray:
        X = check_array(X, dtype=np.float32, estimator=self)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        array: np.ndarray = X
        return array

    def _find_constant(self, Y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Note labels with one class among rows of positive weight; return the other labels."""
        positive = ((Y == 1) & (weight > 0)).any(0)
        negative = ((Y == 0) & (weight > 0)).any(0)
        self.constant_ = np.where(positive & negative, np.nan, positive.astype(np.float64))
        constant = np.flatnonzero(~np.isnan(self.constant_))
        if len(constant):
            warnings.warn(
                f"labels {constant.tolist()} have one class among the training rows and get a "
                "constant predictor",
                OneClassWarning,
                stacklevel=3,
            )
        return np.flatnonzero(np.isnan(self.constant_))

    def __sklearn_tags__(self) -> Tags:
        """Say that these estimators take 0/1 targets of two dimensions only."""
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        tags.target_tags.two_d_labels = True
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_class = False
            tags.classifier_tags.multi_label = True
        return tags


@runtime_checkable
class FitsFolds(Protocol):
    """A head that fits the models of all folds in one go, faster than one after another."""

    def fit_folds(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        fold: np.ndarray,
        sample_weight: np.ndarray | None = None,
        on_progress: Progress | None = None,
    ) -> list[OneVsRestHead]:
        """Return one fitted clone per fold f, learned on the rows with ``fold != f`` only.

        Whatever the clone of fold f chose (strengths, epochs) it chose without the rows of f.
        """


def label_weights(Y: np.ndarray, weight: np.ndarray, class_weight: str | None) -> np.ndarray:
    """Multiply weights by class weights.

    Args:
        Y: ``uint8 (n, L)``.
        weight: ``float32 (n, L)``; a row of weight 0 does not count.
        class_weight: None; ``balanced`` for ``n / (2 n_class)`` as in scikit-learn; ``pos_weight``
            for ``n_negative / n_positive`` on positives, as in the paper.

    Raises:
        ValueError: ``class_weight`` is none of these.
    """
    if class_weight is None or class_weight == "none":
        return weight
    positive = (weight * Y).sum(0, dtype=np.float64)
    total = weight.sum(0, dtype=np.float64)
    negative = total - positive
    with np.errstate(divide="ignore", invalid="ignore"):
        if class_weight == "balanced":
            up, down = total / (2 * positive), total / (2 * negative)
        elif class_weight == "pos_weight":
            up, down = negative / positive, np.ones_like(positive)
        else:
            raise ValueError(
                f"class_weight is None, 'balanced' or 'pos_weight', not {class_weight!r}"
            )
    factors = np.where(Y == 1, np.nan_to_num(up, posinf=1.0), np.nan_to_num(down, posinf=1.0))
    weighted: np.ndarray = (weight * factors).astype(np.float32)
    return weighted
