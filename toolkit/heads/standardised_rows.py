"""Rows of X as many logistic regressions see them: standardised, at hand or read block by block."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from toolkit.heads.preconditioner import SharedCurvature
from toolkit.runtime.device import device_kind
from toolkit.runtime.processor import processor_has_bf16

_LARGE = 4_000_000
# numbers of X above which it is not copied: 1.6 GB in float32
STREAMED = 400_000_000
_BLOCK = 8192
_SAMPLE = 65_536


class Rows(Protocol):
    """An array ``float32 (n, d)``, or what gives its rows by slices: computed or read when asked.

    Attributes:
        shape: ``(n, d)``.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n, d)``."""

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Return some rows, ``float32 (m, d)``."""


def tensor(values: np.ndarray, device: str) -> torch.Tensor:
    """Return ``float32`` values on a device, not copied where they need not be."""
    given = np.ascontiguousarray(values)
    if not given.flags.writeable:  # as of a file; torch has no tensors that are not to be written
        given = given.copy()
    return torch.as_tensor(given, dtype=torch.float32, device=device)


class StandardisedRows:
    """X for products with it, and mean and scale of the rows that each model is fitted on.

    Centring and scaling once with all rows is for the arithmetic's sake only: what each model is
    penalised by comes from its own rows.

    Attributes:
        used: ``float32 (F, n)``, 1 for the rows that model f is fitted on.
        centre: ``float32 (d,)``.
        spread: ``float32 (d,)``.
        mean: ``float32 (F, d)`` of each model's rows, in units of the spread.
        scale: ``float32 (F, d)``; 1 for a constant feature.
        curvature: preconditioner that all models share.
        quick: ``(n, d)`` for products that need not be exact, bfloat16 or float32.
    """

    def __init__(self, X: np.ndarray, used: np.ndarray, device: str, quick: bool | None) -> None:
        """Take X ``float32 (n, d)`` and ``used``, bool ``(F, n)``; ``quick``: hold a bf16 copy."""
        given = tensor(X, device)
        self.used = tensor(used, device)
        self.centre = given.mean(0)
        self.spread = given.std(0, unbiased=False).clamp_min(1e-8)
        self._X = (given - self.centre).div_(self.spread)
        half = _in_bf16(X, device) if quick is None else quick
        self.quick = self._X.bfloat16() if half else self._X
        count = self.used.sum(1, keepdim=True)
        self.mean = self.used @ self._X / count
        self._find_scale(self.used @ self._X.square() / count)
        self.curvature = SharedCurvature(self.quick)

    def _find_scale(self, square: torch.Tensor) -> None:
        self.scale = (square - self.mean.square()).clamp_min(0).sqrt()
        self.scale[self.scale < 1e-6] = 1.0  # as in StandardScaler

    @property
    def rounded(self) -> bool:
        """Whether quick products are less exact than others."""
        return self.quick is not self._X

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, d)``."""
        n, d = self.quick.shape
        return n, d

    def times(self, v: torch.Tensor, *, quick: bool = False) -> torch.Tensor:
        """Return X v, ``float32 (n, P)``, for ``v (d, P)``."""
        X = self.quick if quick else self._X
        return (X @ v.to(X.dtype)).float()

    def back(self, residual: torch.Tensor, *, quick: bool = False) -> torch.Tensor:
        """Return X' residual, ``float32 (d, P)``, for ``residual (n, P)``."""
        X = self.quick if quick else self._X
        return (residual.T.to(X.dtype) @ X).float().T


class StreamedRows(StandardisedRows):
    """The same for X that is not copied: exact products standardise it anew, some rows at a time.

    A copy in bf16 is held where the processor multiplies it, for the products inside conjugate
    gradients. Sums over rows are in float64, so results differ from those of
    :class:`StandardisedRows` by rounding.
    """

    def __init__(self, X: Rows, used: np.ndarray, device: str, quick: bool | None) -> None:
        """Take X, an array, memory-mapped or not, or its rows by slices."""
        self._given, self._device = X, device
        n, d = X.shape
        self.used = tensor(used, device)
        total, square = (torch.zeros(d, dtype=torch.float64, device=device) for _ in range(2))
        pivot = tensor(X[:_BLOCK], device).mean(0)  # so that squares keep their digits
        for rows in self._blocks(n):
            x = (tensor(X[rows], device) - pivot).double()
            total += x.sum(0)
            square += x.square().sum(0)
        self.centre = (pivot + total / n).float()
        spread = (square / n - (total / n).square()).clamp_min(0).sqrt()
        self.spread = spread.float().clamp_min(1e-8)
        self._half = _in_bf16(X, device) if quick is None else quick
        if self._half:
            self.quick = torch.empty((n, d), dtype=torch.bfloat16, device=device)
        mean, square = (
            torch.zeros((len(used), d), dtype=torch.float64, device=device) for _ in range(2)
        )
        count = self.used.sum(1, keepdim=True, dtype=torch.float64)
        for rows in self._blocks(n):
            x = self._standardised(rows)
            if self._half:
                self.quick[rows] = x.bfloat16()
            mean += (self.used[:, rows] @ x).double() / count
            square += (self.used[:, rows] @ x.square()).double() / count
        self.mean = mean.float()
        self._find_scale(square.float())
        step = -(-n // _SAMPLE)
        some = self.quick[::step] if self._half else self._standardised(slice(0, n, step))
        if not self._half:
            self.quick = some  # a preconditioner of some rows: no exact product takes it
        self.curvature = SharedCurvature(some)

    @property
    def rounded(self) -> bool:
        """See :class:`StandardisedRows`."""
        return self._half

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, d)``."""
        n, d = self._given.shape
        return n, d

    def times(self, v: torch.Tensor, *, quick: bool = False) -> torch.Tensor:
        """See :class:`StandardisedRows`."""
        if quick and self._half:
            return super().times(v, quick=True)
        out = torch.empty((self.shape[0], v.shape[1]), device=self._device)
        for rows in self._blocks(len(out)):
            torch.mm(self._standardised(rows), v, out=out[rows])
        return out

    def back(self, residual: torch.Tensor, *, quick: bool = False) -> torch.Tensor:
        """See :class:`StandardisedRows`."""
        if quick and self._half:
            return super().back(residual, quick=True)
        total = torch.zeros(
            (residual.shape[1], self.shape[1]), dtype=torch.float64, device=self._device
        )
        for rows in self._blocks(len(residual)):
            total += residual[rows].T @ self._standardised(rows)
        return total.float().T

    def _standardised(self, rows: slice) -> torch.Tensor:
        return (tensor(self._given[rows], self._device) - self.centre).div_(self.spread)

    @staticmethod
    def _blocks(n: int) -> list[slice]:
        return [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]


def standardised_rows(
    X: Rows, used: np.ndarray, device: str, quick: bool | None = None
) -> StandardisedRows:
    """Return X for products with it, copied where it is small enough.

    Args:
        X: ``float32 (n, d)``.
        used: ``bool (F, n)``, the rows that each model is fitted on.
        device: ``cpu`` or ``cuda``.
        quick: hold a copy in bf16; by default where it is native and X is large.
    """
    if isinstance(X, np.ndarray) and X.size < STREAMED:
        return StandardisedRows(X, used, device, quick)
    return StreamedRows(X, used, device, quick)


def _in_bf16(X: Rows, device: str) -> bool:
    native = device_kind(device) == "cuda" or (device == "cpu" and processor_has_bf16())
    return native and X.shape[0] * X.shape[1] >= _LARGE
