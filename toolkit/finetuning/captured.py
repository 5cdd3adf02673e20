"""Captured: a network's forward and backward pass of one shape, given to a GPU as a whole.

A training step of a small network is more than a thousand short operations, and the GPU is done
with each before the next one reaches it. Captured graphs of them (CUDA graphs) are two calls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from toolkit.finetuning.forward import autocast

logger = logging.getLogger(__name__)
Forward = Callable[[torch.Tensor], torch.Tensor]


class _Pass(nn.Module):
    """Holds the network, so that capturing changes this module's ``forward`` and not its own."""

    def __init__(self, network: nn.Module, device: torch.device, precision: str) -> None:
        super().__init__()
        self.network, self.device, self.precision = network, device, precision

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        # what autocast keeps of one pass must not be read by another
        with autocast(self.device, self.precision, keep=False):
            logits: torch.Tensor = self.network(batch)
        return logits.float()


class CapturedPasses:
    """Captures the first full batch of a run, and serves the others like it.

    Args:
        size: pictures of a full batch; 0 to capture none.
        precision: ``bf16`` or ``fp32``.

    Attributes:
        active: whether one was captured.
    """

    def __init__(self, size: int, precision: str) -> None:
        self.size, self.precision, self.active = size, precision, False
        self._pass: Forward | None = None

    def logits(
        self, network: nn.Module, batch: torch.Tensor, reseed: Callable[[], None]
    ) -> torch.Tensor | None:
        """Return logits ``float32 (b, L)``, or None where the network must be called itself.

        Args:
            network: in training mode, the same each time.
            batch: as the network takes it.
            reseed: called after capturing, which draws random numbers.
        """
        if not self.size or len(batch) != self.size:
            return None
        if self._pass is None:
            self._pass = captured(network, batch, self.precision)
            self.active = self._pass is not None
            self.size *= self.active
            reseed()
        return None if self._pass is None else self._pass(batch)


def captured(network: nn.Module, batch: torch.Tensor, precision: str) -> Forward | None:
    """Return what takes the place of a network in training for batches like this one.

    Statistics of normalisations, which warming up moves, are put back; the generators of random
    numbers are not.

    Args:
        network: in training mode, on a GPU; which of its parameters learn must not change any more.
        batch: as the network takes it.
        precision: ``bf16`` or ``fp32``.

    Returns:
        From a batch of the same shape to logits ``float32 (b, L)``; None where the network cannot
        be captured, or memory ran out.
    """
    kept = [buffer.clone() for buffer in network.buffers()]
    made: Any = None
    try:
        with torch.cuda.device(batch.device):
            made = torch.cuda.make_graphed_callables(
                _Pass(network, batch.device, precision).train(),
                (torch.empty_like(batch).copy_(batch),),
                allow_unused_input=True,
            )
    except RuntimeError as error:  # of memory too
        logger.warning("training steps are not captured: %s", error)
    with torch.no_grad():
        for buffer, value in zip(network.buffers(), kept, strict=True):
            buffer.copy_(value)
    network.zero_grad(set_to_none=True)
    if made is None:
        torch.cuda.empty_cache()
    return made  # type: ignore[no-any-return]
