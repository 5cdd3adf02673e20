"""EfficientNet-Lite, the backbones whose weights an install carries, in torch alone.

The networks of Tan & Le (2019) as their authors cut them down for phones: no squeeze-and-excite,
ReLU6, first and last stage as wide in every size. They are built here because importing a library
of a thousand networks takes longer than embedding a hundred pictures. Layers and their names are
those of timm's ``tf_efficientnet_lite0`` to ``2``, so that weights, digests and features are the
same; a test holds them to it.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from toolkit.images.preprocess import Preprocess

# width, depth, side of the pictures, share of the side that the centre crop keeps
_SIZES = {
    "efficientnet_lite0": (1.0, 1.0, 224, 0.875),
    "efficientnet_lite1": (1.0, 1.1, 240, 0.882),
    "efficientnet_lite2": (1.1, 1.2, 260, 0.890),
}
# a stage: blocks, kernel, stride, expansion, channels (Tan & Le 2019, table 1)
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _FEATURES, _CLASSES = 32, 1280, 1000


class EfficientNetLite(nn.Module):
    """A network from ``float (b, 3, h, w)`` to logits ``(b, 1000)``.

    Args:
        name: ``efficientnet_lite0``, ``1`` or ``2``.

    Raises:
        KeyError: another name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        width, depth, _, _ = _SIZES[name]
        self.conv_stem = _convolution(3, _STEM, 3, 2)
        self.bn1 = _Norm(_STEM, active=True)
        stages, channels = [], _STEM
        for i, (repeats, kernel, stride, expansion, base) in enumerate(_STAGES):
            out = _rounded(base * width)
            count = repeats if i in (0, len(_STAGES) - 1) else math.ceil(repeats * depth)
            blocks: list[nn.Module] = []
            for j in range(count):
                step = stride if j == 0 else 1
                blocks.append(_block(channels, out, kernel, step, expansion))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = _convolution(channels, _FEATURES, 1)
        self.bn2 = _Norm(_FEATURES, active=True)
        self.global_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
        self.classifier: nn.Module = nn.Linear(_FEATURES, _CLASSES)
        self._start()

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Map pictures to the last feature map ``(b, 1280, h / 32, w / 32)``."""
        found: torch.Tensor = self.blocks(self.bn1(self.conv_stem(x)))
        found = self.bn2(self.conv_head(found))
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map pictures to logits, or to features where the classifier was taken off."""
        found: torch.Tensor = self.classifier(self.global_pool(self.forward_features(x)))
        return found

    def reset_classifier(self, classes: int) -> None:
        """Put a new classifier on, or none for 0."""
        self.classifier = nn.Linear(_FEATURES, classes) if classes else nn.Identity()

    def _start(self) -> None:
        """Draw weights: normal of variance 2 / (places x outputs a group), as TensorFlow's code."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                fan = math.prod(layer.kernel_size) * layer.out_channels // layer.groups
                nn.init.normal_(layer.weight, 0, math.sqrt(2 / fan))
            elif isinstance(layer, nn.Linear):
                bound = 1 / math.sqrt(layer.out_features)
                nn.init.uniform_(layer.weight, -bound, bound)
                nn.init.zeros_(layer.bias)


def lite_preprocess(name: str) -> Preprocess:
    """Return the evaluation transform of a network's weights."""
    _, _, size, kept = _SIZES[name]
    half = (0.5, 0.5, 0.5)
    return Preprocess(
        size=size, resize=math.floor(size / kept), interpolation="bicubic", mean=half, std=half
    )


class _Norm(nn.BatchNorm2d):
    """Batch normalisation, then ReLU6 where it is active."""

    def __init__(self, channels: int, *, active: bool) -> None:
        super().__init__(channels, eps=1e-3)
        self.act = nn.ReLU6(inplace=True) if active else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.act(super().forward(x))
        return found


class _Same(nn.Conv2d):
    """A convolution that pads as TensorFlow does: to ``ceil(side / stride)``, the odd one last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        # no negative numbers: OpenVINO would not fold them, and pad apart from the convolution, in
        # bf16, before the layer that has to be exact
        down, right = (
            (side + stride - 1) // stride * stride - stride + kernel - side for side in x.shape[-2:]
        )
        x = functional.pad(
            x, [right // 2, right - right // 2, down // 2, down - down // 2], value=0
        )
        return functional.conv2d(x, self.weight, None, self.stride, 0, 1, self.groups)


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    if stride > 1:
        return _Same(inputs, outputs, kernel, stride, groups=groups, bias=False)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)


def _block(inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> nn.Module:
    skips = stride == 1 and inputs == outputs
    if expansion == 1:
        return _Separable(inputs, outputs, kernel, stride, skips)
    return _Inverted(inputs, outputs, kernel, stride, expansion, skips)


class _Separable(nn.Module):
    """A convolution of each channel by itself, then one over channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, skips: bool) -> None:
        super().__init__()
        self.skips = skips
        self.conv_dw = _convolution(inputs, inputs, kernel, stride, groups=inputs)
        self.bn1 = _Norm(inputs, active=True)
        self.conv_pw = _convolution(inputs, outputs, 1)
        self.bn2 = _Norm(outputs, active=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.bn2(self.conv_pw(self.bn1(self.conv_dw(x))))
        return found + x if self.skips else found


class _Inverted(nn.Module):
    """An inverted residual block (Sandler et al. 2018): wider, each channel by itself, narrower."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, skips: bool
    ) -> None:
        super().__init__()
        self.skips = skips
        wide = inputs * expansion
        self.conv_pw = _convolution(inputs, wide, 1)
        self.bn1 = _Norm(wide, active=True)
        self.conv_dw = _convolution(wide, wide, kernel, stride, groups=wide)
        self.bn2 = _Norm(wide, active=True)
        self.conv_pwl = _convolution(wide, outputs, 1)
        self.bn3 = _Norm(outputs, active=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.bn1(self.conv_pw(x))
        found = self.bn3(self.conv_pwl(self.bn2(self.conv_dw(found))))
        return found + x if self.skips else found


def _rounded(channels: float) -> int:
    """Round to a multiple of eight, never down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
