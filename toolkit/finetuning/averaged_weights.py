"""Which weights of a run count: an average over its steps, drawn back towards its start."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from toolkit.heads.optimizing import ema_decay_at


class AveragedWeights:
    """An exponential moving average of a network's weights, drawn back towards where they began.

    Weights between a linear probe and the network trained from it often score better than both
    (WiSE-FT: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"). Statistics of
    normalisations are averaged as weights are.

    Args:
        network: as training begins; it is copied.
        ema_decay: of the moving average a step, 0 for none.
        wise_ft_alpha: how far the weights that count lie from the first ones towards the trained
            ones; 1 for there.
    """

    def __init__(self, network: nn.Module, ema_decay: float, wise_ft_alpha: float = 1.0) -> None:
        self.ema_decay, self.wise_ft_alpha = ema_decay, wise_ft_alpha
        self.mean = copy.deepcopy(network).eval() if ema_decay else None
        self.start = copy.deepcopy(network).eval() if wise_ft_alpha < 1 else None
        self._pairs: Any = None

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, the steps counted from 0."""
        if self.mean is None:
            return
        if self._pairs is None or self._pairs[0] is not network:
            # gathered once: their tensors stay what they are, and a network has hundreds
            mean, now = self.mean.state_dict(), network.state_dict()
            floats = [name for name, value in mean.items() if value.is_floating_point()]
            others = [(mean[n], now[n]) for n in mean.keys() - set(floats)]
            self._pairs = (network, [mean[n] for n in floats], [now[n] for n in floats], others)
        decay = ema_decay_at(step, self.ema_decay)
        torch._foreach_lerp_(self._pairs[1], self._pairs[2], 1 - decay)
        for kept, new in self._pairs[3]:
            kept.copy_(new)

    @torch.no_grad()
    def evaluated(self, network: nn.Module) -> nn.Module:
        """Return the network whose weights count now: ``network`` itself without any average."""
        trained = network if self.mean is None else self.mean
        if self.start is None:
            return trained
        between, first = copy.deepcopy(trained), self.start.state_dict()
        for name, value in between.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.lerp(first[name], value, self.wise_ft_alpha))
        return between.eval()

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that goes on needs."""
        networks = {"mean": self.mean, "start": self.start}
        return {name: each and each.state_dict() for name, each in networks.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned."""
        for name, network in (("mean", self.mean), ("start", self.start)):
            if network is not None:
                network.load_state_dict(state[name])
