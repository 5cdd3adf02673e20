"""Losses: of independent labels, elementwise, and of auxiliary tasks, with their weights.

Each of the labels' takes ``logits`` and ``targets`` of one shape and returns that shape, so that
the caller weighs and sums. Targets may lie anywhere in [0, 1] (smoothed or mixed labels): every
loss is the mean, by the target, of its value for a positive and its value for a negative. All are
finite, with finite gradients, for any finite logit.

All but the plain cross-entropy are not proper scoring rules: sigmoids trained on them rank well but
are no calibrated probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional
from torch.nn.functional import logsigmoid

_SMALLEST = 1e-8


def binary_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, pos_weight: float | torch.Tensor = 1.0
) -> torch.Tensor:
    """Return ``-w y log p - (1 - y) log(1 - p)`` with ``p = sigmoid(logits)``, in nats.

    Args:
        logits: any shape.
        targets: the same shape, in [0, 1].
        pos_weight: w; one number, or one a label that broadcasts over rows.

    >>> binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([0.6931])
    """
    return -(pos_weight * targets * logsigmoid(logits) + (1 - targets) * logsigmoid(-logits))


def focal(
    logits: torch.Tensor, targets: torch.Tensor, gamma: float = 2.0, alpha: float | None = None
) -> torch.Tensor:
    """Return the focal loss (Lin et al. 2017), ``-alpha_t (1 - p_t)^gamma log p_t``.

    p_t is the probability given to the truth: what is already right counts little.

    Args:
        logits: any shape.
        targets: the same shape, in [0, 1].
        gamma: at least 0; 0 is cross-entropy.
        alpha: weight of positives, with ``1 - alpha`` that of negatives; None weighs neither.

    >>> focal(torch.tensor([0.0]), torch.tensor([1.0]), gamma=2.0)
    tensor([0.1733])
    """
    up, down = (1.0, 1.0) if alpha is None else (alpha, 1.0 - alpha)
    log_p, log_not_p = logsigmoid(logits), logsigmoid(-logits)
    # powers by way of logarithms: the gradient of x**gamma is infinite at 0 where gamma < 1
    positive = up * torch.exp(gamma * log_not_p) * log_p
    negative = down * torch.exp(gamma * log_p) * log_not_p
    return -(targets * positive + (1 - targets) * negative)


def asymmetric(
    logits: torch.Tensor,
    targets: torch.Tensor,
    gamma_negative: float = 4.0,
    gamma_positive: float = 0.0,
    clip: float = 0.05,
) -> torch.Tensor:
    """Return the asymmetric loss (Ridnik et al. 2021).

    ``-(1 - p)^gamma_positive log p`` for positives and ``-q^gamma_negative log(1 - q)`` for
    negatives, with the shifted probability ``q = max(p - clip, 0)``: a negative scored below
    ``clip`` costs nothing. The defaults are the published ones.

    Args:
        logits: any shape.
        targets: the same shape, in [0, 1].
        gamma_negative: focusing of negatives, at least 0.
        gamma_positive: focusing of positives, at least 0.
        clip: the shift, in [0, 1).

    >>> asymmetric(torch.tensor([-4.0, 0.0]), torch.tensor([0.0, 0.0])).round(decimals=4)
    tensor([0.0000, 0.0245])
    """
    log_p, log_not_p = logsigmoid(logits), logsigmoid(-logits)
    positive = torch.exp(gamma_positive * log_not_p) * log_p
    if clip > 0:
        # a clamp above 0 keeps the gradient of the power finite and cuts it off all the same
        q = (torch.sigmoid(logits) - clip).clamp_min(_SMALLEST)
        negative = q**gamma_negative * torch.log1p(-q)
    else:
        negative = torch.exp(gamma_negative * log_p) * log_not_p
    return -(targets * positive + (1 - targets) * negative)


def task_loss(kind: str, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of one task.

    Args:
        kind: see :class:`~toolkit.heads.auxiliary.Targets`.
        output: ``float (b, k)``.
        target: ``float (b, k)``; of classes ``int64 (b,)``, or ``float (b, k)`` shares of each.
            Rows of NaN, or of class -1, do not count.
    """
    unknown = target.isnan().any(1) if target.is_floating_point() else target < 0
    if output.device.type != "cpu":
        return _masked_task_loss(kind, output, target, ~unknown)
    if unknown.any():
        if unknown.all():
            return output.sum() * 0
        output, target = output[~unknown], target[~unknown]
    if kind == "classes":
        return functional.cross_entropy(output, target)
    if kind == "binary":
        return binary_cross_entropy(output, target).mean()
    return functional.mse_loss(output, target)


def _masked_task_loss(
    kind: str, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor
) -> torch.Tensor:
    """Return :func:`task_loss` without asking a GPU, and waiting for it, which rows count."""
    if not target.is_floating_point():
        each = functional.cross_entropy(output, target.clamp_min(0), reduction="none")
    elif kind == "classes":
        each = functional.cross_entropy(output, target.nan_to_num(), reduction="none")
    elif kind == "binary":
        each = binary_cross_entropy(output, target.nan_to_num()).mean(1)
    else:
        each = (output - target.nan_to_num()).square().mean(1)
    return (each * known).sum() / known.sum().clamp_min(1)


def weighted_sum(
    found: Sequence[torch.Tensor],
    kinds: Sequence[str],
    log_variance: torch.Tensor,
    weighting: str,
    fixed: float,
) -> torch.Tensor:
    """Return the sum of the labels' loss and the tasks' losses, each with its weight.

    ``uncertainty``: ``c exp(-s) loss + s / 2`` with c of 1 for likelihoods of classes and 1/2 for
    squared errors (Kendall et al. 2018, equations 7 and 10, with s the log-variance). ``fixed``: 1
    for the labels and ``fixed`` for each task.

    >>> losses = [torch.tensor(2.0), torch.tensor(4.0)]
    >>> float(weighted_sum(losses, ["values"], torch.zeros(2), "uncertainty", 0.0))
    4.0
    >>> float(weighted_sum(losses, ["values"], torch.zeros(2), "fixed", 0.5))
    4.0
    """
    if weighting == "fixed":
        return found[0] + fixed * sum(found[1:], torch.zeros_like(found[0]))
    total = torch.zeros_like(found[0])
    for loss, kind, s in zip(found, ["labels", *kinds], log_variance, strict=True):
        scale = 0.5 if kind == "values" else 1.0
        total = total + scale * torch.exp(-s) * loss + s / 2
    return total
