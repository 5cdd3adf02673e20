"""The labels' loss of a training run, and the weights of positives in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from toolkit.finetuning.settings import Settings
from toolkit.heads import losses

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def positive_weights(Y: np.ndarray, settings: Settings, train: np.ndarray) -> np.ndarray | None:
    """Return negatives / positives of each label, ``float64 (L,)``, or None for no weights.

    ``pos_weight = "all"`` counts every row, test rows included: that is how the paper's printed
    weights come about. A label without positives, or without negatives, weighs 1.
    """
    if settings.pos_weight == "none":
        return None
    counted = Y if settings.pos_weight == "all" else Y[train]
    positives, negatives = ((counted == value).sum(0, dtype=np.float64) for value in (1, 0))
    usable = (positives > 0) & (negatives > 0)
    return np.where(usable, negatives / np.maximum(positives, 1), 1.0)


def mean_over(values: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Return the mean of values ``(b, L)``, weighted; 0 where nothing has any weight."""
    if weight is None:
        return values.mean()
    return (values * weight).sum() / weight.sum().clamp_min(1e-6)


def elementwise_loss(
    settings: Settings, pos_weight: np.ndarray | None, device: torch.device
) -> Loss:
    """Return the loss of logits and targets ``(b, L)``, of the same shape.

    Args:
        settings: name the loss.
        pos_weight: ``float (L,)``, weight of a positive, or None.
        device: of the logits.
    """
    weight = None
    if pos_weight is not None:
        weight = torch.from_numpy(np.asarray(pos_weight, np.float32)).to(device)
    if settings.loss == "bce":
        return partial(losses.binary_cross_entropy, pos_weight=1.0 if weight is None else weight)
    plain: Loss = (
        partial(losses.focal, gamma=settings.gamma)
        if settings.loss == "focal"
        else partial(losses.asymmetric, gamma_negative=settings.gamma, clip=settings.clip)
    )
    if weight is None:
        return plain
    return lambda logits, targets: plain(logits, targets) * (1 + (weight - 1) * targets)
