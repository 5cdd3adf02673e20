"""Depthwise convolutions in mixed precision give what plain ones give."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from toolkit.finetuning import depthwise
from toolkit.finetuning.depthwise import MixedDepthwise


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_outputs_and_gradients_are_those_of_a_plain_convolution(
    kernel: int, stride: int, bias: bool
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6, bias=bias)
    x = torch.randn(4, 6, 9, 9).contiguous(memory_format=torch.channels_last).requires_grad_()
    plain = conv(x)
    upstream = torch.randn_like(plain)
    plain.backward(upstream)
    wanted = [x.grad, *(p.grad for p in conv.parameters())]
    x.grad = None
    conv.zero_grad(set_to_none=True)
    with MixedDepthwise():
        mixed = conv(x)
    assert mixed.dtype == torch.bfloat16
    assert "_Depthwise" in repr(mixed.grad_fn) or bias
    mixed.float().backward(upstream)
    torch.testing.assert_close(mixed.float(), plain, atol=0.05, rtol=0.05)
    for found, own in zip([x.grad, *(p.grad for p in conv.parameters())], wanted, strict=True):
        assert found is not None
        assert own is not None
        assert (found - own).abs().max() <= 0.03 * own.abs().max()


def test_other_convolutions_go_their_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object) -> None:
        raise AssertionError

    monkeypatch.setattr(depthwise._Depthwise, "apply", never)
    x = torch.randn(2, 6, 5, 5)
    with MixedDepthwise():
        for conv in (nn.Conv2d(6, 6, 3), nn.Conv2d(6, 12, 3, groups=3)):
            assert conv(x).dtype == torch.float32
        assert nn.Conv2d(6, 6, 3, groups=6).requires_grad_(False)(x).dtype == torch.float32
