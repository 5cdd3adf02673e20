"""Training of a shared layer under many heads, weighted by learned uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from toolkit.heads.auxiliary import Targets
from toolkit.heads.losses import focal, task_loss, weighted_sum
from toolkit.heads.network_head import Layers, NetworkHead, in_blocks
from toolkit.heads.optimizing import (
    batches,
    decay_groups,
    rate_factor,
    steps_per_epoch,
)
from toolkit.runtime.forecast import current_forecast
from toolkit.runtime.transfers import exact_products, random_devices, to_device

LAYERS = ("trunk", "trunk_bias", "head", "head_bias")
_SCORED_ROWS = 1024


def logits_of(layers: Layers, X: np.ndarray) -> np.ndarray:
    """Return ``float32 (n, L)`` for standardised ``X (n, d)``.

    Args:
        layers: ``trunk (H, d)``, ``trunk_bias (H,)``, ``head (L, H)`` and ``head_bias (L,)``.
        X: ``float32 (n, d)``.
    """
    trunk, trunk_bias, head, head_bias = (layers[name] for name in LAYERS)

    def block(rows: np.ndarray) -> np.ndarray:
        z: np.ndarray = np.maximum(rows @ trunk.T + trunk_bias, 0) @ head.T + head_bias
        return z

    return in_blocks(X, _SCORED_ROWS, len(head), block)


def train(
    X: np.ndarray,
    Y: np.ndarray,
    weight: np.ndarray,
    tasks: Sequence[Targets],
    how: NetworkHead,
    *,
    seed: int,
    weighting: str,
    aux_weight: float,
) -> tuple[Layers, np.ndarray]:
    """Train labels and tasks together.

    Args:
        X: ``float32 (n, d)``, standardised.
        Y: ``uint8 (n, L)``.
        weight: ``float32 (n, L)``.
        tasks: targets of n rows each.
        how: the head, unfitted.
        seed: of everything random; global generators are left as they were.
        weighting: see :func:`~toolkit.heads.losses.weighted_sum`.
        aux_weight: of each task where weights are fixed.

    Returns:
        The labels' network, and the log-variances ``(1 + tasks,)``, the labels' first.
    """
    random = np.random.default_rng(seed)
    where, precision = how.hardware()
    device = torch.device(where)
    kinds = [task.kind for task in tasks]
    with torch.random.fork_rng(devices=random_devices(device)), exact_products(device, precision):
        torch.manual_seed(seed)
        network = _Network(X.shape[1], how.hidden, [Y.shape[1], *(t.outputs for t in tasks)])
        share = torch.from_numpy((weight * Y).sum(0) / weight.sum(0).clip(1e-12))
        with torch.no_grad():
            network.head.bias.copy_(torch.logit(share.clamp(1e-6, 1 - 1e-6)))
        network.to(device)
        arrays = (X, weight, Y.astype(np.float32), *(task.values for task in tasks))
        x, w, *targets = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays)
        groups = decay_groups(network.parameters(), how.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=how.learning_rate)
        steps, taken = how.epochs * steps_per_epoch(len(X), how.batch_size), 0
        forecast = current_forecast()
        forecast.begin(how.epochs)
        for _ in range(how.epochs):
            for rows in batches(len(X), how.batch_size, random):
                at = to_device(torch.from_numpy(rows), device)
                for group in optimizer.param_groups:
                    group["lr"] = how.learning_rate * rate_factor(taken, steps)
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                    outputs = network(x[at], how.input_dropout, how.dropout)
                wanted = [target[at] for target in targets]
                labels = w[at] * focal(outputs[0], wanted[0], gamma=how.gamma)
                found = [labels.sum(1).mean()]
                found += map(task_loss, kinds, outputs[1:], wanted[1:])
                total = weighted_sum(found, kinds, network.log_variance, weighting, aux_weight)
                optimizer.zero_grad(set_to_none=True)
                total.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                taken += 1
            forecast.advance()
    learned = (*network.trunk.parameters(), *network.head.parameters())
    layers = (layer.float().numpy(force=True) for layer in learned)
    return dict(zip(LAYERS, layers, strict=True)), network.log_variance.numpy(force=True)


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
