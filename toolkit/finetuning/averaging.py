"""Averaging: which weights count, between start and end and over the last steps."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class Averaging:
    """An exponential moving average of a network's weights, drawn back towards where they began.

    Weights between a linear probe and the network trained from it often score better than both
    (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"). Statistics of normalisations
    are averaged as weights are.

    Args:
        network: as training begins; it is copied.
        decay: of the moving average a step, 0 for none.
        interpolate: how far the weights that count lie from the first ones towards the trained
            ones; 1 for there.
    """

    def __init__(self, network: nn.Module, decay: float, interpolate: float = 1.0) -> None:
        self.decay, self.interpolate = decay, interpolate
        self.mean = copy.deepcopy(network).eval() if decay else None
        self.start = copy.deepcopy(network).eval() if interpolate < 1 else None

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, the steps counted from 0."""
        if self.mean is None:
            return
        # early on, an average over the few steps so far
        decay = min(self.decay, (step + 1) / (step + 10))
        mean, now = self.mean.state_dict(), network.state_dict()
        floats = [name for name, value in mean.items() if value.is_floating_point()]
        torch._foreach_lerp_([mean[n] for n in floats], [now[n] for n in floats], 1 - decay)
        for name in mean.keys() - set(floats):
            mean[name].copy_(now[name])

    @torch.no_grad()
    def judged(self, network: nn.Module) -> nn.Module:
        """Return the network whose weights count now; ``network`` itself where nothing is averaged.

        Args:
            network: in training.
        """
        trained = network if self.mean is None else self.mean
        if self.start is None:
            return trained
        between, first = copy.deepcopy(trained), self.start.state_dict()
        for name, value in between.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.lerp(first[name], value, self.interpolate))
        return between.eval()

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that goes on needs."""
        return {
            name: None if network is None else network.state_dict()
            for name, network in (("mean", self.mean), ("start", self.start))
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned."""
        for name, network in (("mean", self.mean), ("start", self.start)):
            if network is not None:
                network.load_state_dict(state[name])
