"""Step batch: the pictures and targets of one training step, changed as the settings say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from toolkit.finetuning.augment import blended, mixup, mixup_partners
from toolkit.finetuning.draws import Draws, Part
from toolkit.finetuning.forward import prepared
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.finetuning.workers import Share
from toolkit.runtime.transfers import to_device


class StepBatch(NamedTuple):
    """What a step learns from.

    Attributes:
        inputs: as the network takes them; of a share, its pictures alone.
        targets: ``float (b, k)`` of the whole batch.
        generator: of what else is random in the step.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    generator: torch.Generator


def step_batch(
    source: Source,
    how: Settings,
    at: np.ndarray,
    targets: torch.Tensor,
    seed: int,
    share: Share | None,
) -> StepBatch:
    """Read, augment and blend a batch.

    A picture looks the same whichever worker computes it. With mixup a worker changes the pictures
    too that its own are blended with: up to twice as many.

    Args:
        source: pictures or features.
        how: the settings.
        at: ``int64 (b,)``, rows of the whole batch.
        targets: ``float (b, k)``.
        seed: of everything random.
        share: the pictures that are wanted; None for all.
    """

    def seen(rows: np.ndarray, draws: Draws) -> torch.Tensor:
        batch = source.batch(rows)
        return prepared(how.augmentation(batch, draws) if source.pixels else batch, source)

    generator = torch.Generator().manual_seed(seed)
    if share is None:
        batch = seen(at, generator)
        if how.mixup:
            batch, targets = mixup(batch, targets, generator, how.mixup)
        return StepBatch(batch, targets, generator)
    batch = seen(at[share.at.numpy()], Part(generator, len(at), share.at))
    if how.mixup:
        part, partner = mixup_partners(len(at), generator, how.mixup)
        again, whom = torch.Generator().manual_seed(seed), partner[share.at]
        batch = blended(batch, seen(at[whom.numpy()], Part(again, len(at), whom)), part)
        targets = blended(targets, targets[to_device(partner, targets.device)], part)
    return StepBatch(batch, targets, generator)
