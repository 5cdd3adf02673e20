"""Draws: random numbers of a batch, one a picture, also where only some of its pictures are."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Part:
    """Some pictures of a batch, which get the numbers that they would get among all of them.

    Attributes:
        generator: of the whole batch's numbers.
        count: pictures of the whole batch.
        at: ``int64 (p,)``, places of those that are here.
    """

    generator: torch.Generator
    count: int
    at: torch.Tensor


Draws = torch.Generator | Part


def drawn(count: int, draws: Draws) -> torch.Tensor:
    """Draw ``count`` numbers evenly from [0, 1)."""
    if isinstance(draws, Part):
        return torch.rand(draws.count, generator=draws.generator)[draws.at]
    return torch.rand(count, generator=draws)


def drawn_whole(below: int, count: int, draws: Draws) -> torch.Tensor:
    """Draw ``count`` whole numbers evenly from 0 to ``below - 1``."""
    if isinstance(draws, Part):
        return torch.randint(below, (draws.count,), generator=draws.generator)[draws.at]
    return torch.randint(below, (count,), generator=draws)
