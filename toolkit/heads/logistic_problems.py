"""Logistic regressions that share X, solved together: Newton's method, conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from toolkit.heads.preconditioner import Apply, LabelCurvature
from toolkit.heads.standardised_rows import StandardisedRows, tensor

_NEWTON_STEPS = 60
_CG_STEPS = 60
_QUICK_FORCING = 0.03
_ROUNDED = 2.0**-16
_STRETCHES = (0.35, 0.7, 1.0)


@dataclass(frozen=True)
class Solution:
    """Coefficients for every strength, fold and label, in the units of X as given.

    Attributes:
        coef: ``float32 (C, F, L, d)``.
        intercept: ``float32 (C, F, L)``.
        logits: ``float32 (C, n, L)``; a row of fold f is scored by the model fitted without f.
            Rows of no fold (-1) hold the mean over the fold models.
        converged: ``bool (C, F, L)``.
    """

    coef: np.ndarray
    intercept: np.ndarray
    logits: np.ndarray
    converged: np.ndarray


@dataclass(frozen=True)
class _Point:
    strength: float
    parts: tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # w, bias and z


class Problems:
    """P = F x L problems that share X; columns run over folds, then labels.

    Args:
        rows: X, and the rows that each fold's model is fitted on.
        Y: ``uint8 (n, L)``.
        weight: ``float32 (n, L)``.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(
        self, rows: StandardisedRows, Y: np.ndarray, weight: np.ndarray, device: str
    ) -> None:
        n, self.labels = Y.shape
        self.rows, self.folds = rows, len(rows.used)
        self.Y = tensor(Y, device).repeat(1, self.folds)
        used = rows.used.T.repeat_interleave(self.labels, 1)
        self.weight = tensor(weight, device).repeat(1, self.folds) * used
        self.total = self.weight.sum(0)
        self.w = torch.zeros((rows.shape[1], self.folds * self.labels), device=device)
        rate = ((self.weight * self.Y).sum(0) / self.total).clamp(1e-6, 1 - 1e-6)
        self.bias = torch.logit(rate)
        self.z = self.bias.expand(n, -1).clone()
        self._own: LabelCurvature | None = None

    def path(
        self,
        strengths: Sequence[float],
        tol: float,
        on_progress: Callable[[int], None] | None,
        fold: np.ndarray,
    ) -> Solution:
        """Solve for one strength after another; see :func:`toolkit.heads.logistic.solve`."""
        coefs, intercepts, logits, converged = [], [], [], []
        solutions: list[_Point] = []
        for strength in strengths:
            everywhere = torch.full_like(self.bias, float(strength))
            if len(solutions) == 2:
                self._continue_along(solutions[0], solutions[1], everywhere)
            solved = self.minimise(everywhere, tol)
            self.z = self._forward(self.w, self.bias)  # free of what the updates rounded off
            here = _Point(float(strength), (self.w.clone(), self.bias.clone(), self.z.clone()))
            solutions = [*solutions[-1:], here]
            coef, intercept = self.in_units_of_x()
            coefs.append(coef)
            intercepts.append(intercept)
            z = self.z.view(-1, self.folds, self.labels).cpu().numpy()
            own = z[np.arange(len(fold)), np.maximum(fold, 0)]
            logits.append(np.where((fold >= 0)[:, None], own, z.mean(1)))
            converged.append(solved.view(self.folds, self.labels).cpu().numpy())
            if on_progress is not None:
                on_progress(1)
        return Solution(*map(np.stack, (coefs, intercepts, logits, converged)))

    def minimise(self, strength: torch.Tensor, tol: float) -> torch.Tensor:
        """Bring every problem to its minimum, from where it stands; return which got there."""
        objective = self._objective(self.z, self.w, strength)
        self._own = self._label_curvature(strength)
        open_ = torch.ones_like(self.bias, dtype=torch.bool)
        rounded = self.rows.rounded
        exact = not rounded
        for _ in range(_NEWTON_STEPS):
            at = open_.nonzero().squeeze(1)
            if len(at) == 0 and exact:
                break
            if len(at) == 0:
                # steps in bf16 have moved the logits away from the weights': judge by exact ones
                self.z = self._forward(self.w, self.bias)
                objective = self._objective(self.z, self.w, strength)
                open_[:] = exact = True
                continue
            open_[at], objective[at] = self._newton_step(at, strength, objective[at], tol)
            exact = not rounded or (exact and not bool(open_[at].any()))
        return ~open_

    def _continue_along(self, before: _Point, last: _Point, strength: torch.Tensor) -> None:
        """Move each problem on along the line through its last two solutions, if that is better."""
        ratio = float(np.log(float(strength[0]) / last.strength))
        ratio /= float(np.log(last.strength / before.strength))
        lowest = self._objective(self.z, self.w, strength)
        for stretch in _STRETCHES:
            along = 1 + stretch * ratio
            both = zip(before.parts, last.parts, strict=True)
            w, bias, z = (torch.lerp(here, there, along) for here, there in both)
            objective = self._objective(z, w, strength)
            better = objective < lowest
            lowest = torch.where(better, objective, lowest)
            for part, new in ((self.w, w), (self.bias, bias), (self.z, z)):
                torch.where(better, new, part, out=part)

    def _label_curvature(self, strength: torch.Tensor) -> LabelCurvature | None:
        p = torch.sigmoid(self.z)
        curvature = self.weight * p * (1 - p) * strength
        # the folds of a label share most of their rows: one matrix serves them all
        curvature = curvature.view(-1, self.folds, self.labels).mean(1)
        rows = self.rows
        if len(rows.quick) < len(curvature):  # a sample of X
            return None
        if not LabelCurvature.pays(*rows.shape, mass=curvature.sum(0)):
            return None
        return LabelCurvature(rows.quick, curvature)

    def in_units_of_x(self) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients ``(F, L, d)`` and intercepts ``(F, L)`` for X as it was given."""
        v = self.w / self._per_problem(self.rows.scale)
        shift = (v * self._per_problem(self.rows.mean)).sum(0)
        raw = v / self.rows.spread[:, None]
        bias = self.bias - shift - (raw * self.rows.centre[:, None]).sum(0)
        coef = raw.T.reshape(self.folds, self.labels, -1).contiguous()
        return coef.cpu().numpy(), bias.reshape(self.folds, self.labels).cpu().numpy()

    def _newton_step(
        self, at: torch.Tensor, strength: torch.Tensor, objective: torch.Tensor, tol: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        C, columns = strength[at], self._columns(at)
        p = torch.sigmoid(self.z[:, columns])
        weight = self.weight[:, columns]
        residual = weight * (p - self.Y[:, columns]) * C
        gradient_w, gradient_b = self._backward(residual, at)
        gradient_w += self.w[:, columns]
        curvature = weight * p * (1 - p) * C
        apply = self._preconditioner(curvature.sum(0), at)
        toward_w, toward_b = apply(gradient_w, gradient_b)
        decrement = (gradient_w * toward_w).sum(0) + gradient_b * toward_b
        going = decrement / 2 > tol * objective.abs().clamp_min(1e-12)
        if not going.any():
            return going, objective
        if going.all():
            gradient = gradient_w, gradient_b
            return going, self._move(at, strength, objective, gradient, curvature, tol)
        k, better = going.nonzero().squeeze(1), objective.clone()
        gradient = gradient_w[:, k], gradient_b[k]
        better[k] = self._move(at[k], strength, objective[k], gradient, curvature[:, k], tol)
        return going, better

    def _move(
        self,
        at: torch.Tensor,
        strength: torch.Tensor,
        objective: torch.Tensor,
        gradient: tuple[torch.Tensor, torch.Tensor],
        curvature: torch.Tensor,
        tol: float,
    ) -> torch.Tensor:
        """Take one Newton step of some problems; return their objectives after it."""
        gradient_w, gradient_b = gradient
        columns = self._columns(at)
        step_w, step_b, step_z = self._conjugate_gradients(*gradient, curvature, at)
        slope = (gradient_w * step_w).sum(0) + gradient_b * step_b
        if self.rows.rounded and bool((-slope * _ROUNDED > tol * objective).any()):
            # what bf16 rounds off a long step would still be seen at the minimum
            step_z = self._forward(step_w, step_b, at)
        # halve a step until it descends; a Newton step on a convex objective nearly always does
        length = torch.ones_like(objective)
        better = objective
        for _ in range(20):
            z = self.z[:, columns] + length * step_z
            w = self.w[:, columns] + length * step_w
            better = self._objective(z, w, strength, at)
            bad = better > objective + 1e-4 * length * slope + 1e-6 * objective.abs()
            if not bad.any():
                break
            length = torch.where(bad, length / 2, length)
        self.w[:, columns] = w
        self.z[:, columns] = z
        self.bias[at] += length * step_b
        return better

    def _conjugate_gradients(
        self,
        gradient_w: torch.Tensor,
        gradient_b: torch.Tensor,
        curvature: torch.Tensor,
        at: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Solve ``H step = -gradient`` well enough; also return X step."""
        apply = self._preconditioner(curvature.sum(0), at)
        rw, rb = -gradient_w, -gradient_b
        yw, yb = apply(rw, rb)
        pw, pb = yw.clone(), yb.clone()
        rho = (rw * yw).sum(0) + rb * yb
        step_w, step_b = torch.zeros_like(rw), torch.zeros_like(rb)
        step_z = torch.zeros_like(curvature)
        # superlinear convergence: solve the more exactly, the nearer the minimum is
        least = _QUICK_FORCING if self.rows.rounded else 1e-3
        goal = rho * torch.clamp(rho.sqrt() * 0.1, least, 0.1).square()
        for _ in range(_CG_STEPS):
            pz = self._forward(pw, pb, at, quick=True)
            hw, hb = self._backward(curvature * pz, at, quick=True)
            hw += pw
            energy = (pw * hw).sum(0) + pb * hb
            alive = (rho > goal) & (energy > 0)
            alpha = torch.where(alive, rho / energy.clamp_min(1e-30), 0.0)
            step_w += alpha * pw
            step_b += alpha * pb
            step_z += alpha * pz
            rw -= alpha * hw
            rb -= alpha * hb
            yw, yb = apply(rw, rb)
            fresh = (rw * yw).sum(0) + rb * yb
            if not ((fresh > goal) & alive).any():
                break
            beta = torch.where(alive, fresh / rho.clamp_min(1e-30), 0.0)
            rho = torch.where(alive, fresh, rho)
            pw = yw + beta * pw
            pb = yb + beta * pb
        return step_w, step_b, step_z

    def _preconditioner(
        self, mass: torch.Tensor, at: torch.Tensor
    ) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        apply: Apply = (
            self.rows.curvature.of(mass) if self._own is None else self._own.of(at % self.labels)
        )
        return lambda w, b: (apply(w), b / mass.clamp_min(1e-12))

    def _forward(
        self,
        w: torch.Tensor,
        b: torch.Tensor,
        at: torch.Tensor | None = None,
        *,
        quick: bool = False,
    ) -> torch.Tensor:
        v = w / self._per_problem(self.rows.scale, at)
        shift = b - (v * self._per_problem(self.rows.mean, at)).sum(0)
        return self.rows.times(v, quick=quick).add_(shift)

    def _backward(
        self, residual: torch.Tensor, at: torch.Tensor, *, quick: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        total = residual.sum(0)
        gradient = self.rows.back(residual, quick=quick)
        gradient -= self._per_problem(self.rows.mean, at) * total
        return gradient / self._per_problem(self.rows.scale, at), total

    def _per_problem(self, per_fold: torch.Tensor, at: torch.Tensor | None = None) -> torch.Tensor:
        """Spread ``(F, d)`` to ``(d, P)``."""
        if at is None:
            return per_fold.T.repeat_interleave(self.labels, 1)
        return per_fold[at // self.labels].T

    def _columns(self, at: torch.Tensor | None) -> slice | torch.Tensor:
        """Return an index of some problems that copies nothing where they are all."""
        return slice(None) if at is None or len(at) == len(self.bias) else at

    def _objective(
        self,
        z: torch.Tensor,
        w: torch.Tensor,
        strength: torch.Tensor,
        at: torch.Tensor | None = None,
    ) -> torch.Tensor:
        columns = self._columns(at)
        loss = torch.nn.functional.softplus(z) - self.Y[:, columns] * z
        data = strength[columns] * (self.weight[:, columns] * loss).sum(0)
        return 0.5 * w.square().sum(0) + data
