"""Head: a scikit-learn estimator that fits all L binary problems together."""

from __future__ import annotations

import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from toolkit.errors import listed

State = dict[str, np.ndarray | str]
Progress = Callable[[int], None]
CLASS_WEIGHTS = (None, "none", "balanced", "pos_weight")


class OneClassWarning(UserWarning):
    """A label has one class among the training rows and gets a constant predictor."""


class OneVsRestHead(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the heads: validation, constant labels, prediction and state.

    A subclass implements ``_fit(X, Y, weight)`` for labels with both classes and ``_scores(X)``,
    and names in ``LEARNED`` the arrays that it learns, without the ``_`` they end in.

    Attributes:
        label_names_: ``(L,)`` texts, columns of Y if it was a data frame.
        classes_: ``int8 (L, 2)``, the classes 0 and 1 of each label.
        n_features_in_: width of X.
        feature_names_in_: ``(d,)`` texts, columns of X if it was a data frame.
        constant_: ``float64 (L,)``, the probability of a label with one class among the training
            rows (0 or 1) or with none (one half), NaN for the others.
    """

    LEARNED: ClassVar[tuple[str, ...]] = ()

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit all labels.

        Args:
            X: ``float (n, d)``, or a data frame, whose column names are remembered and expected
                again of rows to predict.
            y: ``(n, L)`` of 0, 1 and -1, or of bool, or a data frame of them, one column a label.
                A cell of -1 is unknown: it has no weight.
            sample_weight: ``float (n,)``, or ``(n, L)`` for weights per label.

        Raises:
            ValueError: an option is outside its range, shapes differ, or values are not finite or
                not 0, 1 or -1.
        """
        X, Y, weight = self._validated(X, y, sample_weight)
        varied = self._find_constant(Y, weight)
        warn_one_class([self])
        self._fit(X, Y[:, varied], weight[:, varied])
        return self

    def check(self) -> None:
        """Check the options alone, as ``fit`` does first.

        Raises:
            ValueError: an option is outside its range or of a wrong kind.
        """

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return ``float32 (n, L)``, P(y = 1) of each label."""
        check_is_fitted(self, "constant_")
        X = validate_data(self, X, dtype=np.float32, reset=False)
        scores = np.empty((len(X), len(self.constant_)), np.float32)
        scores[:] = np.nan_to_num(self.constant_)
        varied = np.isnan(self.constant_)
        if varied.any():
            scores[:, varied] = self._scores(X)
        return scores

    def predict(self, X: Any) -> np.ndarray:
        """Return ``int64 (n, L)``: 1 where P(y = 1) is at least one half, else 0."""
        return (self.predict_proba(X) >= 0.5).astype(np.int64)

    def state(self) -> State:
        """Return all that was learned: arrays, and texts in a library's own format."""
        check_is_fitted(self, "constant_")
        known: State = {"constant": self.constant_, "width": np.array([self.n_features_in_])}
        names = {
            attribute: getattr(self, attribute).tolist()
            for attribute in ("label_names_", "feature_names_in_")
            if hasattr(self, attribute)
        }
        known |= {"names": json.dumps(names)} if names else {}
        return known | (self._state() if np.isnan(self.constant_).any() else {})

    def restore(self, state: State) -> Self:
        """Take back what :meth:`state` returned; predictions are bit-identical."""
        self.constant_ = np.asarray(state["constant"], np.float64)
        self.classes_ = _classes(len(self.constant_))
        self.n_features_in_ = int(np.asarray(state["width"])[0])
        for attribute, names in json.loads(str(state.get("names", "{}"))).items():
            setattr(self, attribute, np.array(names, object))
        if np.isnan(self.constant_).any():
            self._restore(state)
        return self

    @abstractmethod
    def _fit(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> None:
        """Learn the labels that are not constant."""

    @abstractmethod
    def _scores(self, X: np.ndarray) -> np.ndarray:
        """Return P(y = 1) of the labels that are not constant."""

    def _state(self) -> State:
        return {name: np.atleast_1d(getattr(self, f"{name}_")) for name in self.LEARNED}

    def _restore(self, state: State) -> None:
        for name in self.LEARNED:
            setattr(self, f"{name}_", np.asarray(state[name]))

    def _validated(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return X, Y of 0 and 1, and weights, 0 where a cell is unknown; note the names.

        They are ``float32 (n, d)``, ``uint8 (n, L)`` and ``float32 (n, L)``.
        """
        self.check()
        X = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        names = getattr(y, "columns", None)
        Y = check_array(y, dtype=None, ensure_2d=False, input_name="y", estimator=self)
        wrong = Y[~np.isin(Y, (0, 1, -1))].tolist()
        if wrong:
            raise ValueError(
                f"y: expected 0, 1, or -1 for unknown, found {wrong[0]!r}: a head takes a "
                "multi-label indicator, no continuous or multiclass target. Only binary "
                "classification is supported."
            )
        unknown = Y == -1
        if unknown.any() and not (Y == 0).any():
            raise ValueError("y: expected 0 for no and -1 for unknown, found -1 and no 0")
        if Y.ndim != 2:
            raise ValueError(
                f"y: expected shape (n, L), found {Y.shape}; for one label reshape it to (n, 1)"
            )
        check_consistent_length(X, Y)
        self.classes_ = _classes(Y.shape[1])
        if names is not None:
            self.label_names_ = np.array([str(name) for name in names], object)
        elif hasattr(self, "label_names_"):
            del self.label_names_
        weight = _cell_weights(sample_weight, Y.shape)
        if unknown.any():
            weight = np.where(unknown, np.float32(0), weight)
        if not weight.all():
            Y = np.where(weight > 0, Y, 0)  # not even inner folds are drawn by such a cell
        return X, Y.astype(np.uint8), weight

    def _find_constant(self, Y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Note labels with one class, or none, among cells with weight; return the other labels."""
        positive = ((Y == 1) & (weight > 0)).any(0)
        negative = ((Y == 0) & (weight > 0)).any(0)
        constant = np.where(positive | negative, positive.astype(np.float64), 0.5)
        self.constant_ = np.where(positive & negative, np.nan, constant)
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
    """A head that fits the models of all folds in one go, faster than one after another.

    It may have a number ``steps_of_folds``: how many steps it tells of meanwhile.
    """

    def fit_folds(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        fold: np.ndarray,
        sample_weight: np.ndarray | None = None,
        on_progress: Progress | None = None,
    ) -> list[OneVsRestHead]:
        """Return one fitted clone per fold f, learned on the rows with ``fold != f`` only.

        Nor does any learn from rows of fold -1.

        Whatever the clone of fold f chose (strengths, epochs) it chose without the rows of f.
        """


def warn_one_class(models: Sequence[OneVsRestHead], names: Sequence[object] | None = None) -> None:
    """Warn once, by name, of the labels that some models have a constant predictor for.

    Args:
        models: fitted on the same labels.
        names: of the L labels; by default those that the first model remembers, or numbers.
    """
    constant = ~np.isnan([model.constant_ for model in models])
    if not constant.any():
        return
    if names is None:
        names = getattr(models[0], "label_names_", range(constant.shape[1]))
    found = [repr(str(names[j])) for j in np.flatnonzero(constant.any(0)).tolist()]
    where = "training rows" if constant.all(0).sum() == len(found) else "training rows of a fold"
    warnings.warn(
        f"{'label' if len(found) == 1 else 'labels'} {listed(found)}: the {where} have one class "
        "only, so the score is constant",
        OneClassWarning,
        stacklevel=3,
    )


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """Return a seed: an integer as it is, else one that is drawn, anew at each call for None."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def label_weights(Y: np.ndarray, weight: np.ndarray, class_weight: str | None) -> np.ndarray:
    """Multiply weights by class weights.

    Args:
        Y: ``uint8 (n, L)``.
        weight: ``float32 (n, L)``; a row of weight 0 does not count.
        class_weight: one of ``CLASS_WEIGHTS``: None or ``none``; ``balanced`` for
            ``n / (2 n_class)`` as in scikit-learn; ``pos_weight`` for ``n_negative / n_positive``
            on positives, as in the paper.
    """
    if class_weight in (None, "none"):
        return weight
    positive = (weight * Y).sum(0, dtype=np.float64)
    total = weight.sum(0, dtype=np.float64)
    negative = total - positive
    with np.errstate(divide="ignore", invalid="ignore"):
        if class_weight == "balanced":
            up, down = total / (2 * positive), total / (2 * negative)
        else:
            up, down = negative / positive, np.ones_like(positive)
    factors = np.where(Y == 1, np.nan_to_num(up, posinf=1.0), np.nan_to_num(down, posinf=1.0))
    weighted: np.ndarray = (weight * factors).astype(np.float32)
    return weighted


def _cell_weights(sample_weight: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return the weight of each label of each row, ``float32 (n, L)``."""
    if sample_weight is None:
        return np.ones(shape, np.float32)
    given = np.asarray(sample_weight)
    weight = check_array(given, dtype=np.float32, ensure_2d=False, input_name="sample_weight")
    if weight.shape not in (shape[:1], shape):
        raise ValueError(
            f"sample_weight: expected shape {shape[:1]} or {shape}, found {given.shape}"
        )
    if (weight < 0).any():
        raise ValueError("Negative values in sample_weight")
    if not weight.any():
        raise ValueError("All sample weights are zero: at least one must be positive")
    return np.ascontiguousarray(
        np.broadcast_to(weight[:, None] if weight.ndim == 1 else weight, shape)
    )


def _classes(labels: int) -> np.ndarray:
    # one row per label: an array, for cross_val_predict asks for its shape; of two columns, so that
    # two labels are not taken for the two classes of one
    return np.tile(np.array([0, 1], np.int8), (labels, 1))
