"""Preprocessing: a backbone's own evaluation transform, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

CROPS = ("center", "full")
LONGEST = 64  # of a longer strip only the middle is resized: the rest is cropped, yet costs memory


@dataclass(frozen=True)
class Preprocess:
    """Resize the shorter side, crop the centre, scale to [0, 1], normalise.

    Attributes:
        size: side of the square input in pixels.
        resize: length of the shorter side after resizing, in pixels.
        interpolation: ``bilinear`` or ``bicubic``, antialiased as in Pillow.
        mean: per channel, on the [0, 1] scale.
        std: per channel, on the [0, 1] scale.
        squash: resize both sides to ``resize`` and ignore the aspect ratio.
        invert: first turn every byte x into (256 - x) mod 256, the published code's fault: it casts
            bytes to floats without scaling and hands them to a conversion that multiplies by 255.
    """

    size: int
    resize: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    squash: bool = False
    invert: bool = False

    def facts(self) -> dict[str, Any]:
        """Return the JSON-able facts that go into a cache key."""
        facts = asdict(self) | {"mean": list(self.mean), "std": list(self.std)}
        if not self.invert:  # keys made before the switch was there stay what they are
            del facts["invert"]
        return facts

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Preprocess:
        """Rebuild from :meth:`facts`."""
        return cls(**(facts | {"mean": tuple(facts["mean"]), "std": tuple(facts["std"])}))

    def scaled(self, size: int) -> Preprocess:
        """Return the same for another side of the input, in pixels.

        >>> rgb = (0.5, 0.5, 0.5)
        >>> Preprocess(224, 256, "bicubic", rgb, rgb).scaled(112).resize
        128
        """
        return replace(self, size=size, resize=round(self.resize * size / self.size))

    @property
    def crop(self) -> str:
        """``full`` where nothing is cut off a square image, else ``center``."""
        return "full" if self.resize <= self.size else "center"

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Return (height, width) in pixels after resizing, rounded as torchvision does.

        >>> rgb = (0.5, 0.5, 0.5)
        >>> Preprocess(224, 256, "bicubic", rgb, rgb).resized(width=500, height=333)
        (256, 384)
        """
        if self.squash:
            return self.resize, self.resize
        if width <= height:
            return int(self.resize * height / width), self.resize
        return self.resize, int(self.resize * width / height)

    def batch(self, images: Sequence[torch.Tensor]) -> np.ndarray:
        """Resize and crop decoded images.

        Images of one size are resized in one call on a channels-last batch, which is several times
        faster than one by one and gives the same bytes. Against Pillow's resize, which torchvision
        and timm call, values differ by less than a third of a level of 255 on average and by 6 at
        most: torch keeps the filter's weights in 16 bits, and of tall images Pillow (since 13)
        shrinks the height first.

        Args:
            images: b tensors ``uint8 (3, H, W)``, of any sizes.

        Returns:
            ``uint8 (b, size, size, 3)``.
        """
        import torch

        out = torch.empty((len(images), self.size, self.size, 3), dtype=torch.uint8)
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, image in enumerate(images):
            groups.setdefault(tuple(image.shape), []).append(place)
        for (_, height, width), places in groups.items():
            stack = torch.stack([images[place] for place in places])
            crop = self._resize_crop(stack, height, width).permute(0, 2, 3, 1)
            if len(places) == len(images):
                out.copy_(crop)
            else:
                out[places] = crop
        array: np.ndarray = out.numpy()
        return array

    def _resize_crop(self, stack: torch.Tensor, height: int, width: int) -> torch.Tensor:
        import torch

        if self.invert:
            stack = stack.neg()  # of unsigned bytes: 256 - x, and 0 for 0
        most = LONGEST * min(height, width)
        if max(height, width) > most and not self.squash:
            top, left = max(0, height - most) // 2, max(0, width - most) // 2
            stack = stack[:, :, top : height - top, left : width - left]
            height, width = stack.shape[2:]
        tall, wide = self.resized(width, height)
        if (tall, wide) != (height, width):
            stack = torch.nn.functional.interpolate(
                stack.contiguous(memory_format=torch.channels_last),
                (tall, wide),
                mode=self.interpolation,
                antialias=True,
                align_corners=False,
            )
        if min(tall, wide) < self.size:  # torchvision's centre crop pads with black
            pad_y, pad_x = max(0, self.size - tall), max(0, self.size - wide)
            edges = (pad_x // 2, pad_x - pad_x // 2, pad_y // 2, pad_y - pad_y // 2)
            stack = torch.nn.functional.pad(stack, edges)
            tall, wide = max(tall, self.size), max(wide, self.size)
        top, left = round((tall - self.size) / 2), round((wide - self.size) / 2)
        return stack[:, :, top : top + self.size, left : left + self.size]
