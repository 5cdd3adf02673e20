"""Optimizer: parameters in groups by depth, each with its own rate and its turn to learn."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from toolkit.finetuning.settings import Settings
from toolkit.heads.optimizing import decay_groups

GROUPS = 8


def depth_groups(network: nn.Module, groups: int = GROUPS) -> list[list[nn.Parameter]]:
    """Return the parameters in groups by depth, the first layers first, the new head last.

    The trunk's layers (modules that own parameters, in the order in which the network registers
    them) are cut into parts of nearly one number of layers; a trunk of fewer layers has fewer
    groups. Only parameters that :meth:`torch.nn.Module.parameters` names once count once.

    >>> [len(group) for group in depth_groups(nn.ModuleDict({"head": nn.Linear(3, 2)}))]
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
    ends = [i * len(layers) // cut for i in range(cut + 1)] if cut else []
    depths = [
        list(itertools.chain.from_iterable(layers[start:end]))
        for start, end in itertools.pairwise(ends)
    ]
    return [*depths, head]


def make_optimizer(
    groups: Sequence[Sequence[nn.Parameter]], how: Settings, extra: nn.Module | None = None
) -> torch.optim.Optimizer:
    """Return an optimizer, each of its groups with a ``base_rate``.

    The group d steps below the last one of the trunk learns at ``trunk_rate * layer_decay ** d``
    times the output layer's rate (Howard & Ruder 2018; Bao et al. 2022). Vectors (biases and the
    scales of normalisations) are decayed by other optimizers than ``adamw`` only, as these do.

    Args:
        groups: see :func:`depth_groups`.
        how: the settings.
        extra: learns at the output layer's rate.
    """
    made: list[dict[str, Any]] = []
    last = len(groups) - 2
    for number, group in enumerate(groups):
        below = how.learning_rate * how.trunk_rate * how.layer_decay ** max(0, last - number)
        rate = how.learning_rate if number > last else below
        made += decay_groups(group, how.weight_decay, lr=rate, base_rate=rate)
    if how.optimizer != "adamw":
        made = [group | {"weight_decay": how.weight_decay} for group in made]
    if extra is not None:
        rate = how.learning_rate
        made += decay_groups(extra.parameters(), how.weight_decay, lr=rate, base_rate=rate)
    if how.optimizer == "sgd":
        return torch.optim.SGD(made, lr=how.learning_rate, momentum=how.momentum, fused=True)
    if how.optimizer == "rmsprop":
        return torch.optim.RMSprop(made, lr=how.learning_rate)
    kind = torch.optim.Adam if how.optimizer == "adam" else torch.optim.AdamW
    return kind(made, lr=how.learning_rate, fused=True)


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
