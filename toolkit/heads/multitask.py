"""MultitaskHead: one network for all labels, which learns auxiliary tasks beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from toolkit.heads.auxiliary import WEIGHTINGS, check_tasks, make_targets
from toolkit.heads.head import OneVsRestHead, State
from toolkit.heads.standardise import StandardisedInput
from toolkit.runtime.device import choose_device, choose_precision

if TYPE_CHECKING:
    from toolkit.heads.multitask_training import Shared

_PARTS = ("trunk", "trunk_bias", "head", "head_bias")


class MultitaskHead(StandardisedInput, OneVsRestHead):
    """A shared hidden layer under one output a label and one head a task (Caruana 1997).

    The paper closes with the hope that additional tasks would make a model learn features where the
    labels alone let it say no to everything. Here the tasks' losses are added to the labels' own,
    either with fixed weights or with ``exp(-s)`` for a learned log-variance s each (Kendall et al.
    2018), which the sum of the s keeps from vanishing. Only the labels' outputs predict.

    Args:
        tasks: names out of :data:`toolkit.heads.auxiliary.TASKS`; may be none at all.
        weighting: ``uncertainty`` or ``fixed``.
        aux_weight: of each task's loss where weights are fixed; the labels' is 1.
        hidden: units of the shared layer.
        epochs: passes over the training rows.
        batch_size: rows a step.
        learning_rate: of AdamW, at the height of a cosine with a short warm-up.
        weight_decay: decoupled, of matrices.
        dropout: share of hidden units dropped in training.
        input_dropout: share of features dropped in training.
        gamma: focusing of the labels' focal loss; 0 is cross-entropy.
        normalise: see :class:`~toolkit.heads.standardise.StandardisedInput`.
        random_state: of everything random.
        precision: ``bf16``, ``fp32``, or ``auto``.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.

    Attributes:
        log_variance_: ``float32 (1 + tasks,)``, learned, the labels' first; 0 with fixed weights.
    """

    network_: Shared
    log_variance_: np.ndarray

    def __init__(
        self,
        tasks: tuple[str, ...] = ("cardinality", "any"),
        weighting: str = "uncertainty",
        aux_weight: float = 0.3,
        hidden: int = 512,
        epochs: int = 12,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        weight_decay: float = 1.0,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        gamma: float = 1.0,
        normalise: bool = True,
        random_state: int = 0,
        precision: str = "auto",
        device: str = "auto",
    ) -> None:
        self.tasks = tasks
        self.weighting = weighting
        self.aux_weight = aux_weight
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.gamma = gamma
        self.normalise = normalise
        self.random_state = random_state
        self.precision = precision
        self.device = device

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        aux: Mapping[str, np.ndarray] | None = None,
    ) -> Self:
        """Fit labels and tasks.

        Args:
            X: ``float (n, d)``.
            y: ``(n, L)`` of 0 and 1.
            sample_weight: ``(n,)`` or ``(n, L)``, of the labels' losses.
            aux: what tasks learn from that labels do not give, ``(n, k)`` by task name.

        Raises:
            ValueError: shapes differ, an option is outside its range, or material is missing.
        """
        X, Y, weight = self._validated(X, y, sample_weight)
        self.check()
        open_ = self._find_constant(Y, weight)
        counted = (weight > 0).any(1)
        X, Y, weight = X[counted], Y[counted], weight[counted]
        material = {name: np.asarray(values)[counted] for name, values in (aux or {}).items()}
        targets = [make_targets(task, Y, material, self.random_state) for task in self.tasks]
        X = self._rooted(X)
        self._find_scale(X)
        self.log_variance_ = np.zeros(1 + len(targets), np.float32)
        if len(open_):
            from toolkit.heads.multitask_training import train

            device = choose_device(self.device)
            self.network_, self.log_variance_ = train(
                self._standardised(X),
                Y[:, open_],
                weight[:, open_],
                targets,
                self,
                choose_precision(self.precision, device),
                device,
            )
        return self

    def _scores(self, X: np.ndarray) -> np.ndarray:
        logits = self.network_.logits(self._standardised(self._normalised(X)))
        scores: np.ndarray = 1.0 / (1.0 + np.exp(-logits.clip(-80, 80)))
        return scores

    def _state(self) -> State:
        state: State = {
            "mean": self.mean_,
            "scale": self.scale_,
            "rooted": self.rooted_.astype(np.uint8),
            "normalise": np.array([int(self.normalise)]),
            "log_variance": self.log_variance_,
        }
        return state | {part: getattr(self.network_, part) for part in _PARTS}

    def _restore(self, state: State) -> None:
        from toolkit.heads.multitask_training import Shared

        self.mean_, self.scale_ = np.asarray(state["mean"]), np.asarray(state["scale"])
        self.rooted_ = np.asarray(state["rooted"]).astype(bool)
        self.normalise = bool(np.asarray(state["normalise"])[0])
        self.log_variance_ = np.asarray(state["log_variance"])
        self.network_ = Shared(*(np.asarray(state[part]) for part in _PARTS))

    def check(self) -> None:
        """See :meth:`OneVsRestHead.check`."""
        check_tasks(self.tasks)
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"weighting is one of {', '.join(WEIGHTINGS)}, not {self.weighting!r}")
        for name in ("hidden", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("dropout", "input_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("learning_rate", "weight_decay", "gamma", "aux_weight"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be a number from 0, got {getattr(self, name)}")
