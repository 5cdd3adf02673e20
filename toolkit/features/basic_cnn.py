"""The paper's basic CNN, built from its description in section 3.5."""

from __future__ import annotations

import torch
from torch import nn


class BasicCNN(nn.Module):
    """Three convolutions and two fully connected layers (Männistö & Hovland, section 3.5).

    Each of the three layers is a 3x3 convolution, ReLU, 2x2 max-pooling of stride 2 and dropout of
    0.2. The paper gives 16 filters with padding 1 for the first and 32 filters for the second; it
    does not describe the third, for which 64 filters are taken here.

    Args:
        labels: number of outputs.
        size: side of the square input in pixels.
    """

    def __init__(self, labels: int = 14, size: int = 224) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_layer(3, 16, padding=1), *_layer(16, 32, padding=0), *_layer(32, 64, padding=0)
        )
        side = ((size // 2 - 2) // 2 - 2) // 2
        self.hidden = nn.Linear(64 * side * side, 1000)
        self.classifier = nn.Linear(1000, labels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``float (b, 3, size, size)`` to logits ``(b, labels)``."""
        hidden = torch.relu(self.hidden(self.features(x).flatten(1)))
        logits: torch.Tensor = self.classifier(hidden)
        return logits


def _layer(inputs: int, filters: int, padding: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, filters, kernel_size=3, padding=padding),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
        nn.Dropout(0.2),
    ]
