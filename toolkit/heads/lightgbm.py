"""LightGBMHead: gradient-boosted trees for every label on features that are binned once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np

from toolkit.data.stratify import iterative_stratification
from toolkit.heads.focal_objective import FocalObjective
from toolkit.heads.head import CLASS_WEIGHTS, State, label_weights, seed_of
from toolkit.heads.standardise import NormalisedHead
from toolkit.runtime.forecast import current_forecast
from toolkit.runtime.options import check_choices, check_ranges
from toolkit.statistics.links import sigmoid

if TYPE_CHECKING:
    import lightgbm

_INNER_FOLDS = 5
_TOLERANCE = 1e-4  # trees correct the rest
# with fewer inner validation rows of a class, their loss is too noisy to stop by
_FEWEST = 10


@dataclass(frozen=True)
class _Problem:
    """One label: its targets, weights and starting logits, each ``(n,)``; and its rows."""

    y: np.ndarray
    weight: np.ndarray
    start: np.ndarray | None

    def on(self, binned: lightgbm.Dataset, rows: np.ndarray) -> lightgbm.Dataset:
        """Return the rows as a data set of this label, with the bins of ``binned``."""
        data = binned.subset(rows.tolist()).construct()
        data.set_label(self.y[rows])
        data.set_weight(self.weight[rows])
        if self.start is not None:
            data.set_init_score(self.start[rows])
        return data


@dataclass(eq=False, repr=False)
class LightGBMHead(NormalisedHead):
    """One-vs-rest gradient-boosted trees (Ke et al. 2017).

    Features are binned once a fit, from its rows' features alone, and every label trains on the
    same bins. Labels train side by side, one thread each, so a label's trees are the same for any
    number of threads. Rows that have no weight for a label are not there for that label; rows that
    have none for any do not shape the bins.

    A label whose rows' second derivatives sum to less than two leaves need (``min_child_weight``;
    with the defaults, about two positives) can have no split: it is not boosted, and its score is
    what boosting would start from, as it would be with it; ``ovr`` names it. Time is that of trees:
    the number of other labels times ``n_estimators``.

    The focal loss and class weights shift scores away from frequencies: they rank, and calibrating
    them is a later step.

    Args:
        n_estimators: trees a label, or their greatest number with early stopping.
        learning_rate: what a tree's leaf values are multiplied by.
        num_leaves: leaves a tree.
        max_bin: bins a feature.
        feature_fraction: share of the features that a tree may split on.
        bagging_fraction: share of the rows that trees see, drawn anew every fifth tree.
        min_child_samples: rows a leaf holds at least, as LightGBM estimates them.
        min_child_weight: sum of a leaf's second derivatives at least. For a rare label these are
            small, so this is what keeps its leaves from holding a few positives.
        reg_lambda: L2 penalty of leaf values.
        objective: ``binary`` (logistic loss) or ``focal`` (Lin et al. 2017).
        gamma: focusing of the focal loss.
        alpha: weight of positives in the focal loss; None weighs neither class.
        class_weight: None, ``balanced``, or ``pos_weight`` as in the paper.
        start: what boosting starts from: ``prior``, a constant, or ``linear``, the logits of
            logistic regressions. Trees correct the logits that a row gets from a regression fitted
            without it, and predictions start from the mean of these regressions.
        start_strength: C of these regressions, as in :func:`toolkit.heads.logistic.solve`.
        normalise: first take square roots and bring rows to length 1, as by
            :class:`toolkit.heads.linear.LinearHead`.
        early_stopping: trees without a lower loss on inner validation rows after which a label
            stops, keeping the trees up to its lowest; these rows are then not trained on. Labels
            with few positives there train on all rows for the median number of the others' trees.
            None trains ``n_estimators`` trees on all rows.
        validation_fraction: share of the training rows that early stopping looks at.
        random_state: of everything random.
        n_jobs: threads; None or -1 for as many as there are processors.

    Attributes:
        boosters_: the M trained models, of the labels that are not constant; None for one that
            has too few positives.
        rounds_: ``int64 (M,)``, trees of each.
        base_: ``float64 (M,)``, the constant that a model's trees are added to.
        coef_: ``float32 (M, d)`` of the linear start, 0 without it.
        seed_: drawn from ``random_state`` at each fit.
        normalised_: whether roots are taken and rows brought to length 1.
    """

    LEARNED = (*NormalisedHead.LEARNED, "rounds", "base", "coef")

    n_estimators: int = 200
    learning_rate: float = 0.04
    num_leaves: int = 15
    max_bin: int = 63
    feature_fraction: float = 0.1
    bagging_fraction: float = 0.7
    min_child_samples: int = 1
    min_child_weight: float = 1.0
    reg_lambda: float = 10.0
    objective: str = "binary"
    gamma: float = 2.0
    alpha: float | None = None
    class_weight: str | None = None
    start: str = "linear"
    start_strength: float = 1e-3
    normalise: bool | str = "auto"
    early_stopping: int | None = None
    validation_fraction: float = 0.1
    random_state: int | np.random.RandomState | None = 0
    n_jobs: int | None = None

    boosters_: list[lightgbm.Booster | None] = field(init=False)
    rounds_: np.ndarray = field(init=False)
    base_: np.ndarray = field(init=False)
    coef_: np.ndarray = field(init=False)
    seed_: int = field(init=False)

    def check(self) -> None:
        """See :meth:`OneVsRestHead.check`."""
        ranges = {
            "int [1, inf)": "n_estimators min_child_samples",
            "int [2, inf)": "num_leaves max_bin",
            "int [1, inf) or None": "early_stopping",
            "(0, inf)": "learning_rate start_strength",
            "[0, inf)": "min_child_weight reg_lambda gamma",
            "(0, 1]": "feature_fraction bagging_fraction",
            "(0, 1)": "validation_fraction",
            "(0, 1) or None": "alpha",
        }
        check_ranges(self, ranges)
        check_choices(
            self,
            objective=("binary", "focal"),
            class_weight=CLASS_WEIGHTS,
            start=("prior", "linear"),
            normalise=(True, False, "auto"),
        )

    def _fit(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> None:
        labels, self.seed_ = Y.shape[1], seed_of(self.random_state)
        self.boosters_, self.rounds_ = [], np.zeros(labels, np.int64)
        self.base_, self.coef_ = np.zeros(labels), np.zeros((labels, X.shape[1]), np.float32)
        self._choose_normalising(np.zeros(1, bool), X.shape[1])
        if not labels:
            return
        import lightgbm

        weight = label_weights(Y, weight, self.class_weight)
        counted = (weight > 0).any(1)
        if not counted.all():
            X, Y, weight = X[counted], Y[counted], weight[counted]
        self._choose_normalising(X.min(axis=1) >= 0, X.shape[1])
        X = self._normalised(X)
        start = self._find_start(X, Y, weight)
        problems = [
            _Problem(Y[:, j], weight[:, j], None if start is None else start[:, j])
            for j in range(labels)
        ]
        threads = self._threads()
        binned = lightgbm.Dataset(
            X,
            label=np.zeros(len(X), np.float32),  # subsets demand one; each label sets its own
            params=self._parameters(threads),
        ).construct()
        held, alone = self._inner_validation(Y, weight)
        able = self._may_split(Y, weight, start is None)
        current_forecast().begin(int(able.sum()))
        first, rest = np.flatnonzero(alone & able), np.flatnonzero(~alone & able)
        trained = self._train_all(binned, problems, first, held, self.n_estimators)
        found = [rounds for _, rounds in trained.values()] or [self.n_estimators]
        shared = max(1, round(float(np.median(found))))
        trained |= self._train_all(binned, problems, rest, np.zeros_like(held), shared)
        # predict from the text, so that a restored head has no other path
        self.boosters_ = [_read(trained[j][0]) if j in trained else None for j in range(labels)]
        self.rounds_ = np.array([trained[j][1] if j in trained else 0 for j in range(labels)])

    def without_trees(self) -> list[int]:
        """Return the labels that have both classes and too few positives for a tree to split."""
        varied = np.flatnonzero(np.isnan(self.constant_)).tolist()
        return [at for at, each in zip(varied, self.boosters_, strict=True) if each is None]

    def _may_split(self, Y: np.ndarray, weight: np.ndarray, from_prior: bool) -> np.ndarray:
        """Tell which labels' trees can have two leaves, ``bool (L,)``; set the others' score.

        Second derivatives p (1 - p) are concave in p, so from any start whose mean is the share of
        positives they sum to no more than at the prior.
        """
        if self.objective != "binary":
            return np.ones(Y.shape[1], bool)
        total = weight.sum(0, dtype=np.float64)
        share = (weight * Y).sum(0, dtype=np.float64) / total
        able: np.ndarray = total * share * (1 - share) >= 2 * self.min_child_weight
        if from_prior:
            self.base_[~able] = np.log(share / (1 - share))[~able]
        return able

    def _train_all(
        self,
        binned: lightgbm.Dataset,
        problems: list[_Problem],
        labels: np.ndarray,
        held: np.ndarray,
        rounds: int,
    ) -> dict[int, tuple[str, int]]:
        threads = self._threads()
        workers = max(1, min(threads, len(labels)))
        parameters = self._parameters(max(1, threads // workers))
        forecast = current_forecast()
        with ThreadPoolExecutor(workers) as pool:
            models = pool.map(
                lambda j: self._train(binned, problems[j], held, rounds, parameters), labels
            )
            trained = {}
            for label, model in zip(labels.tolist(), models, strict=True):
                trained[label] = model
                forecast.advance()
            return trained

    def _train(
        self,
        binned: lightgbm.Dataset,
        problem: _Problem,
        held: np.ndarray,
        rounds: int,
        parameters: dict[str, Any],
    ) -> tuple[str, int]:
        """Return a label's model as text, and how many trees of it count."""
        import lightgbm

        counted = problem.weight > 0
        fitted, inner = np.flatnonzero(counted & ~held), np.flatnonzero(counted & held)
        booster = lightgbm.Booster(parameters, problem.on(binned, fitted))
        focal, y, weight = self._focal(), problem.y, problem.weight
        step: dict[str, Any] = {}
        evaluate: dict[str, Any] = {}
        if focal is not None:
            step = {"fobj": lambda z, _: focal.derivatives(z, y[fitted], weight[fitted])}
            evaluate = {"feval": lambda z, _: ("", focal.loss(z, y[inner], weight[inner]), False)}
        if len(inner):
            booster.add_valid(problem.on(binned, inner), "inner")
        best, lowest = rounds, np.inf
        for done in range(1, rounds + 1):
            booster.update(**step)
            if len(inner) and self.early_stopping is not None:
                loss = booster.eval_valid(**evaluate)[0][2]
                if loss < lowest:
                    best, lowest = done, loss
                elif done - best >= self.early_stopping:
                    break
        return booster.model_to_string(num_iteration=best), best

    def _find_start(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
        """Return ``float64 (n, L)`` logits to boost from, or None to leave the prior to LightGBM.

        Sets what predictions start from, which then LightGBM's trees do not include.
        """
        if self.start == "prior" and self.objective == "binary":
            return None
        constant = self._focal() or FocalObjective(gamma=0, alpha=None)
        self.base_ = np.array([constant.start(*of) for of in zip(Y.T, weight.T, strict=True)])
        start = np.tile(self.base_, (len(Y), 1))
        if self.start == "linear":
            from toolkit.heads.logistic import solve

            share = np.full(_INNER_FOLDS, 1 / _INNER_FOLDS)
            fold = iterative_stratification(Y, share, seed=self.seed_)
            both = np.ones(Y.shape[1], bool)  # labels that show every regression both classes
            for f in range(_INNER_FOLDS):
                seen = (weight > 0) & (fold != f)[:, None]
                both &= (seen & (Y == 1)).any(0) & (seen & (Y == 0)).any(0)
            if both.any():
                strengths = [self.start_strength]
                found = solve(X, Y[:, both], weight[:, both], fold, strengths, tol=_TOLERANCE)
                self.coef_[both] = found.coef[0].mean(0)
                self.base_[both] = found.intercept[0].mean(0)
                start[:, both] = found.logits[0]
        return start

    def _scores(self, X: np.ndarray) -> np.ndarray:
        X = self._normalised(X)
        threads = self._threads()
        workers = max(1, min(threads, len(self.boosters_)))
        each = max(1, threads // workers)

        def trees(booster: lightgbm.Booster | None) -> np.ndarray:
            if booster is None:
                return np.zeros(len(X))
            return np.asarray(booster.predict(X, raw_score=True, num_threads=each))

        with ThreadPoolExecutor(workers) as pool:
            logits = np.stack(list(pool.map(trees, self.boosters_)), axis=1) + self.base_
        if self.coef_.any():
            logits += X.astype(np.float64) @ self.coef_.T.astype(np.float64)
        return sigmoid(logits)

    def _state(self) -> State:
        texts = {
            f"booster-{j}": each.model_to_string()
            for j, each in enumerate(self.boosters_)
            if each is not None
        }
        return super()._state() | texts

    def _restore(self, state: State) -> None:
        super()._restore(state)
        texts = [state.get(f"booster-{j}") for j in range(len(self.rounds_))]
        self.boosters_ = [None if text is None else _read(str(text)) for text in texts]

    def _inner_validation(self, Y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Say which rows early stopping looks at, ``bool (n,)``, and for which labels it may."""
        if self.early_stopping is None:
            return np.zeros(len(Y), bool), np.ones(Y.shape[1], bool)
        share = self.validation_fraction
        held = iterative_stratification(Y, [1 - share, share], seed=self.seed_) == 1
        seen = weight[held] > 0
        rarer = np.minimum((seen & (Y[held] == 1)).sum(0), (seen & (Y[held] == 0)).sum(0))
        return held, rarer >= _FEWEST

    def _focal(self) -> FocalObjective | None:
        return FocalObjective(self.gamma, self.alpha) if self.objective == "focal" else None

    def _threads(self) -> int:
        return int(joblib.effective_n_jobs(-1 if self.n_jobs is None else self.n_jobs))

    def _parameters(self, threads: int) -> dict[str, Any]:
        binary = self.objective == "binary"
        return {
            "objective": "binary" if binary else "none",
            "metric": "binary_logloss" if binary else "none",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "max_bin": self.max_bin,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 5 if self.bagging_fraction < 1 else 0,
            "min_data_in_leaf": self.min_child_samples,
            "min_sum_hessian_in_leaf": self.min_child_weight,
            "lambda_l2": self.reg_lambda,
            "is_enable_sparse": False,  # embeddings are dense: 15-20 % less time a tree
            "seed": self.seed_,
            "num_threads": threads,
            "deterministic": True,
            "force_col_wise": True,  # deterministic demands that the layout is not timed
            "verbosity": -1,
        }


def _read(text: str) -> lightgbm.Booster:
    import lightgbm

    return lightgbm.Booster(model_str=text)
