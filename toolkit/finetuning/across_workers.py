"""Across workers: layers that see the whole batch, of which every worker computes a part.

Batch normalisation takes mean and variance of all workers' pictures, and dropout the numbers that
one process would draw for the whole batch. It is done to the functions that layers call, so that
networks, and the names of their weights, stay what they are: torch's own synchronised layer takes
the place of layers, knows none of timm's, and needs a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from toolkit.finetuning.workers import Share
from toolkit.runtime.transfers import to_device

_DROPOUTS = (
    *(functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d),
)


def across(share: Share | None, copies: int = 0) -> AbstractContextManager[Any]:
    """Return the context in which a network computes a share.

    Args:
        share: None for all of the batch.
        copies: that are appended to the whole batch, of its first pictures.
    """
    if share is None:
        return nullcontext()
    at = torch.cat([share.at, share.count + share.among(copies)])
    return AcrossWorkers(at, share.count + copies)


class AcrossWorkers(TorchFunctionMode):
    """Within this context batch normalisation and dropout in training are those of the whole batch.

    Drop path (stochastic depth) draws by ``Tensor.bernoulli_``, and is covered too. Other random
    layers draw for each worker's pictures by themselves.

    Args:
        at: ``int64 (p,)``, places of the rows that this worker computes.
        count: rows of the whole batch.
    """

    def __init__(self, at: torch.Tensor, count: int) -> None:
        super().__init__()
        self._at, self._count = at, count

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Send the functions that this is about another way."""
        given = kwargs or {}
        if func is functional.batch_norm and given.get("training"):
            return _batch_norm(*args, **given)
        if func in _DROPOUTS and given.get("training") and self._whole(args[0]) is not None:
            whole = torch.ones_like(self._whole(args[0]))
            return args[0] * self._part(func(whole, **{**given, "inplace": False}))
        if func is torch.Tensor.bernoulli_ and self._whole(args[0]) is not None:
            drawn = func(self._whole(args[0]), *args[1:], **given)
            return args[0].copy_(self._part(drawn))
        return func(*args, **given)

    def _whole(self, own: torch.Tensor) -> Any:
        """Return an empty tensor like this, for the whole batch; None where rows do not fit."""
        each, rest = divmod(own.shape[0], len(self._at)) if own.dim() else (0, 1)
        if rest or not each:
            return None
        last = own.dim() == 4 and not own.is_contiguous()
        kind = torch.channels_last if last else torch.contiguous_format
        shape = (self._count * each, *own.shape[1:])
        return torch.empty(shape, dtype=own.dtype, device=own.device, memory_format=kind)

    def _part(self, whole: torch.Tensor) -> torch.Tensor:
        """Return this worker's rows; a picture may have several."""
        each = len(whole) // self._count
        at = to_device(self._at, whole.device)
        if each == 1:
            return whole[at]
        return whole.view(self._count, each, *whole.shape[1:])[at].flatten(0, 1)


def _batch_norm(
    x: torch.Tensor,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """Normalise by all workers' batch; arguments as of :func:`torch.nn.functional.batch_norm`."""
    kind = torch.promote_types(x.dtype, torch.float32)
    dims = [0, *range(2, x.dim())]
    with torch.no_grad():
        var, mean = torch.var_mean(x.to(kind), dims, correction=0)
        count = mean.new_full((1,), x.numel() / x.shape[1])
        own = torch.cat([mean, var, count])
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, own)
        found = torch.stack(parts)
        means, variances, counts = found[:, : len(mean)], found[:, len(mean) : -1], found[:, -1:]
        total = counts.sum()
        mean = (means * counts).sum(0) / total
        # of the parts and between them (Chan et al. 1983)
        var = ((variances + (means - mean).square()) * counts).sum(0) / total
        if running_mean is not None and running_var is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * total / (total - 1)).to(running_var.dtype), momentum)
    normal: torch.Tensor = _Normalised.apply(x, weight, bias, mean, var, total, eps)
    return normal


class _Normalised(torch.autograd.Function):
    """Normalises by given statistics, which all workers' rows went into."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor | None,
        bias: torch.Tensor | None,
        mean: torch.Tensor,
        var: torch.Tensor,
        total: torch.Tensor,
        eps: float,
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt(), total)
        return functional.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, mean, scale, total = ctx.saved_tensors
        dims = [0, *range(2, x.dim())]
        shape = (1, -1, *[1] * (x.dim() - 2))
        grad = grads[0].to(mean.dtype)
        normal = (x.to(mean.dtype) - mean.view(shape)) * scale.view(shape)
        own = torch.stack([grad.sum(dims), (grad * normal).sum(dims)])
        both = own.clone()
        dist.all_reduce(both)
        plain, along = (both / total).unbind(0)
        back = (grad - plain.view(shape) - normal * along.view(shape)) * scale.view(shape)
        if weight is not None:
            back = back * weight.view(shape)
        # a worker's own: gradients of weights are added up later
        made = (own[1], own[0]) if weight is not None else (None, None)
        return back.to(x.dtype), *made, None, None, None, None
