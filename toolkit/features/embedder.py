"""Embedder: normalisation and views inside the network, so that an engine takes plain bytes."""

from __future__ import annotations

import torch
from torch import nn

from toolkit.features.backbones import Backbone
from toolkit.images.preprocess import Preprocess


class Embedder(nn.Module):
    """From ``uint8 (b, size, size, 3)`` pixels to ``float32 (b, dim)`` embeddings.

    Args:
        network: from normalised ``float (b, 3, size, size)`` to pooled features.
        preprocess: gives mean and standard deviation.
        flip: average the features of the image and of its mirror image.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, preprocess: Preprocess, flip: bool = False) -> None:
        super().__init__()
        self.network = network
        self.flip = flip
        mean = torch.tensor(preprocess.mean).view(1, 3, 1, 1) * 255.0
        std = torch.tensor(preprocess.std).view(1, 3, 1, 1) * 255.0
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed a batch."""
        x = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        if self.flip:
            x = torch.cat([x, x.flip(3)])
        features: torch.Tensor = self.network(x).float()
        if self.flip:
            plain, mirrored = features.chunk(2)
            return (plain + mirrored) / 2
        return features


def embedder(network: nn.Module, backbone: Backbone, views: tuple[str, ...]) -> Embedder:
    """Wrap a network so that it takes bytes as decoded and gives the mean over views."""
    return Embedder(network, backbone.preprocess, flip="hflip" in views).eval()
