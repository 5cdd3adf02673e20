"""Networks to fine-tune: any backbone with a new output layer, in groups by depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from toolkit.errors import UsageError
from toolkit.features.backbones import Backbone
from toolkit.images.preprocess import Preprocess

GROUPS = 8


class Classifier(nn.Module):
    """A trunk and a linear layer of L outputs.

    The trunk is a backbone with its classifier taken off, so that one way of replacing the output
    layer serves every network: timm's, torchvision's and the paper's own. Of SqueezeNet the last
    convolution and its rectifier go too; what is left is averaged, and a linear layer on an average
    is what a 1x1 convolution before it would be.

    Args:
        trunk: from normalised ``float (b, 3, S, S)`` to features ``(b, dim)``.
        dim: width of the features.
        labels: number of outputs.
        preprocess: gives mean and standard deviation.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, trunk: nn.Module, dim: int, labels: int, preprocess: Preprocess) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(dim, labels)
        # part of the network's shape, not of what it learns
        mean = torch.tensor(preprocess.mean).view(1, 3, 1, 1) * 255.0
        std = torch.tensor(preprocess.std).view(1, 3, 1, 1) * 255.0
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map pixels on the scale 0 to 255, ``float (b, 3, S, S)``, to logits ``(b, L)``."""
        logits: torch.Tensor = self.head(self.features(pixels))
        return logits

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map the same pixels to the trunk's features ``(b, dim)``."""
        pooled: torch.Tensor = self.trunk((pixels - self.mean) / self.std)
        return pooled


class FrozenClassifier(nn.Module):
    """The output layer alone, for features of a frozen trunk that were computed before."""

    def __init__(self, dim: int, labels: int) -> None:
        super().__init__()
        self.head = nn.Linear(dim, labels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map features ``float (b, dim)`` to logits ``(b, L)``."""
        logits: torch.Tensor = self.head(features)
        return logits


def classifier(backbone: Backbone, trunk: nn.Module, labels: int, *sizes: int) -> Classifier:
    """Put a new output layer on a backbone as :func:`toolkit.features.loading.load` gives it.

    Args:
        backbone: its facts.
        trunk: its network without classifier; made trainable.
        labels: number of outputs.
        sizes: sides of the pictures that it will see.

    Raises:
        UsageError: the network does not take pictures of that size.
    """
    network = Classifier(trunk, backbone.dim, labels, backbone.preprocess)
    network.requires_grad_(True)
    network.eval()
    for size in sizes:
        try:
            with torch.no_grad():
                network(torch.zeros(1, 3, size, size))
        except (RuntimeError, AssertionError) as error:
            raise UsageError(
                f"{backbone.name} takes no pictures of {size} pixels: leave --size out, its own "
                f"is {backbone.preprocess.size}"
            ) from error
    return network


def depth_groups(network: nn.Module, groups: int = GROUPS) -> list[list[nn.Parameter]]:
    """Return the parameters in groups by depth, the first layers first, the new head last.

    The trunk's layers (modules that own parameters, in the order in which the network registers
    them) are cut into parts of nearly one number of layers; a trunk of fewer layers has fewer
    groups. Only parameters that :meth:`torch.nn.Module.parameters` names once count once.

    >>> [len(group) for group in depth_groups(FrozenClassifier(3, 2))]
    [2]
    """
    head = list(network.get_submodule("head").parameters())
    seen = {id(parameter) for parameter in head}
    layers: list[list[nn.Parameter]] = []
    for module in network.modules():
        own = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        seen |= {id(parameter) for parameter in own}
        if own:
            layers.append(own)
    cut = min(groups, len(layers))
    parts = [
        [
            p
            for layer in layers[i * len(layers) // cut : (i + 1) * len(layers) // cut]
            for p in layer
        ]
        for i in range(cut)
    ]
    return [*parts, head]


def optimizer_groups(
    groups: Sequence[Sequence[nn.Parameter]],
    head_rate: float,
    trunk_rate: float,
    layer_decay: float,
    weight_decay: float,
    flat_decay: bool = False,
) -> list[dict[str, Any]]:
    """Return parameter groups for an optimizer, each with its ``base_rate``.

    The group d steps below the last one of the trunk learns at ``trunk_rate * layer_decay ** d``
    (Howard & Ruder 2018; Bao et al. 2022). Vectors (biases and the scales of normalisations) are
    not decayed, unless ``flat_decay`` asks for what a plain optimizer does.
    """
    made: list[dict[str, Any]] = []
    last = len(groups) - 2
    for number, group in enumerate(groups):
        rate = head_rate if number > last else trunk_rate * layer_decay ** (last - number)
        for flat in (False, True):
            part = [p for p in group if (p.ndim < 2) == flat]
            if part:
                decay = weight_decay if flat_decay or not flat else 0.0
                made.append({"params": part, "lr": rate, "base_rate": rate, "weight_decay": decay})
    return made


def unfreeze_groups(groups: Sequence[Sequence[nn.Parameter]], epoch: int, every: float) -> None:
    """Let the groups learn that have their turn: the head from the start, the others from the end.

    Args:
        groups: see :func:`depth_groups`.
        epoch: counted from 0.
        every: epochs between one group and the next below it (gradual unfreezing, Howard & Ruder
            2018); 0 lets all learn from the start.
    """
    for below, group in enumerate(reversed(groups)):
        for parameter in group:
            parameter.requires_grad_(below * every <= epoch)
