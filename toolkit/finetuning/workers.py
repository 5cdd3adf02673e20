"""Workers: the processes that train one network together, each on its share of every batch.

Each of them has the whole network, draws the random numbers of the whole batch, and knows the whole
batch's targets. It computes the logits of its own pictures, gets those of the others, and from all
of them the same loss as one process would. Gradients of that loss with respect to its own logits go
back through its network; their sum over the workers is the gradient of one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from toolkit.runtime.transfers import to_device

_BUCKET = 8 << 20  # numbers that are added up at a time
# the first fits probes meanwhile; Ray notices one that died long before
PATIENCE = timedelta(days=7)
T = TypeVar("T")


@dataclass(frozen=True)
class Workers:
    """One of the processes that train a network together; by itself, unless it says otherwise.

    Attributes:
        rank: its number, from 0; the first writes files and fits probes.
        size: how many there are.
        host: process group for what lies in a processor's memory; None for one process.
    """

    rank: int = 0
    size: int = 1
    host: Any = None

    @classmethod
    def of_this_process(cls) -> Workers:
        """Return this process among those of the default process group, which must be there."""
        return cls(
            dist.get_rank(),
            dist.get_world_size(),
            dist.new_group(backend="gloo", timeout=PATIENCE),
        )

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def share(self, count: int) -> Share | None:
        """Return which pictures of a batch are this worker's; None if it takes all of them.

        Every worker takes all of a batch that has fewer pictures than there are workers.
        """
        if self.size == 1 or count < self.size:
            return None
        return Share(self, count, torch.arange(self.rank, count, self.size))

    def add_gradients(self, parameters: Iterable[nn.Parameter], shared: bool) -> None:
        """Add up the gradients of all workers.

        Args:
            parameters: the same on every worker, of which the same have gradients.
            shared: the batch was; else each has the whole gradient, and the mean of them is taken.
        """
        if self.size == 1:
            return
        found = [each.grad for each in parameters if each.grad is not None]
        for bucket in _buckets(found):
            flat = torch.cat([each.reshape(-1) for each in bucket])
            dist.all_reduce(flat)
            if not shared:
                flat /= self.size
            start = 0
            for each in bucket:
                each.copy_(flat[start : start + each.numel()].view_as(each))
                start += each.numel()

    def from_first(self, value: T) -> T:
        """Return what the first worker gave; what the others gave is not looked at."""
        if self.size == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0, group=self.host)
        return held[0]

    def equalise(self, *networks: nn.Module | None) -> None:
        """Give all workers the weights and statistics of the first one.

        Sums are the same on all of them, but processors of different kinds round differently.
        """
        if self.size == 1:
            return
        for network in networks:
            for value in () if network is None else network.state_dict().values():
                there = value.cpu().contiguous()
                dist.broadcast(there, src=0, group=self.host)
                value.copy_(there)

    def own_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return this worker's part of some rows, one after another."""
        found: np.ndarray = np.array_split(rows, self.size)[self.rank]
        return found

    def gathered(self, own: np.ndarray, count: int) -> np.ndarray:
        """Return the parts of all workers as one: on the first, elsewhere none of their rows.

        Args:
            own: ``(p, k)``, one row for each of :meth:`own_rows`.
            count: of all rows.
        """
        if self.size == 1:
            return own
        sizes = [len(part) for part in np.array_split(np.arange(count), self.size)]
        padded = torch.zeros((sizes[0], own.shape[1]), dtype=torch.from_numpy(own[:0]).dtype)
        padded[: len(own)] = torch.from_numpy(own)
        parts = [torch.empty_like(padded) for _ in sizes] if self.first else None
        dist.gather(padded, parts, dst=0, group=self.host)
        if parts is None:
            return own[:0]
        return np.concatenate(
            [part[:size].numpy() for part, size in zip(parts, sizes, strict=True)]
        )


ALONE = Workers()


@dataclass(frozen=True)
class Share:
    """The pictures of a batch that are one worker's: every so many-th, so that all have as many.

    Attributes:
        workers: which of them this is.
        count: pictures of the whole batch, at least as many as workers.
        at: ``int64 (p,)``, places of this worker's, ascending.
    """

    workers: Workers
    count: int
    at: torch.Tensor

    def among(self, count: int) -> torch.Tensor:
        """Return the places of this worker's pictures among the first so many."""
        return self.at[self.at < count]

    def joined(self, own: torch.Tensor, count: int | None = None) -> torch.Tensor:
        """Return rows of all workers ``(count, k)`` in their order; gradients reach one's own.

        Args:
            own: ``float (p, k)``, of this worker's pictures among the first ``count``.
            count: of all rows; None for the batch's.
        """
        count = self.count if count is None else count
        size = self.workers.size
        padded = own.new_zeros((-(-count // size), own.shape[1]))
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in range(size)]
        dist.all_gather(parts, padded)
        whole = torch.stack(parts, 1).flatten(0, 1)[:count]
        return whole.index_copy(0, to_device(self.among(count), own.device), own)


def _buckets(gradients: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield gradients in groups of one type and some size, in their order."""
    bucket: list[torch.Tensor] = []
    for each in gradients:
        if bucket and (
            each.dtype != bucket[0].dtype or sum(one.numel() for one in bucket) > _BUCKET
        ):
            yield bucket
            bucket = []
        bucket.append(each)
    if bucket:
        yield bucket
