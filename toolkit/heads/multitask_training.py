"""Training of a shared layer under many heads, weighted by learned uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from toolkit.heads import losses
from toolkit.heads.auxiliary import Targets
from toolkit.heads.mlp_training import batches, steps_per_epoch

if TYPE_CHECKING:
    from toolkit.heads.multitask import MultitaskHead

_WARM_UP = 0.1
_SCORED_ROWS = 1024


@dataclass(frozen=True)
class Shared:
    """What the labels' outputs need of a trained network.

    Attributes:
        trunk: ``float32 (H, d)``.
        trunk_bias: ``float32 (H,)``.
        head: ``float32 (L, H)``.
        head_bias: ``float32 (L,)``.
    """

    trunk: np.ndarray
    trunk_bias: np.ndarray
    head: np.ndarray
    head_bias: np.ndarray

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Return ``float32 (n, L)`` for standardised ``X (n, d)``.

        Rows are scored in blocks of one size, so that a row's score does not depend on how many
        others come with it.
        """
        out = np.empty((len(X), len(self.head)), np.float32)
        block = np.zeros((_SCORED_ROWS, X.shape[1]), np.float32)
        for start in range(0, len(X), _SCORED_ROWS):
            rows = X[start : start + _SCORED_ROWS]
            block[: len(rows)] = rows
            hidden = np.maximum(block @ self.trunk.T + self.trunk_bias, 0)
            out[start : start + _SCORED_ROWS] = (hidden @ self.head.T + self.head_bias)[: len(rows)]
        return out


def train(
    X: np.ndarray,
    Y: np.ndarray,
    weight: np.ndarray,
    tasks: Sequence[Targets],
    how: MultitaskHead,
    precision: str,
    device: str,
) -> tuple[Shared, np.ndarray]:
    """Train labels and tasks together.

    Args:
        X: ``float32 (n, d)``, standardised.
        Y: ``uint8 (n, L)``.
        weight: ``float32 (n, L)``.
        tasks: targets of n rows each.
        how: the head's parameters.
        precision: ``bf16`` or ``fp32``.
        device: of torch.

    Returns:
        The labels' network, and the log-variances ``(1 + tasks,)``, the labels' first.
    """
    random = np.random.default_rng(how.random_state)
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(how.random_state)
        network = _Network(X.shape[1], how.hidden, [Y.shape[1], *(t.outputs for t in tasks)])
        share = torch.from_numpy((weight * Y).sum(0) / weight.sum(0).clip(1e-12))
        with torch.no_grad():
            network.head.bias.copy_(torch.logit(share.clamp(1e-6, 1 - 1e-6)))
        network.to(device)
        held = [torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in (X, weight)]
        targets = [torch.from_numpy(Y.astype(np.float32)).to(device)]
        targets += [torch.from_numpy(task.values).to(device) for task in tasks]
        kinds = [task.kind for task in tasks]
        optimizer = torch.optim.AdamW(network.groups(how.weight_decay), lr=how.learning_rate)
        steps, taken = how.epochs * steps_per_epoch(len(X), how.batch_size), 0
        for _ in range(how.epochs):
            for rows in batches(len(X), how.batch_size, random):
                at = torch.from_numpy(rows).to(device)
                rise = min(1.0, (taken + 1) / max(1.0, _WARM_UP * steps))
                factor = rise * 0.5 * (1 + math.cos(math.pi * taken / steps))
                for group in optimizer.param_groups:
                    group["lr"] = how.learning_rate * factor
                with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                    outputs = network(held[0][at], how.input_dropout, how.dropout)
                found = _losses(outputs, [t[at] for t in targets], kinds, held[1][at], how.gamma)
                total = network.weighted(found, kinds, how.weighting, how.aux_weight)
                optimizer.zero_grad(set_to_none=True)
                total.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                taken += 1
    arrays = [
        parameter.detach().float().cpu().numpy()
        for parameter in (*network.trunk.parameters(), *network.head.parameters())
    ]
    return Shared(*arrays), network.log_variance.detach().float().cpu().numpy()


class _Network(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: Sequence[int]) -> None:
        super().__init__()
        self.trunk = nn.Linear(inputs, hidden)
        self.head = nn.Linear(hidden, outputs[0])
        self.tasks = nn.ModuleList(nn.Linear(hidden, width) for width in outputs[1:])
        self.log_variance = nn.Parameter(torch.zeros(len(outputs)))

    def forward(self, x: torch.Tensor, drop_inputs: float, drop: float) -> list[torch.Tensor]:
        x = functional.dropout(x, drop_inputs)
        hidden = functional.dropout(torch.relu(self.trunk(x)), drop)
        return [head(hidden).float() for head in (self.head, *self.tasks)]

    def groups(self, weight_decay: float) -> list[dict[str, object]]:
        matrices = [p for p in self.parameters() if p.ndim > 1]
        vectors = [p for p in self.parameters() if p.ndim < 2]
        return [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]

    def weighted(
        self, found: Sequence[torch.Tensor], kinds: Sequence[str], weighting: str, fixed: float
    ) -> torch.Tensor:
        return weighted_sum(found, kinds, self.log_variance, weighting, fixed)


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


def _losses(
    outputs: Sequence[torch.Tensor],
    targets: Sequence[torch.Tensor],
    kinds: Sequence[str],
    weight: torch.Tensor,
    gamma: float,
) -> list[torch.Tensor]:
    """Return the mean loss of the labels, summed over labels, and of each task."""
    labels = weight * losses.focal(outputs[0], targets[0], gamma=gamma)
    found = [labels.sum(1).mean()]
    found += [task_loss(*each) for each in zip(kinds, outputs[1:], targets[1:], strict=True)]
    return found


def task_loss(kind: str, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of one task.

    Args:
        kind: see :class:`~toolkit.heads.auxiliary.Targets`.
        output: ``float (b, k)``.
        target: ``float (b, k)``; of classes ``int64 (b,)``, or ``float (b, k)`` shares of each.
    """
    if kind == "classes":
        return functional.cross_entropy(output, target)
    if kind == "binary":
        return losses.binary_cross_entropy(output, target).mean()
    return functional.mse_loss(output, target)
