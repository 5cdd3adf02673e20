"""A network of a few hundred weights with all that makes resuming hard, and easy pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from toolkit.finetuning.networks import seeded
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.finetuning.trainer import Trainer

SIDE, LABELS = 8, 2
QUICK = Settings(epochs=3, batch_size=8, ema_decay=0.9, crop=0.6, trivial=True, mixup=0.2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For modules that import it: the networks are tiny, and tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Tiny(nn.Module):
    """Convolution, batch normalisation, dropout, mean, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )
        self.head = nn.Linear(6, LABELS)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.features(pixels))
        return logits

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.trunk(pixels / 128 - 1)
        return features


def pictures(count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Paint noise, bright where the first label holds and reddish where the second does."""
    random = np.random.default_rng(seed)
    Y = (random.random((count, LABELS)) < 0.4).astype(np.uint8)
    values = random.integers(0, 90, (count, SIDE, SIDE, 3))
    values += 90 * Y[:, 0, None, None, None]
    values[..., 0] += 75 * Y[:, 1, None, None]
    return values.astype(np.uint8), Y


tiny = seeded(Tiny, 0)


def training(settings: Settings = QUICK, count: int = 60, **options: object) -> Trainer:
    """Return a run over two thirds of some pictures, validated on the rest."""
    X, Y = pictures(count)
    Y = options.pop("Y", Y)  # type: ignore[assignment]
    source = Source(lambda rows: X[rows], len(X), pixels=True)
    at = np.arange(count)
    cut = 2 * count // 3
    return Trainer(tiny(), source, Y, at[:cut], at[cut:], settings, **options)  # type: ignore[arg-type]


def weights(network: nn.Module) -> bytes:
    """Return all weights and statistics as bytes."""
    return b"".join(value.numpy().tobytes() for value in network.state_dict().values())
