"""Forward passes: pictures or features through a network, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from toolkit.finetuning.source import Source
from toolkit.finetuning.workers import ALONE, Workers
from toolkit.runtime.transfers import Landing, exact_products

Check = Callable[[], None]
# more pictures at a time than this leave the processor's caches
_ON_PROCESSOR, _ELSEWHERE = 32, 256


def outputs_of(
    network: Callable[[torch.Tensor], torch.Tensor],
    source: Source,
    rows: np.ndarray,
    precision: str,
    on_batch: Check | None = None,
    workers: Workers = ALONE,
) -> np.ndarray:
    """Return what a network gives for some rows of a source, ``float32 (m, k)``.

    Args:
        network: on the source's device.
        source: pictures, unchanged, or features.
        rows: ``int64 (m,)``.
        precision: ``bf16`` or ``fp32``.
        on_batch: called before each batch.
        workers: each computes a part of the rows; the first one gets all, the others none.
    """
    found = Landing()
    with torch.no_grad(), exact_products(source.device, precision):
        for batch in _batches(source, workers.own_rows(rows), on_batch):
            with autocast(source.device, precision):
                found.add(network(batch).float())
    return workers.gathered(found.joined(), len(rows))


def logits_of(
    network: nn.Module,
    source: Source,
    rows: np.ndarray,
    *,
    views: bool,
    precision: str,
    on_batch: Check | None = None,
    workers: Workers = ALONE,
) -> np.ndarray:
    """Return logits ``float32 (m, L)`` of some rows of a source, as the network's mode is.

    Args:
        network: on the source's device.
        source: pictures, unchanged, or features.
        rows: ``int64 (m,)``.
        views: the mean over each picture and its mirror image.
        precision: ``bf16`` or ``fp32``.
        on_batch: called before each batch.
        workers: as for :func:`outputs_of`.
    """

    def both(batch: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = network(batch).float() + network(batch.flip(3)).float()
        return total / 2

    mirrored = views and source.pixels
    return outputs_of(both if mirrored else network, source, rows, precision, on_batch, workers)


def _batches(source: Source, rows: np.ndarray, on_batch: Check | None) -> Iterator[torch.Tensor]:
    """Yield some rows as networks take them; one empty batch where there are none."""
    on_processor = source.pixels and source.device.type == "cpu"
    size = _ON_PROCESSOR if on_processor else _ELSEWHERE
    starts = batch_starts(len(rows), size) or [0]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        if on_batch is not None:
            on_batch()
        yield prepared(source.batch(rows[start:end]), source)


def batch_starts(count: int, size: int) -> list[int]:
    """Return where batches of some rows start; a single last row joins the batch before it.

    Of one row, normalisation has no statistics.

    >>> batch_starts(9, 4), batch_starts(8, 4), batch_starts(1, 4), batch_starts(3, 1)
    ([0, 4], [0, 4], [0], [0, 1, 2])
    """
    starts = list(range(0, count, size))
    return starts[:-1] if size > 1 and count > 1 and count % size == 1 else starts


def prepared(batch: torch.Tensor, source: Source) -> torch.Tensor:
    """Return a batch as networks take it: pictures as floats, channels first, stored last."""
    if not source.pixels:
        return batch
    if batch.dtype == torch.uint8:
        batch = batch.permute(0, 3, 1, 2).float()
    return batch.contiguous(memory_format=torch.channels_last)


def autocast(device: torch.device, precision: str, *, keep: bool = True) -> torch.autocast:
    """Return the context in which networks multiply in bf16 where that is the precision.

    Args:
        device: that networks run on.
        precision: ``bf16`` or ``fp32``.
        keep: weights that were rounded once, until the context ends.
    """
    bf16 = precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16, cache_enabled=keep)
