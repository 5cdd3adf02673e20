"""MLPHead: one small network a label on frozen features, all labels trained as one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.stratify import iterative_stratification
from toolkit.heads.head import CLASS_WEIGHTS, label_weights, seed_of
from toolkit.heads.network_head import Layers, NetworkHead
from toolkit.runtime.forecast import current_forecast
from toolkit.runtime.options import check_choices, check_ranges

if TYPE_CHECKING:
    from toolkit.heads.mlp_training import Loss

LOSSES = ("focal", "asl", "bce")
TRUNKS = ("auto", "each", "shared")
# more labels than this share a hidden layer by default; see docs/decisions/0016-many-labels.md
_OWN = 64
_SHARED_WIDTH = 4


@dataclass(eq=False, repr=False)
class MLPHead(NetworkHead):
    """One-vs-rest multilayer perceptrons on standardised features.

    Each of up to 64 labels has its own network of one hidden layer of rectified units. They share
    nothing but the order of the batches, the dropout masks and the initial weights, so a label's
    network is what it would be alone, but the labels' first layers are one matrix product
    (:func:`toolkit.heads.mlp_training.train`). More labels share one wider hidden layer, each with
    weights of its own from there: time and size then hardly grow with the number of labels.

    Scores are sigmoids of the mean logit over ``seeds``. Focal and asymmetric losses and class
    weights shift them away from frequencies: they rank, and calibrating them is a later step.

    Args:
        hidden: units of the hidden layer, for each label; a shared layer of L labels has
            ``4 * ceil(log2(L))`` times as many.
        trunk: ``each`` for a hidden layer a label, ``shared`` for one of all labels, ``auto`` to
            share it among more than 64.
        loss: ``focal`` (Lin et al. 2017), ``asl`` (Ridnik et al. 2021) or ``bce``.
        gamma: focusing of the focal loss; of negatives in the asymmetric one.
        alpha: weight of positives in the focal loss; None weighs neither class.
        gamma_positive: focusing of positives in the asymmetric loss.
        clip: the asymmetric loss's shift.
        class_weight: None, ``balanced``, or ``pos_weight`` as in the paper.
        seeds: networks with different initial weights and batches, whose logits are averaged.
        ema_decay: decay a step of an exponential moving average of the weights, or None.
        early_stopping: keep each label's weights of the epoch with its lowest loss on inner
            validation rows, which are then not trained on; else all rows train for all epochs. A
            shared hidden layer has one such epoch.
        validation_fraction: share of the training rows that early stopping looks at.
        shrinkage: in positives: how far early stopping pulls rare labels to the shared epoch.

    Further arguments, and what is learned, are those of
    :class:`~toolkit.heads.network_head.NetworkHead`.

    Attributes:
        networks_: what each of the ``seeds`` learned, for the M labels that are not constant.
        epochs_: ``int (seeds, M)``, the epoch the weights are from.
    """

    LEARNED = (*NetworkHead.LEARNED, "epochs")

    weight_decay: float = 5.0
    trunk: str = "auto"
    loss: str = "focal"
    alpha: float | None = None
    gamma_positive: float = 0.0
    clip: float = 0.05
    class_weight: str | None = None
    seeds: int = 1
    ema_decay: float | None = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    shrinkage: float = 50.0

    epochs_: np.ndarray = field(init=False)

    def check(self) -> None:
        """See :meth:`OneVsRestHead.check`."""
        super().check()
        ranges = {
            "int [1, inf)": "seeds",
            "(0, 1) or None": "alpha",
            "[0, 1) or None": "ema_decay",
            "[0, inf)": "gamma_positive shrinkage",
            "[0, 1)": "clip",
            "(0, 1)": "validation_fraction",
        }
        check_ranges(self, ranges)
        check_choices(self, trunk=TRUNKS, loss=LOSSES, class_weight=CLASS_WEIGHTS)

    def _fit(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> None:
        labels = Y.shape[1]
        self.networks_ = []
        self.epochs_ = np.zeros((self.seeds, labels), np.int64)
        if not labels:
            return
        from toolkit.heads.mlp_training import Validation, blocks_trained, train

        loss, seed = self._loss(), seed_of(self.random_state)
        counted = (weight > 0).any(1)
        if not counted.all():  # a row without weight is not there: not in batches, mean or scale
            X, Y, weight = X[counted], Y[counted], weight[counted]
        X = self._learn_roots(X)
        weight = label_weights(Y, weight, self.class_weight)
        held = self._inner_validation(Y, seed)
        self._learn_scale(X[~held])
        X, validation = self._standardised(X), None
        if held.any():
            validation = Validation(X[held], Y[held], weight[held], self.shrinkage)
            X, Y, weight = X[~held], Y[~held], weight[~held]
        shared = self._shared_units(labels)
        # each block of labels trains for all epochs
        current_forecast().begin(self.seeds * self.epochs * len(blocks_trained(labels, shared)))
        for k in range(self.seeds):
            network, self.epochs_[k] = train(
                X, Y, weight, loss, self, (seed, k), validation, self.ema_decay, shared
            )
            self.networks_.append(network)

    def _logits(self, layers: Layers, X: np.ndarray) -> np.ndarray:
        from toolkit.heads.mlp_training import logits_of

        return logits_of(layers, X)

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
        return losses.binary_cross_entropy

    def _shared_units(self, labels: int) -> int:
        """Return the units of a hidden layer for all labels, 0 where each has its own."""
        if self.trunk == "each" or (self.trunk == "auto" and labels <= _OWN):
            return 0
        return self.hidden * _SHARED_WIDTH * max(1, math.ceil(math.log2(labels)))

    def _inner_validation(self, Y: np.ndarray, seed: int) -> np.ndarray:
        """Say which rows early stopping looks at, every label spread evenly: ``bool (n,)``."""
        if not self.early_stopping:
            return np.zeros(len(Y), bool)
        share = self.validation_fraction
        held: np.ndarray = iterative_stratification(Y, [1 - share, share], seed=seed) == 1
        return held
