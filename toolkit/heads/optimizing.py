"""What all loops that train networks share: schedule, averaging, weight decay, batches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

WARM_UP = 0.1
_FEWEST_BATCHES = 16
_SMALLEST_BATCH = 16


def rate_factor(step: int, steps: int, warm_up: float = WARM_UP, *, cosine: bool = True) -> float:
    """Return what a learning rate is multiplied by: a linear rise under a cosine that ends at 0.

    Args:
        step: counted from 0.
        steps: of the whole run.
        warm_up: share of the steps in which the rate rises.
        cosine: False keeps the rate after the rise (Loshchilov & Hutter 2017 have the cosine).

    >>> [round(rate_factor(step, 20), 2) for step in (0, 1, 10, 19)]
    [0.5, 0.99, 0.5, 0.01]
    """
    rise = min(1.0, (step + 1) / max(1.0, warm_up * steps))
    return rise * (0.5 * (1 + math.cos(math.pi * step / steps)) if cosine else 1.0)


def ema_decay_at(step: int, decay: float) -> float:
    """Return the decay of a moving average after a step: early on, a mean over the steps so far."""
    return min(decay, (step + 1) / (step + 10))


def decay_groups(
    parameters: Iterable[torch.Tensor], weight_decay: float, **more: Any
) -> list[dict[str, Any]]:
    """Return parameter groups for an optimizer: matrices are decayed, vectors are not.

    Args:
        parameters: of one learning rate.
        weight_decay: of matrices; vectors are biases and scales of normalisations.
        more: entries of both groups.
    """
    known = list(parameters)
    matrices, vectors = [p for p in known if p.ndim > 1], [p for p in known if p.ndim < 2]
    groups = ((matrices, weight_decay), (vectors, 0.0))
    return [{"params": part, "weight_decay": decay, **more} for part, decay in groups if part]


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return how many batches n rows make, of ``batch_size`` rows or a little less.

    Small data is cut into 16 batches nevertheless, as long as they hold 16 rows: an epoch of few
    steps would leave the networks where they began.

    >>> steps_per_epoch(12_960, 256), steps_per_epoch(500, 256), steps_per_epoch(20, 256)
    (51, 16, 2)
    """
    return max(-(-n // batch_size), min(_FEWEST_BATCHES, -(-n // _SMALLEST_BATCH)))


def batches(n: int, batch_size: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield row indices that cover each of n rows once, in parts of nearly one size."""
    yield from np.array_split(random.permutation(n), steps_per_epoch(n, batch_size))
