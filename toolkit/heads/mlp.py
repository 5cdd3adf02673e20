"""MLPHead: one small network a label on frozen features, all labels trained as one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.stratify import iterative_stratification
from toolkit.heads.head import OneVsRestHead, State, label_weights
from toolkit.heads.standardise import StandardisedInput
from toolkit.runtime.device import choose_device, choose_precision

if TYPE_CHECKING:
    from toolkit.heads.mlp_training import Loss, Training, Validation, Weights

LOSSES = ("focal", "asl", "bce")
_WARM_UP = 0.1
_PARTS = ("first", "first_bias", "second", "second_bias")


class MLPHead(StandardisedInput, OneVsRestHead):
    """One-vs-rest multilayer perceptrons on standardised features.

    Each label has its own network of one hidden layer of rectified units. They share nothing but
    the order of the batches, the dropout masks and the initial weights, so a label's network is
    what it would be alone, but the labels' first layers are one matrix product
    (:func:`toolkit.heads.mlp_training.train`).

    Scores are sigmoids of the mean logit over ``seeds``. Focal and asymmetric losses and class
    weights shift them away from frequencies: they rank, and calibrating them is a later step.

    Args:
        hidden: units of the hidden layer, for each label.
        epochs: passes over the training rows.
        batch_size: rows a step; data of less than 16 such batches takes smaller ones.
        learning_rate: of AdamW, at the height of a cosine with a short warm-up.
        weight_decay: decoupled; a step shrinks the weights by ``learning_rate * weight_decay``.
        dropout: share of hidden units dropped in training.
        input_dropout: share of features dropped in training.
        loss: ``focal`` (Lin et al. 2017), ``asl`` (Ridnik et al. 2021) or ``bce``.
        gamma: focusing of the focal loss; of negatives in the asymmetric one.
        alpha: weight of positives in the focal loss; None weighs neither class.
        gamma_positive: focusing of positives in the asymmetric loss.
        clip: the asymmetric loss's shift.
        class_weight: None, ``balanced``, or ``pos_weight`` as in the paper.
        seeds: networks with different initial weights and batches, whose logits are averaged.
        random_state: of everything random; the same seed and number of threads give the same bytes.
        averaging: decay a step of an exponential moving average of the weights, or None.
        early_stopping: keep each label's weights of the epoch with its lowest loss on inner
            validation rows, which are then not trained on; else all rows train for all epochs.
        validation_fraction: share of the training rows that early stopping looks at.
        shrinkage: in positives: how far early stopping pulls rare labels to the shared epoch.
        normalise: before standardising, take the square root of features that no training row has
            below 0, then bring every row to length 1 (Perronnin et al. 2010): pooled activations
            are skewed.
        precision: ``bf16``, ``fp32``, or ``auto`` for bf16 where the hardware multiplies it.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.

    Attributes:
        rooted_: ``bool (d,)``, features that the square root is taken of.
        mean_: ``float32 (d,)``, of the training rows.
        scale_: ``float32 (d,)``, their standard deviation; 1 for a constant feature.
        networks_: what each of the ``seeds`` learned, for the M labels that are not constant.
        epochs_: ``int (seeds, M)``, the epoch the weights are from.
    """

    networks_: list[Weights]
    epochs_: np.ndarray

    def __init__(
        self,
        hidden: int = 128,
        epochs: int = 12,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        weight_decay: float = 5.0,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        loss: str = "focal",
        gamma: float = 1.0,
        alpha: float | None = None,
        gamma_positive: float = 0.0,
        clip: float = 0.05,
        class_weight: str | None = None,
        seeds: int = 1,
        random_state: int = 0,
        averaging: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        shrinkage: float = 50.0,
        normalise: bool = True,
        precision: str = "auto",
        device: str = "auto",
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.loss = loss
        self.gamma = gamma
        self.alpha = alpha
        self.gamma_positive = gamma_positive
        self.clip = clip
        self.class_weight = class_weight
        self.seeds = seeds
        self.random_state = random_state
        self.averaging = averaging
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.shrinkage = shrinkage
        self.normalise = normalise
        self.precision = precision
        self.device = device

    def _fit(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> None:
        how, loss = self._training(), self._loss()
        labels = Y.shape[1]
        self.networks_ = []
        self.epochs_ = np.zeros((self.seeds, labels), np.int64)
        counted = (weight > 0).any(1)
        if not labels:
            return
        if not counted.all():  # a row without weight is not there: not in batches, mean or scale
            X, Y, weight = X[counted], Y[counted], weight[counted]
        from toolkit.heads.mlp_training import train

        X = self._rooted(X)
        weight = label_weights(Y, weight, self.class_weight)
        held = self._inner_validation(Y)
        self._find_scale(X[~held])
        X = self._standardised(X)
        validation = self._validation(X[held], Y[held], weight[held])
        if validation is not None:
            X, Y, weight = X[~held], Y[~held], weight[~held]
        for k in range(self.seeds):
            network, self.epochs_[k] = train(
                X, Y, weight, loss, how, (self.random_state, k), validation
            )
            self.networks_.append(network)

    def _scores(self, X: np.ndarray) -> np.ndarray:
        X = self._standardised(self._normalised(X))
        logits = np.mean([network.logits(X) for network in self.networks_], axis=0)
        scores: np.ndarray = 1.0 / (1.0 + np.exp(-logits.clip(-80, 80)))
        return scores

    def _state(self) -> State:
        state: State = {
            "mean": self.mean_,
            "scale": self.scale_,
            "epochs": self.epochs_,
            "normalise": np.array([int(self.normalise)]),
            "rooted": self.rooted_.astype(np.uint8),
        }
        for part in _PARTS:
            state[part] = np.stack([getattr(network, part) for network in self.networks_])
        return state

    def _restore(self, state: State) -> None:
        from toolkit.heads.mlp_training import Weights

        seeds = zip(*(np.asarray(state[part]) for part in _PARTS), strict=True)
        self.networks_ = [Weights(*arrays) for arrays in seeds]
        self.mean_, self.scale_ = np.asarray(state["mean"]), np.asarray(state["scale"])
        self.epochs_ = np.asarray(state["epochs"])
        self.rooted_ = np.asarray(state["rooted"]).astype(bool)
        self.normalise = bool(np.asarray(state["normalise"])[0])

    def check(self) -> None:
        """See :meth:`OneVsRestHead.check`."""
        for name in ("hidden", "epochs", "batch_size", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("dropout", "input_dropout", "clip", "validation_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("learning_rate", "weight_decay", "gamma"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be a number from 0, got {getattr(self, name)}")
        self._loss()

    def _training(self) -> Training:
        from toolkit.heads.mlp_training import Training

        self.check()
        device = choose_device(self.device)
        return Training(
            hidden=self.hidden,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            warm_up=_WARM_UP,
            averaging=self.averaging,
            precision=choose_precision(self.precision, device),
            device=device,
        )

    def _loss(self) -> Loss:
        from toolkit.heads import losses

        if self.loss == "focal":
            return partial(losses.focal, gamma=self.gamma, alpha=self.alpha)
        if self.loss == "asl":
            return partial(
                losses.asymmetric,
                gamma_negative=self.gamma,
                gamma_positive=self.gamma_positive,
                clip=self.clip,
            )
        if self.loss == "bce":
            return losses.binary_cross_entropy
        raise ValueError(f"loss is one of {', '.join(LOSSES)}, not {self.loss!r}")

    def _inner_validation(self, Y: np.ndarray) -> np.ndarray:
        """Say which rows early stopping looks at, every label spread evenly: ``bool (n,)``."""
        if not self.early_stopping:
            return np.zeros(len(Y), bool)
        share = self.validation_fraction
        part = iterative_stratification(Y, [1 - share, share], seed=self.random_state)
        held: np.ndarray = part == 1
        return held

    def _validation(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> Validation | None:
        from toolkit.heads.mlp_training import Validation

        return Validation(X, Y, weight, self.shrinkage) if len(X) else None
