"""Depthwise convolutions in bf16 on a processor, with the slow halves of their gradients in fp32.

oneDNN computes most of a depthwise convolution's bf16 gradients faster than the fp32 ones, but not
two: with respect to the input where the stride is above 1 (measured 5 to 40 times slower), and with
respect to the weights of kernels larger than 3x3 (3 to 5 times slower). In networks made for phones
those two were most of a training step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_SMALL = 3


class MixedDepthwise(TorchFunctionMode):
    """Within this context depthwise ``conv2d`` on a processor runs in bf16, gradients as above."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Send the convolutions that this is about another way."""
        if func is functional.conv2d and not kwargs and len(args) == 7 and _fits(*args):
            x, weight, bias, stride, padding = args[:5]
            out = _Depthwise.apply(x.bfloat16(), weight.bfloat16(), stride, padding)
            return out if bias is None else out + bias.view(1, -1, 1, 1).bfloat16()
        return func(*args, **(kwargs or {}))


def _fits(
    x: torch.Tensor, weight: torch.Tensor, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> bool:  # fmt: skip
    plain = isinstance(stride, tuple) and isinstance(padding, tuple) and set(dilation) == {1}
    depthwise = groups == x.shape[1] == weight.shape[0] > 1
    return plain and depthwise and x.device.type == "cpu" and weight.requires_grad


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(x, weight, None, stride, padding, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        precise = (max(ctx.stride) > 1, max(weight.shape[2:]) > _SMALL)
        found: list[torch.Tensor | None] = [None, None]
        for kind in (torch.bfloat16, torch.float32):
            mask = [
                ctx.needs_input_grad[i] and precise[i] == (kind == torch.float32) for i in (0, 1)
            ]
            if any(mask):
                # the gradient with respect to the input needs no more of the input than its shape
                given = x.to(kind) if mask[1] else torch.empty_like(x, dtype=kind)
                made = torch.ops.aten.convolution_backward(
                    *(grads[0].to(kind), given, weight.to(kind), None),
                    *(ctx.stride, ctx.padding, (1, 1), False, (0, 0), x.shape[1]),
                    [*mask, False],
                )
                found = [
                    m.bfloat16() if w else f for m, w, f in zip(made, mask, found, strict=False)
                ]
        return found[0], found[1], None, None
