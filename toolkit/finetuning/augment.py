"""Augmentation of whole batches on the device: pure functions of pixels and a generator.

Batches are ``(b, 3, S, S)`` on the scale 0 to 255. Random numbers are drawn on the processor from
the generator given, so that a batch looks the same on every device, and a picture the same where
only a part of its batch is at hand. Geometric changes are affine maps ``(b, 2, 3)`` from output to
input places in [-1, 1], so that a crop, a flip and a rotation together cost one resampling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from toolkit.finetuning.draws import Draws, drawn, drawn_whole
from toolkit.runtime.transfers import to_device

Batch = torch.Tensor
_GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Augmentation:
    """What is done to training pictures; the defaults do nothing.

    Attributes:
        crop: least share of the area that a random resized crop keeps; 1 crops nothing.
        ratio: greatest aspect ratio of such a crop; the least is its inverse.
        flip: mirror half of the pictures.
        rotate: rotate by up to this many degrees either way; what comes in from outside is black.
        colour: strength of a random change of brightness, contrast and saturation, each by a factor
            from 1 - colour to 1 + colour.
        trivial: one random operation of random strength a picture (Müller & Hutter 2021, a subset).
    """

    crop: float = 1.0
    ratio: float = 4 / 3
    flip: bool = False
    rotate: float = 0.0
    colour: float = 0.0
    trivial: bool = False

    def __call__(self, pixels: torch.Tensor, generator: Draws) -> Batch:
        """Change ``uint8 (b, S, S, 3)`` and return ``float (b, 3, S, S)``."""
        batch = pixels.permute(0, 3, 1, 2).float()
        maps = identity(len(batch))
        if self.crop < 1:
            maps = compose(maps, crop_maps(len(batch), generator, self.crop, self.ratio))
        if self.rotate:
            maps = compose(maps, rotation_maps(len(batch), generator, self.rotate))
        warped = self.crop < 1 or self.rotate > 0
        if self.trivial:
            more, batch = trivial(batch, generator)
            maps, warped = compose(maps, more), True
        if warped:
            batch = warp(batch, maps)
        if self.flip:
            batch = flip(batch, generator)
        return colour_jitter(batch, generator, self.colour) if self.colour else batch


def identity(count: int) -> torch.Tensor:
    """Return ``count`` maps that change nothing."""
    return torch.eye(2, 3).repeat(count, 1, 1)


def compose(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the maps that go through ``first``, then through ``second``."""
    last = torch.tensor([0.0, 0.0, 1.0]).expand(len(first), 1, 3)
    return second @ torch.cat([first, last], 1)


def warp(batch: Batch, maps: torch.Tensor) -> Batch:
    """Resample a batch (bilinear); places outside the picture are black."""
    grid = torch.nn.functional.affine_grid(
        to_device(maps, batch.device), list(batch.shape), align_corners=False
    )
    return torch.nn.functional.grid_sample(batch, grid, align_corners=False)


def crop_maps(
    count: int, generator: Draws, least: float = 0.35, ratio: float = 4 / 3
) -> torch.Tensor:
    """Return random resized crops: area share from ``least`` to 1, aspect from 1/ratio to ratio."""
    area = uniform(count, generator, least, 1.0)
    aspect = torch.exp(uniform(count, generator, -math.log(ratio), math.log(ratio)))
    wide = (area * aspect).sqrt().clamp(max=1.0)
    tall = (area / aspect).sqrt().clamp(max=1.0)
    maps = torch.zeros(count, 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = wide, tall
    maps[:, 0, 2] = (1 - wide) * uniform(count, generator, -1, 1)
    maps[:, 1, 2] = (1 - tall) * uniform(count, generator, -1, 1)
    return maps


def flip(batch: Batch, generator: Draws) -> Batch:
    """Mirror half of the pictures, left to right."""
    chosen = to_device(drawn(len(batch), generator) < 0.5, batch.device)
    return torch.where(chosen[:, None, None, None], batch.flip(3), batch)


def rotation_maps(count: int, generator: Draws, degrees: float = 25.0) -> torch.Tensor:
    """Return rotations about the centre by up to ``degrees`` either way."""
    angle = uniform(count, generator, -degrees, degrees) * (math.pi / 180)
    maps = torch.zeros(count, 2, 3)
    maps[:, 0, 0] = maps[:, 1, 1] = torch.cos(angle)
    maps[:, 0, 1], maps[:, 1, 0] = -torch.sin(angle), torch.sin(angle)
    return maps


def brightness(batch: Batch, factor: torch.Tensor) -> Batch:
    """Scale each picture by its factor ``(b,)``."""
    return (batch * _each(factor, batch)).clamp(0, 255)


def contrast(batch: Batch, factor: torch.Tensor) -> Batch:
    """Move each picture away from its mean grey by a factor, or towards it."""
    mean = grey(batch).mean((1, 2, 3), keepdim=True)
    return (mean + (batch - mean) * _each(factor, batch)).clamp(0, 255)


def saturation(batch: Batch, factor: torch.Tensor) -> Batch:
    """Move each pixel away from its own grey by a factor, or towards it."""
    own = grey(batch)
    return (own + (batch - own) * _each(factor, batch)).clamp(0, 255)


def posterise(batch: Batch, factor: torch.Tensor) -> Batch:
    """Keep 8 to 2 bits of each value, as the factor lies further from 1."""
    step = 2.0 ** (6 * (factor - 1).abs().clamp(0, 1)).round()
    return batch.div(_each(step, batch)).floor() * _each(step, batch)


def solarise(batch: Batch, factor: torch.Tensor) -> Batch:
    """Invert values above a threshold, which sinks as the factor lies further from 1."""
    threshold = 256 * (1 - (factor - 1).abs().clamp(0, 1))
    return torch.where(batch >= _each(threshold, batch), 255 - batch, batch)


_COLOURS: tuple[Callable[[Batch, torch.Tensor], Batch], ...] = (
    *(brightness, contrast, saturation),
    *(posterise, solarise),
)
_SHAPES = 4  # rotate, shear, move left or right, move up or down


def trivial(batch: Batch, generator: Draws) -> tuple[torch.Tensor, Batch]:
    """Do one operation a picture, chosen evenly, at a strength chosen evenly.

    Returns:
        Maps for the pictures whose operation is one of shape, to be warped by the caller, and the
        batch with operations of colour done.
    """
    count = len(batch)
    kinds = 1 + len(_COLOURS) + _SHAPES
    kind = drawn_whole(kinds, count, generator)
    strength = uniform(count, generator, -1.0, 1.0)
    batch = batch.clone()
    for number, operation in enumerate(_COLOURS, start=1):
        chosen = torch.nonzero(kind == number)[:, 0]
        if len(chosen):
            at = to_device(chosen, batch.device)
            batch[at] = operation(batch[at], 1 + 0.9 * strength[chosen])
    maps, first = identity(count), 1 + len(_COLOURS)
    turn, shear, right, down = (
        torch.where(kind == first + n, strength, torch.zeros(())) for n in range(_SHAPES)
    )
    angle = turn * (math.pi / 4)
    maps[:, 0, 0] = maps[:, 1, 1] = torch.cos(angle)
    maps[:, 0, 1], maps[:, 1, 0] = -torch.sin(angle) + 0.5 * shear, torch.sin(angle)
    maps[:, 0, 2], maps[:, 1, 2] = 0.5 * right, 0.5 * down
    return maps, batch


def colour_jitter(batch: Batch, generator: Draws, strength: float) -> Batch:
    """Change brightness, contrast and saturation, each by a factor from 1 - s to 1 + s."""
    for operation in (brightness, contrast, saturation):
        factor = uniform(len(batch), generator, 1 - strength, 1 + strength)
        batch = operation(batch, factor)
    return batch


def mixup(
    batch: Batch, targets: torch.Tensor, generator: torch.Generator, alpha: float
) -> tuple[Batch, torch.Tensor]:
    """Blend each picture and its targets with another's (Zhang et al. 2018).

    Args:
        batch: pictures (or features), first axis b.
        targets: ``float (b, L)``.
        generator: of the partners and the shares.
        alpha: a batch's one share is drawn from Beta(alpha, alpha).
    """
    share, partner = mixup_partners(len(batch), generator, alpha)
    partner = to_device(partner, batch.device)
    return blended(batch, batch[partner], share), blended(targets, targets[partner], share)


def mixup_partners(
    count: int, generator: torch.Generator, alpha: float
) -> tuple[float, torch.Tensor]:
    """Draw the one share of a batch, and with whom each picture is blended, ``int64 (count,)``."""
    # torch's Beta takes no generator
    seed = int(torch.randint(2**62, (), generator=generator))
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    return share, torch.randperm(count, generator=generator)


def blended(own: torch.Tensor, others: torch.Tensor, share: float) -> torch.Tensor:
    """Return pictures, or targets, of which ``share`` is their own."""
    return share * own + (1 - share) * others


def grey(batch: Batch) -> Batch:
    """Return the brightness ``(b, 1, S, S)`` (ITU-R BT.601 weights)."""
    weights = to_device(torch.tensor(_GREY, dtype=batch.dtype), batch.device).view(1, 3, 1, 1)
    return (batch * weights).sum(1, keepdim=True)


def uniform(count: int, generator: Draws, low: float, high: float) -> torch.Tensor:
    """Draw ``count`` numbers evenly from [low, high)."""
    return low + (high - low) * drawn(count, generator)


def _each(values: torch.Tensor, batch: Batch) -> torch.Tensor:
    return to_device(values, batch.device).to(batch.dtype).view(-1, 1, 1, 1)
