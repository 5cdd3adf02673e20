"""Many multilayer perceptrons at once, by blocks of labels, or one of them for all labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from toolkit.heads.label_blocks import label_blocks
from toolkit.heads.network_head import Layers, NetworkHead, in_blocks
from toolkit.heads.optimizing import batches, ema_decay_at, rate_factor, steps_per_epoch
from toolkit.runtime.forecast import current_forecast
from toolkit.runtime.transfers import exact_products, to_device

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

LAYERS = ("first", "first_bias", "second", "second_bias")
_SCORED_ROWS = 256
_SCORED_LABELS = 256
# labels trained at a time: enough for wide products, and their second layers can still be one dense
# matrix, whose zeros are then a twentieth of a step
BLOCK = 32


def logits_of(layers: Layers, X: np.ndarray) -> np.ndarray:
    """Return ``float32 (n, L)`` for standardised ``X (n, d)``, in float32 on the processor.

    Args:
        layers: what L networks of H hidden units learned: ``first (d, L * H)``, of which label j
            owns columns ``j * H`` to ``(j + 1) * H``, ``first_bias (L * H,)``, ``second (L, H)``
            and ``second_bias (L,)``; or one for all of them, ``first (d, H)`` and
            ``first_bias (H,)``.
        X: ``float32 (n, d)``.
    """
    first, first_bias, second, second_bias = (layers[name] for name in LAYERS)
    labels, hidden = second.shape

    def shared(rows: np.ndarray) -> np.ndarray:
        z: np.ndarray = np.maximum(rows @ first + first_bias, 0.0) @ second.T + second_bias
        return z

    def each(rows: np.ndarray) -> np.ndarray:
        out = []
        for block in label_blocks(labels, -(-labels // _SCORED_LABELS)):
            units = slice(block.start * hidden, block.stop * hidden)
            a = np.maximum(rows @ first[:, units] + first_bias[units], 0.0)
            a = a.reshape(len(rows), -1, hidden)
            out.append(np.einsum("nlh,lh->nl", a, second[block]) + second_bias[block])
        return np.concatenate(out, axis=1)

    one = len(first_bias) == hidden < labels * hidden
    return in_blocks(X, _SCORED_ROWS, labels, shared if one else each)


class BestEpoch:
    """The epoch with the lowest validation loss, for each label, as epochs go by.

    A label's loss is taken relative to that of a constant predictor, and shrunk towards the mean
    over labels: a label with k positives among the validation rows trusts its own curve as
    ``k / (k + shrinkage)``, since the curve of a rare label is mostly noise.

    Attributes:
        epoch: ``int (L,)``, the best so far, from 1; 0 before the first.
    """

    def __init__(self, constant: np.ndarray, positives: np.ndarray, shrinkage: float) -> None:
        """Take the constant predictor's losses and the numbers of positives, each ``(L,)``."""
        self._constant = constant.clip(1e-12)
        self._trust = (positives + 1e-12) / (positives + shrinkage + 1e-12)
        self._lowest = np.full(len(constant), np.inf)
        self._epochs = 0
        self.epoch = np.zeros(len(constant), np.int64)

    def update(self, loss: np.ndarray) -> np.ndarray:
        """Take the losses ``(L,)`` after another epoch; return which labels are at their best."""
        self._epochs += 1
        relative = loss / self._constant
        relative = self._trust * relative + (1 - self._trust) * relative.mean()
        better: np.ndarray = relative < self._lowest
        self._lowest[better] = relative[better]
        self.epoch[better] = self._epochs
        return better


@dataclass(frozen=True)
class Validation:
    """Rows that the best epoch of each label is chosen by; see :class:`BestEpoch`.

    Attributes:
        X: ``float32 (m, d)``, standardised.
        Y: ``(m, L)`` of 0 and 1.
        weight: ``float32 (m, L)``.
        shrinkage: in positives.
    """

    X: np.ndarray
    Y: np.ndarray
    weight: np.ndarray
    shrinkage: float

    def of(self, labels: slice) -> Validation:
        """Return the same rows with some of the labels."""
        return replace(self, Y=self.Y[:, labels], weight=self.weight[:, labels])


def train(
    X: np.ndarray,
    Y: np.ndarray,
    weight: np.ndarray,
    loss: Loss,
    how: NetworkHead,
    seed: tuple[int, ...],
    validation: Validation | None = None,
    ema_decay: float | None = None,
    shared: int = 0,
) -> tuple[Layers, np.ndarray]:
    """Train one network a label, or one for all, and return its layers and their epochs ``(L,)``.

    The first layers of a block of labels are one matrix, so a step is one wide product forwards and
    one backwards. Initial weights, batches and dropout masks are the same for every label: a
    label's network comes out as it would if it were trained alone. So one block is trained after
    another, and time grows with the number of labels, while memory beyond what is returned does
    not; with ``validation`` the blocks take turns by the epoch, as the best one depends on all.

    Args:
        X: ``float32 (n, d)``, standardised.
        Y: ``(n, L)`` of 0 and 1.
        weight: ``float32 (n, L)``; only its proportions within a label count.
        loss: elementwise, of logits and targets.
        how: the head, unfitted; both layers' weights are decayed, not their biases.
        seed: of everything random here; global generators are neither read nor moved.
        validation: rows to choose each label's epoch by; without them it is the last.
        ema_decay: decay a step of a moving average of the weights; None takes them as they are.
        shared: units of one hidden layer for all labels; 0 for a layer of ``how.hidden`` each. With
            one layer there is one best epoch.
    """
    labels, width = Y.shape[1], shared or Y.shape[1] * how.hidden
    shapes = ((X.shape[1], width), (width,), (labels, shared or how.hidden), (labels,))
    kept = [np.empty(shape, np.float32) for shape in shapes]
    layers = dict(zip(LAYERS, kept, strict=True))
    rows = _on_device(X, how)

    def begun(block: slice) -> _Networks:
        kind, random = (_SharedNetwork if shared else _Networks), np.random.default_rng(seed)
        return kind(rows, Y[:, block], weight[:, block], loss, how, shared, random, ema_decay)

    def keep(block: slice, networks: _Networks, better: np.ndarray) -> None:
        units = np.full(width, better.all()) if shared else better.repeat(how.hidden)
        own = slice(None) if shared else slice(block.start * how.hidden, block.stop * how.hidden)
        places: list[Any] = [(slice(None), own), own, block, block]
        chosen: list[Any] = [(slice(None), units), units, better, better]
        for array, place, values, at in zip(kept, places, networks.arrays(), chosen, strict=True):
            array[place][at] = values[at]

    blocks, forecast = blocks_trained(labels, shared), current_forecast()
    if validation is None:
        for block in blocks:
            networks = begun(block)
            for _ in range(how.epochs):
                networks.epoch()
                forecast.advance()
            keep(block, networks, np.ones(block.stop - block.start, bool))
        return layers, np.full(labels, how.epochs)
    running = [(block, begun(block), validation.of(block)) for block in blocks]
    constant = [each.mean_loss(torch.logit(each.rate), part) for _, each, part in running]
    positives = (validation.Y * (validation.weight > 0)).sum(0)
    best = BestEpoch(
        np.concatenate(constant), positives, math.inf if shared else validation.shrinkage
    )
    for _ in range(how.epochs):
        for _, networks, _ in running:
            networks.epoch()
            forecast.advance()
        better = best.update(np.concatenate([each.loss_on(part) for _, each, part in running]))
        for block, networks, _ in running:
            if better[block].any():
                keep(block, networks, better[block])
    return layers, best.epoch


def blocks_trained(labels: int, shared: int) -> list[slice]:
    """Return the blocks of labels that are trained one after another; ``shared`` ones are one."""
    return [slice(0, labels)] if shared else label_blocks(labels, -(-labels // BLOCK))


def _on_device(X: np.ndarray, how: NetworkHead) -> torch.Tensor:
    device, precision = how.hardware()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return torch.from_numpy(X).to(device, dtype)


def initial_weights(
    d: int, hidden: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the layers ``(d, H)`` and ``(H,)`` that every label starts from (He et al. 2015)."""
    first = random.standard_normal((d, hidden), np.float32) * np.float32(math.sqrt(2 / d))
    second = random.standard_normal(hidden, np.float32) * np.float32(math.sqrt(1 / hidden))
    return first, second


class _Networks:
    """L networks in training: master weights, their optimizer, and copies to multiply with."""

    def __init__(
        self,
        X: torch.Tensor,
        Y: np.ndarray,
        weight: np.ndarray,
        loss: Loss,
        how: NetworkHead,
        shared: int,
        random: np.random.Generator,
        ema_decay: float | None,
    ) -> None:
        self.ema_decay = ema_decay
        self.how, self.loss, self.random = how, loss, random
        self.X, self.device, self.dtype = X, X.device, X.dtype
        self.precision = "bf16" if X.dtype == torch.bfloat16 else "fp32"
        self.labels, self.hidden = Y.shape[1], shared or how.hidden
        self.Y = self._float(Y)
        self.weight = self._float(weight / weight.mean(0, dtype=np.float64))
        self.rate = (self.weight * self.Y).mean(0).clamp(1e-6, 1 - 1e-6)
        first, second = initial_weights(X.shape[1], self.hidden, random)
        copies = 1 if shared else self.labels
        self.first = self._float(np.tile(first, copies))
        self.first_bias = torch.zeros(copies * self.hidden, device=self.device)
        self.second = self._float(np.tile(second, (self.labels, 1)))
        self.second_bias = torch.logit(self.rate)
        self.parameters = [self.first, self.first_bias, self.second, self.second_bias]
        self.gradients, self.means, self.squares = (
            [torch.zeros_like(parameter) for parameter in self.parameters] for _ in range(3)
        )
        self.average = [p.clone() for p in self.parameters] if ema_decay is not None else None
        self.first_copy = self.first.to(self.dtype)
        self.steps = how.epochs * steps_per_epoch(len(X), how.batch_size)
        self.taken = 0
        self.taken_there = torch.zeros((), device=self.device)  # the same, where no copy is needed
        self.blocks = self._second_layers()

    def epoch(self) -> None:
        """Take a step for each batch of all rows."""
        with exact_products(self.device, self.precision):
            for rows in batches(len(self.X), self.how.batch_size, self.random):
                self.step(rows)

    @torch.no_grad()
    def step(self, rows: np.ndarray) -> None:
        """Take one step of AdamW on the mean loss over some rows, each label its own."""
        at = to_device(torch.from_numpy(rows), self.device)
        x, y, weight = self.X[at], self.Y[at], self.weight[at]
        if self.how.input_dropout:
            mask, kept = self._mask(x.shape, self.how.input_dropout)
            x *= mask.mul_(1 / kept)
        self._gradients(x, y, weight)
        self._adamw()
        self.first_copy.copy_(self.first)
        if self.average is not None and self.ema_decay is not None:
            decay = ema_decay_at(self.taken - 1, self.ema_decay)
            for average, parameter in zip(self.average, self.parameters, strict=True):
                average.lerp_(parameter, 1 - decay)

    def _gradients(self, x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> None:
        a = torch.addmm(self.first_bias.to(self.dtype), x, self.first_copy).relu_()
        kept = 1.0
        if self.how.dropout:
            # one mask for every label: cheaper to draw, and no label sees another in it
            mask, kept = self._mask((len(x), 1, self.hidden), self.how.dropout)
            a.view(len(x), -1, self.hidden).mul_(mask)
        second = self._filled(self.second / kept)
        logits = (a @ second.T).float() + self.second_bias
        slope = self._slope(logits, y, weight) / len(x)
        s = slope.to(self.dtype)
        # a is 0 where the unit is off or dropped, which is where no gradient goes through
        da = torch.ops.aten.threshold_backward(s @ second, a, 0)
        own = self._own(s.T @ a)
        ones = torch.ones((1, len(x)), dtype=self.dtype, device=self.device)
        found = [x.T @ da, (ones @ da)[0], own / kept, slope.sum(0)]
        for gradient, value in zip(self.gradients, found, strict=True):
            gradient.copy_(value)

    def _second_layers(self) -> torch.Tensor:
        # the second layers of all labels as one matrix (L, L, H) with zeros off the diagonal, so
        # that they too are one product; the first layer's d features are many more than L
        shape = self.labels, self.labels, self.hidden
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def _filled(self, second: torch.Tensor) -> torch.Tensor:
        """Return the second layers ``(L, H)`` as a matrix from all units, to multiply with."""
        self.blocks.diagonal().copy_(second.T)
        return self.blocks.view(self.labels, -1)

    def _own(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return what of a gradient ``(L, units)`` belongs to each label's own units."""
        return gradient.view(self.labels, self.labels, self.hidden).diagonal().T

    def _outputs(self, a: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nlh,lh->nl", a.view(-1, self.labels, self.hidden), second)

    def _adamw(self) -> None:
        """Move the weights (Loshchilov & Hutter 2019), one pass over each of them.

        This is the kernel under ``torch.optim.AdamW(fused=True)``, without that class: making one
        imports torch's compiler, which takes longer than training on a small data set.
        """
        rate = self.how.learning_rate * rate_factor(self.taken, self.steps)
        self.taken += 1
        self.taken_there += 1
        for at, decay in enumerate((self.how.weight_decay, 0.0, self.how.weight_decay, 0.0)):
            torch._fused_adamw_(
                [self.parameters[at]], [self.gradients[at]], [self.means[at]], [self.squares[at]],
                [], [self.taken_there], lr=rate, beta1=0.9,
                beta2=0.999, weight_decay=decay, eps=1e-8, amsgrad=False, maximize=False,
            )  # fmt: skip

    def _slope(self, logits: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            logits.requires_grad_()
            total = (weight * self.loss(logits, y)).sum()
            return torch.autograd.grad(total, logits)[0]

    def _mask(self, shape: tuple[int, ...], share: float) -> tuple[torch.Tensor, float]:
        """Draw a 0/1 mask and say what share it keeps, to 1/256: a byte an element is fast."""
        dropped = min(round(share * 256), 255)
        drawn = np.frombuffer(self.random.bytes(math.prod(shape)), np.uint8) >= dropped
        mask = to_device(torch.from_numpy(drawn.reshape(shape)), self.device).to(self.dtype)
        return mask, 1 - dropped / 256

    @torch.no_grad()
    def loss_on(self, validation: Validation) -> np.ndarray:
        """Return the mean loss ``(L,)`` of the weights as :meth:`arrays` would give them."""
        first, first_bias, second, second_bias = self.average or self.parameters
        first, first_bias = first.to(self.dtype), first_bias.to(self.dtype)
        logits = []
        for start in range(0, len(validation.X), self.how.batch_size):
            rows = torch.from_numpy(validation.X[start : start + self.how.batch_size])
            x = rows.to(self.device, self.dtype)
            a = torch.addmm(first_bias, x, first).relu_().float()
            logits.append(self._outputs(a, second) + second_bias)
        return self.mean_loss(torch.cat(logits), validation)

    def mean_loss(self, logits: torch.Tensor, validation: Validation) -> np.ndarray:
        """Return the mean loss ``(L,)`` of logits ``(m, L)``, or of ``(L,)`` for all rows."""
        weight, Y = self._float(validation.weight), self._float(validation.Y)
        total = (weight * self.loss(logits.expand_as(Y), Y)).sum(0)
        loss: np.ndarray = (total / weight.sum(0).clamp_min(1e-12)).double().cpu().numpy()
        return loss

    def arrays(self) -> list[np.ndarray]:
        """Return a copy of the weights, averaged where they are averaged."""
        return [p.numpy(force=True).copy() for p in self.average or self.parameters]

    def _float(self, values: np.ndarray) -> torch.Tensor:
        given = np.ascontiguousarray(values, np.float32)
        return torch.from_numpy(given).to(self.device)


class _SharedNetwork(_Networks):
    """One network in training: its hidden layer serves all labels, each by weights of its own."""

    def _second_layers(self) -> torch.Tensor:
        return torch.empty_like(self.second, dtype=self.dtype)

    def _filled(self, second: torch.Tensor) -> torch.Tensor:
        return self.blocks.copy_(second)

    def _own(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient

    def _outputs(self, a: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return a @ second.T
