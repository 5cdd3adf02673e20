"""The losses against their formulas, their derivatives, and one another."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from toolkit.heads.losses import asymmetric, binary_cross_entropy, focal

LOGITS = np.linspace(-6, 6, 25)
LOSSES = [
    binary_cross_entropy,
    partial(binary_cross_entropy, pos_weight=7.0),
    partial(focal, gamma=0.5),
    partial(focal, gamma=2.0, alpha=0.25),
    asymmetric,
    partial(asymmetric, gamma_negative=0.5, gamma_positive=1.0, clip=0.0),
    partial(asymmetric, gamma_negative=0.5, clip=0.2),
]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def values(loss: Loss, target: float) -> np.ndarray:
    logits = torch.from_numpy(LOGITS)
    out: np.ndarray = loss(logits, torch.full_like(logits, target)).numpy()
    return out


def sigmoid(z: np.ndarray) -> np.ndarray:
    p: np.ndarray = 1 / (1 + np.exp(-z))
    return p


def test_cross_entropy_is_its_formula() -> None:
    p = sigmoid(LOGITS)
    weighted = partial(binary_cross_entropy, pos_weight=7.0)
    np.testing.assert_allclose(values(weighted, 1.0), -7 * np.log(p), rtol=1e-10)
    np.testing.assert_allclose(values(weighted, 0.0), -np.log(1 - p), rtol=1e-10)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_is_its_formula(gamma: float) -> None:
    p = sigmoid(LOGITS)
    loss = partial(focal, gamma=gamma, alpha=0.25)
    np.testing.assert_allclose(values(loss, 1.0), -0.25 * (1 - p) ** gamma * np.log(p), rtol=1e-9)
    np.testing.assert_allclose(values(loss, 0.0), -0.75 * p**gamma * np.log(1 - p), rtol=1e-9)


@pytest.mark.parametrize("clip", [0.0, 0.05, 0.3])
def test_asymmetric_loss_is_its_formula(clip: float) -> None:
    p = sigmoid(LOGITS)
    q = np.maximum(p - clip, 0)
    loss = partial(asymmetric, gamma_negative=3.0, gamma_positive=1.0, clip=clip)
    np.testing.assert_allclose(values(loss, 1.0), -(1 - p) * np.log(p), rtol=1e-9)
    np.testing.assert_allclose(values(loss, 0.0), -(q**3) * np.log(1 - q), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_special_cases_are_one_another(target: float) -> None:
    plain = values(binary_cross_entropy, target)
    np.testing.assert_allclose(values(partial(focal, gamma=0.0), target), plain, rtol=1e-12)
    none = partial(asymmetric, gamma_negative=0.0, gamma_positive=0.0, clip=0.0)
    np.testing.assert_allclose(values(none, target), plain, rtol=1e-12)
    symmetric = partial(asymmetric, gamma_negative=2.0, gamma_positive=2.0, clip=0.0)
    np.testing.assert_allclose(
        values(symmetric, target), values(partial(focal, gamma=2.0), target), rtol=1e-12
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_a_soft_target_mixes_the_two_hard_ones(loss: Loss) -> None:
    mixed = 0.3 * values(loss, 1.0) + 0.7 * values(loss, 0.0)
    np.testing.assert_allclose(values(loss, 0.3), mixed, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [0.0, 0.4, 1.0])
def test_gradients_are_the_slopes(loss: Loss, target: float) -> None:
    # kinks, where a slope is two, lie at sigmoid(z) = clip: none of these logits is there
    logits = torch.from_numpy(LOGITS).requires_grad_()
    targets = torch.full_like(logits, target)
    (gradient,) = torch.autograd.grad(loss(logits, targets).sum(), logits)
    with torch.no_grad():
        rise = loss(logits + 1e-6, targets) - loss(logits - 1e-6, targets)
    np.testing.assert_allclose(gradient, rise / 2e-6, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_extreme_logits_have_finite_losses_and_gradients(loss: Loss, target: float) -> None:
    logits = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4], requires_grad=True)
    found = loss(logits, torch.full_like(logits, target))
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert torch.isfinite(found).all()
    assert torch.isfinite(gradient).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_certain_truth_costs_nothing_and_certain_error_much(loss: Loss) -> None:
    positive, negative = values(loss, 1.0), values(loss, 0.0)
    assert positive[-1] < 0.05
    assert positive[0] > 1
    assert negative[0] < 0.05
    assert negative[-1] > 0.5
    assert (np.diff(positive) <= 0).all()


def test_easy_negatives_below_the_clip_do_not_pull() -> None:
    logits = torch.tensor([-4.0, 0.0], requires_grad=True)
    loss = asymmetric(logits, torch.zeros(2), clip=0.05)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert gradient[0] == 0
    assert gradient[1] > 0
