"""Files: what a first script reads its images with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image as Pillow
from torch.utils.data import Dataset
from torchvision import transforms

from toolkit.images.preprocess import Preprocess


class Files(Dataset[torch.Tensor]):
    """Pillow, and a backbone's evaluation transform as timm and torchvision have it."""

    def __init__(self, paths: Sequence[str], preprocess: Preprocess) -> None:
        p = preprocess
        self.paths = paths
        self.transform = transforms.Compose(
            [
                transforms.Resize(p.resize, transforms.InterpolationMode(p.interpolation)),
                transforms.CenterCrop(p.size),
                transforms.ToTensor(),
                transforms.Normalize(p.mean, p.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, at: int) -> torch.Tensor:
        with Pillow.open(self.paths[at]) as image:
            tensor: torch.Tensor = self.transform(image.convert("RGB"))
        return tensor


class Learned(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The same for training: random crops and mirror images, and the labels."""

    def __init__(
        self, paths: Sequence[str], targets: torch.Tensor, preprocess: Preprocess, size: int
    ) -> None:
        self.paths, self.targets = paths, targets
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(size, scale=(0.5, 1.0)),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(preprocess.mean, preprocess.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, torch.Tensor]:
        with Pillow.open(self.paths[at]) as image:
            pixels: torch.Tensor = self.transform(image.convert("RGB"))
        return pixels, self.targets[at]
