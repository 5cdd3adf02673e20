"""The preconditioners are inverses of what they say, and stay positive definite in bf16."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from toolkit.heads.logistic import solve
from toolkit.heads.preconditioner import LabelCurvature, SharedCurvature


def _standardised(n: int, d: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn((n, d), generator=generator) @ torch.randn((d, d), generator=generator)
    return (X - X.mean(0)) / X.std(0)


def test_the_shared_inverse_undoes_the_mean_curvature() -> None:
    X = _standardised(400, 12)
    residual = torch.randn((12, 3), generator=torch.Generator().manual_seed(1))
    mass = torch.tensor([4.0, 4.0, 64.0])  # powers of the bin's base, which are met exactly
    found = SharedCurvature(X).of(mass)(residual)
    for j in range(3):
        hessian = mass[j] * (X.T @ X) / len(X) + torch.eye(12)
        torch.testing.assert_close(hessian @ found[:, j], residual[:, j], atol=1e-3, rtol=1e-3)


def test_a_labels_inverse_comes_near_its_own_hessian() -> None:
    """Preconditioned by it, eigenvalues lie near 1, however few rows hold the curvature."""
    X = _standardised(6000, 12)
    curvature = torch.full((6000, 2), 1e-6)
    curvature[:300, 0] = 5.0
    curvature[:, 1] = 0.3
    found = LabelCurvature(X, curvature)
    for j in range(2):
        hessian = X.T @ (X * curvature[:, j : j + 1]) + torch.eye(12)
        apply = found.of(torch.full((12,), j))
        values = torch.linalg.eigvals(apply(hessian)).real
        assert values.min() > 0.2
        assert values.max() < 5


def test_in_bf16_it_stays_positive_definite() -> None:
    X = _standardised(2000, 40)
    found = LabelCurvature(X.bfloat16(), torch.full((2000, 1), 50.0))
    inverse = found.of(torch.zeros(40, dtype=torch.long))(torch.eye(40))
    assert torch.linalg.eigvalsh((inverse + inverse.T) / 2).min() > 0


@pytest.mark.parametrize(
    ("n", "d", "mass", "pays"),
    [(16_000, 1280, 20.0, True), (16_000, 1280, 0.1, False), (3000, 1280, 20.0, False)],
)
def test_it_is_built_where_the_data_outweigh_the_penalty(
    n: int, d: int, mass: float, pays: bool
) -> None:
    assert LabelCurvature.pays(n, d, mass=torch.full((14,), mass)) is pays


def test_it_changes_the_way_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    X = _standardised(1500, 10).numpy()
    random = np.random.default_rng(0)
    Y = (X[:, :3] + random.normal(size=(1500, 3)) > 1).astype(np.uint8)
    fold, weight = np.arange(1500) % 3, np.ones(Y.shape, np.float32)
    found = []
    for always in (False, True):
        monkeypatch.setattr(
            LabelCurvature, "pays", staticmethod(lambda *_, always=always, **__: always)
        )
        found.append(solve(X, Y, weight, fold, [1e-3, 1e-1, 10.0], tol=1e-9, quick=False))
    np.testing.assert_allclose(found[0].logits, found[1].logits, atol=2e-3)
    assert found[1].converged.all()
