"""Preconditioners: approximate inverse Hessians of many logistic regressions that share X."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

Apply = Callable[[torch.Tensor], torch.Tensor]

_BIN = 4.0
_ROWS_A_FEATURE = 3
_MOST_FEATURES = 2048
_MOST_NUMBERS = 50_000_000
_HEAVY = 10.0
_LIFT = 1e-3


class SharedCurvature:
    """``(mass R + I)^-1`` with R the correlation matrix: the weights of all rows are their mean.

    Args:
        X: ``(n, d)``, standardised, float32 or bfloat16.
    """

    def __init__(self, X: torch.Tensor) -> None:
        self.X = X
        self._correlation: torch.Tensor | None = None
        self._inverses: dict[int, torch.Tensor] = {}

    def of(self, mass: torch.Tensor) -> Apply:
        """Return the product with residuals ``(d, P)``, for P problems of curvature ``mass``."""
        # problems of like mass share one Cholesky factor: being off by two costs a step, no more
        bins = torch.log(mass.clamp_min(1e-12)).div(np.log(_BIN)).round().long()
        groups = [
            (self._inverse(int(b)), (bins == b).nonzero().squeeze(1)) for b in torch.unique(bins)
        ]
        return lambda residual: _by_group(groups, residual)

    def _inverse(self, power: int) -> torch.Tensor:
        if power not in self._inverses:
            if self._correlation is None:
                self._correlation = (self.X.T @ self.X).float() / len(self.X)
            self._inverses[power] = _rounded(
                _inverse_of(self._correlation * _BIN**power), self.X.dtype
            )
        return self._inverses[power]


class LabelCurvature:
    """``(X' D X + I)^-1`` for each label, D the curvatures of its rows, at one point.

    Where the data weigh more than the penalty, a rare label's curvature sits in a few rows, and the
    mean over all rows says little about it. The sum is taken over rows drawn with probability
    proportional to their curvature, which leaves its expectation as it is.

    Args:
        X: ``(n, d)``, standardised, float32 or bfloat16.
        curvature: ``float32 (n, L)``, non-negative, the strength included.
    """

    def __init__(self, X: torch.Tensor, curvature: torch.Tensor) -> None:
        count = _ROWS_A_FEATURE * X.shape[1]
        generator = torch.Generator(X.device).manual_seed(0)
        self._inverses = []
        for column in curvature.T:
            share = column.clamp_min(0).double() + 1e-30
            drawn = torch.searchsorted(
                share.cumsum(0) / share.sum(),
                torch.rand(count, generator=generator, device=X.device, dtype=torch.float64),
            ).clamp_max(len(X) - 1)
            rows = X[drawn]
            gram = (rows.T @ rows).float() * float(column.sum() / count)
            self._inverses.append(_rounded(_inverse_of(gram), X.dtype))

    @staticmethod
    def pays(n: int, d: int, *, mass: torch.Tensor) -> bool:
        """Tell whether building it costs less than the passes over X that it saves.

        Args:
            n: rows.
            d: features.
            mass: ``(L,)``, sum of the curvatures of each label.
        """
        small = d <= _MOST_FEATURES and len(mass) * d * d <= _MOST_NUMBERS
        return small and n >= 4 * d and float(mass.mean()) >= _HEAVY

    def of(self, labels: torch.Tensor) -> Apply:
        """Return the product with residuals ``(d, P)`` for problems whose labels are given."""
        groups = [
            (self._inverses[int(j)], (labels == j).nonzero()[:, 0]) for j in torch.unique(labels)
        ]
        return lambda residual: _by_group(groups, residual)


def _by_group(
    groups: list[tuple[torch.Tensor, torch.Tensor]], residual: torch.Tensor
) -> torch.Tensor:
    out = torch.empty_like(residual)
    for inverse, columns in groups:
        out[:, columns] = (inverse @ residual[:, columns].to(inverse.dtype)).to(out.dtype)
    return out


def _inverse_of(gram: torch.Tensor) -> torch.Tensor:
    """Return ``(gram + I)^-1``; multiplying by it is faster than solving with a factor."""
    M = gram.clone()
    M.diagonal().add_(1.0)
    factor, failed = torch.linalg.cholesky_ex(M)
    if failed:  # nearly collinear features: the identity is lost to rounding in float32
        M = M.double()
        M.diagonal().add_(float(M.diagonal().mean()) * 1e-6)
        factor = torch.linalg.cholesky(M).float()
    return torch.cholesky_inverse(factor)


def _rounded(inverse: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Round to a type that multiplies faster, and keep the matrix positive definite in it."""
    if dtype != torch.float32:
        inverse.diagonal().add_(_LIFT)
    return inverse.to(dtype)
