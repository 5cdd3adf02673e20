"""Networks to fine-tune: any backbone with a new output layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from toolkit.errors import UsageError
from toolkit.features.backbones import Backbone
from toolkit.images.preprocess import Preprocess

# of batches, which normalisations count and evaluation does not use: not saved
COUNT = "num_batches_tracked"


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
                f"size: expected one that {backbone.name} takes (its own is "
                f"{backbone.preprocess.size}), found {size}"
            ) from error
    return network


def seeded(build: Callable[[], nn.Module], seed: int) -> Callable[[], nn.Module]:
    """Return a function that builds the same network each time, global generators untouched."""

    def again() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build()

    return again
