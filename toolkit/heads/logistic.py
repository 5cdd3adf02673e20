"""Many L2 logistic regressions at once: every label, fold and strength on shared passes over X."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from toolkit.heads.preconditioner import Apply, LabelCurvature, SharedCurvature
from toolkit.runtime.device import device_kind
from toolkit.runtime.processor import processor_has_bf16

_NEWTON_STEPS = 60
_CG_STEPS = 60
_LARGE = 4_000_000
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


def solve(
    X: np.ndarray,
    Y: np.ndarray,
    weight: np.ndarray,
    fold: np.ndarray,
    strengths: Sequence[float],
    *,
    tol: float = 1e-6,
    device: str = "cpu",
    quick: bool | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Solution:
    """Minimise ``|w|^2 / 2 + C sum_i s_i log(1 + exp(-y_i (x_i w + b)))`` for each problem.

    This is scikit-learn's objective for ``LogisticRegression(C=C)`` on features standardised with
    the mean and standard deviation of that problem's own training rows. A problem is a label, a
    fold to leave out and a strength C. All problems of one C share every pass over X as one matrix
    product; the next larger C starts from the last solutions, continued along log C as far as that
    lowers the objective.

    Each is solved by Newton's method with conjugate gradients (Nocedal & Wright 2006, section 7.1),
    preconditioned by the Hessian with the weights of all rows replaced by their mean, or, where the
    data outweigh the penalty, by each label's own, estimated on some rows
    (:mod:`toolkit.heads.preconditioner`). Preconditioners are computed from all rows; they change
    how fast the minimum is reached, not where it lies. The same holds for the precision of the
    products inside conjugate gradients: where the processor multiplies bf16 natively they are taken
    in it, and gradients, steps and line searches in float32.

    Args:
        X: ``float32 (n, d)``.
        Y: ``uint8 (n, L)``; every problem must see both classes.
        weight: ``float32 (n, L)``, s above.
        fold: ``int (n,)``, the fold that leaves a row out; -1 for a row that no model is fitted on.
            With no fold at all (one model on all rows) give zeros and see :func:`solve_once`.
        strengths: values of C, ascending, each once.
        tol: a problem is solved when half the squared Newton decrement, as the preconditioner
            estimates it, is below ``tol`` of its objective.
        device: ``cpu`` or ``cuda``.
        quick: take inner products in bf16; by default where it is native and X is large.
        on_progress: called with 1 after each strength.
    """
    folds = int(fold.max()) + 1
    used = np.stack([(fold != f) & (fold >= 0) for f in range(folds)])
    return _Problems(X, Y, weight, used, device, quick).path(strengths, tol, on_progress, fold)


def solve_once(
    X: np.ndarray,
    Y: np.ndarray,
    weight: np.ndarray,
    strength: np.ndarray,
    *,
    tol: float = 1e-6,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Fit each label on all rows with its own C.

    Args:
        X: ``float32 (n, d)``.
        Y: ``uint8 (n, L)``, both classes in every column.
        weight: ``float32 (n, L)``.
        strength: ``float (L,)``, C of each label.
        tol: see :func:`solve`.
        device: ``cpu`` or ``cuda``.

    Returns:
        Coefficients ``float32 (L, d)`` and intercepts ``float32 (L,)`` in the units of X.
    """
    problems = _Problems(X, Y, weight, np.ones((1, len(X)), bool), device)
    start = max(float(strength.min()), 1e-6)
    problems.minimise(torch.full_like(problems.bias, start), tol=1e-3)
    problems.minimise(_tensor(strength, device), tol)
    coef, intercept = problems.in_units_of_x()
    return coef[0], intercept[0]


def _tensor(values: np.ndarray, device: str) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float32, device=device)


@dataclass(frozen=True)
class _Point:
    strength: float
    parts: tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # w, bias and z


class _Problems:
    """P = F x L problems that share X; columns run over folds, then labels."""

    def __init__(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        weight: np.ndarray,
        used: np.ndarray,
        device: str,
        quick: bool | None = None,
    ) -> None:
        n, self.labels = Y.shape
        self.folds = len(used)
        given = _tensor(X, device)
        # centring and scaling once with all rows is for the arithmetic's sake only: what each
        # problem is penalised by comes from its own training rows, below
        self.centre = given.mean(0)
        self.spread = given.std(0, unbiased=False).clamp_min(1e-8)
        self.X = (given - self.centre) / self.spread
        if quick is None:
            native = device_kind(device) == "cuda" or (device == "cpu" and processor_has_bf16())
            quick = native and X.size >= _LARGE
        self.quick_x = self.X.bfloat16() if quick else self.X
        self.used = _tensor(used, device)
        count = self.used.sum(1, keepdim=True)
        self.mean = self.used @ self.X / count
        variance = self.used @ self.X.square() / count - self.mean.square()
        self.scale = variance.clamp_min(0).sqrt()
        self.scale[self.scale < 1e-6] = 1.0  # a constant feature, as in StandardScaler
        self.Y = _tensor(Y, device).repeat(1, self.folds)
        rows = self.used.T.repeat_interleave(self.labels, 1)
        self.weight = _tensor(weight, device).repeat(1, self.folds) * rows
        self.total = self.weight.sum(0)
        self.w = torch.zeros((self.X.shape[1], self.folds * self.labels), device=device)
        rate = ((self.weight * self.Y).sum(0) / self.total).clamp(1e-6, 1 - 1e-6)
        self.bias = torch.logit(rate)
        self.z = self.bias.expand(n, -1).clone()
        self._shared = SharedCurvature(self.quick_x)
        self._own: LabelCurvature | None = None

    def path(
        self,
        strengths: Sequence[float],
        tol: float,
        on_progress: Callable[[int], None] | None,
        fold: np.ndarray,
    ) -> Solution:
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
        for _ in range(_NEWTON_STEPS):
            at = open_.nonzero().squeeze(1)
            if len(at) == 0:
                break
            open_[at], objective[at] = self._newton_step(at, strength, objective[at], tol)
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
        if not LabelCurvature.pays(*self.X.shape, mass=curvature.sum(0)):
            return None
        return LabelCurvature(self.quick_x, curvature)

    def in_units_of_x(self) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients ``(F, L, d)`` and intercepts ``(F, L)`` for X as it was given."""
        v = self.w / self._per_problem(self.scale)
        shift = (v * self._per_problem(self.mean)).sum(0)
        raw = v / self.spread[:, None]
        bias = self.bias - shift - (raw * self.centre[:, None]).sum(0)
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
        if self.quick_x is not self.X and bool((-slope * _ROUNDED > tol * objective).any()):
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
        least = 1e-3 if self.quick_x is self.X else _QUICK_FORCING
        goal = rho * torch.clamp(rho.sqrt() * 0.1, least, 0.1).square()
        for _ in range(_CG_STEPS):
            pz = self._forward(pw, pb, at, self.quick_x)
            hw, hb = self._backward(curvature * pz, at, self.quick_x)
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
            self._shared.of(mass) if self._own is None else self._own.of(at % self.labels)
        )
        return lambda w, b: (apply(w), b / mass.clamp_min(1e-12))

    def _forward(
        self,
        w: torch.Tensor,
        b: torch.Tensor,
        at: torch.Tensor | None = None,
        X: torch.Tensor | None = None,
    ) -> torch.Tensor:
        X = self.X if X is None else X
        v = w / self._per_problem(self.scale, at)
        shift = b - (v * self._per_problem(self.mean, at)).sum(0)
        return (X @ v.to(X.dtype)).float().add_(shift)

    def _backward(
        self, residual: torch.Tensor, at: torch.Tensor, X: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        X = self.X if X is None else X
        total = residual.sum(0)
        gradient = (residual.T.to(X.dtype) @ X).float().T
        gradient -= self._per_problem(self.mean, at) * total
        return gradient / self._per_problem(self.scale, at), total

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
