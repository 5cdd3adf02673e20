"""Calibration per label: from scores to probabilities, the method chosen by nested log loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from toolkit.ensembles.nesting import Nesting
from toolkit.ensembles.newton import solve_small
from toolkit.errors import check_choice
from toolkit.statistics.links import logits, sigmoid

METHODS = ("none", "temperature", "platt", "beta", "isotonic")
# positives among the rows fitted on from which a method is tried: each asks more of the data
SUPPORT = {"none": 0, "temperature": 10, "platt": 20, "beta": 100, "isotonic": 500}
_PENALTY = 1.0
_MARGIN = 1e-3
_EDGE = 1e-6
Curve = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class _Fit:
    """One method's models of one label, for every set of folds left out.

    ``line`` is ``(S, 3)``: log-odds = a ln p - b ln(1 - p) + c, of which temperature (a = b, c = 0)
    and Platt scaling (a = b) are cases. ``curves`` holds a set's knots instead, for isotonic.
    """

    line: np.ndarray
    curves: Sequence[Curve] | None = None

    def apply(self, number: int, p: np.ndarray) -> np.ndarray:
        if self.curves is not None:
            return _on_curve(p, self.curves[number])
        return _on_line(p, self.line[number])


class Calibration:
    """Maps scores to probabilities, one map a label.

    Candidates are no change; temperature scaling (Guo et al. 2017); Platt scaling (Platt 1999);
    beta calibration (Kull, Silva Filho & Flach 2017); and isotonic regression made strictly
    increasing by joining the centres of its steps (Oron & Flournoy 2017), so that it ties no
    scores. The first three slopes may not be negative and are drawn to 1 by a unit Gaussian prior.
    A label is offered what its positives support (``SUPPORT``); of those the simplest within 0.1 %
    of the least log loss on folds that neither fitted nor chose it is taken.

    Args:
        method: ``auto``, or one of ``METHODS`` for all labels (``none`` where a label has too few
            positives for it).

    Attributes:
        method_: the method of each label.
        line_: ``float64 (L, 3)``.
        curves_: for labels with isotonic, knots: scores and probabilities.

    Raises:
        UsageError: the method is none of these.
    """

    method_: list[str]
    line_: np.ndarray
    curves_: dict[int, Curve]

    def __init__(self, method: str = "auto") -> None:
        check_choice("calibration", method, ("auto", *METHODS))
        self.method = method

    def cross_fit(self, S: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Fit on all rows, and return each row calibrated without its fold.

        Args:
            S: ``(n, L)`` out-of-sample scores.
            Y: ``uint8 (n, L)``.
            fold: ``int (n,)``, at least 0.

        Returns:
            ``float32 (n, L)``.
        """
        out = np.empty(S.shape, np.float32)
        self.method_, self.curves_ = [], {}
        self.line_ = np.tile([1.0, 1.0, 0.0], (S.shape[1], 1))
        nesting = Nesting(fold)
        for label in range(S.shape[1]):
            p, y = S[:, label].astype(np.float64), Y[:, label]
            support = np.array(
                [int(y[nesting.learned_on(number)].sum()) for number in range(len(nesting.sets))]
            )
            fits = {name: _fit(name, p, y, nesting) for name in self._offered(int(support[0]))}
            chosen = self._choose(fits, p, y, nesting, support)
            for left_out in nesting.folds:
                rows = nesting.rows(left_out)
                model = fits[chosen[left_out]]
                out[rows, label] = model.apply(nesting.without(left_out), p[rows])
            name, final = chosen[None], nesting.without(None)
            self.method_.append(name)
            self.line_[label] = fits[name].line[final]
            curves = fits[name].curves
            if curves is not None:
                self.curves_[label] = curves[final]
        return out

    def apply(self, S: np.ndarray) -> np.ndarray:
        """Return ``float32 (n, L)`` calibrated probabilities."""
        out = np.empty(S.shape, np.float32)
        for label, method in enumerate(self.method_):
            p = S[:, label].astype(np.float64)
            if method == "isotonic":
                out[:, label] = _on_curve(p, self.curves_[label])
            else:
                out[:, label] = _on_line(p, self.line_[label])
        return out

    def state(self) -> dict[str, np.ndarray]:
        """Return all that was learned."""
        knots = {
            f"{axis}-{label}": values
            for label, curve in self.curves_.items()
            for axis, values in zip(("x", "y"), curve, strict=True)
        }
        method = np.array([METHODS.index(name) for name in self.method_])
        return {"method": method, "line": self.line_, **knots}

    def restore(self, state: Mapping[str, np.ndarray]) -> Self:
        """Take back what :meth:`state` returned."""
        self.method_ = [METHODS[int(code)] for code in state["method"]]
        self.line_ = np.asarray(state["line"])
        self.curves_ = {
            label: (np.asarray(state[f"x-{label}"]), np.asarray(state[f"y-{label}"]))
            for label, name in enumerate(self.method_)
            if name == "isotonic"
        }
        return self

    def _offered(self, positives: int) -> list[str]:
        wanted = METHODS if self.method == "auto" else ("none", self.method)
        return [name for name in METHODS if name in wanted and positives >= SUPPORT[name]]

    def _choose(
        self,
        fits: Mapping[str, _Fit],
        p: np.ndarray,
        y: np.ndarray,
        nesting: Nesting,
        support: np.ndarray,
    ) -> dict[int | None, str]:
        """Return the method of the final map and of each fold's."""
        names = list(fits)

        def losses(number: int, rows: np.ndarray) -> np.ndarray:
            return np.array([_loss(y[rows], fits[name].apply(number, p[rows])) for name in names])

        chosen: dict[int | None, str] = {}
        costs = nesting.costs(losses) if self.method == "auto" and len(names) > 1 else {}
        for left_out in (None, *nesting.folds):
            here = int(support[nesting.without(left_out)])
            able = [i for i, name in enumerate(names) if here >= SUPPORT[name]]
            cost = costs.get(left_out)
            if cost is None or np.isnan(cost).any():
                # given, or nothing to judge on: the method itself, or the simplest that is safe
                wanted = self.method if self.method != "auto" else "platt"
                chosen[left_out] = wanted if wanted in [names[i] for i in able] else "none"
                continue
            least = min(cost[i] for i in able)
            chosen[left_out] = names[next(i for i in able if cost[i] <= least * (1 + _MARGIN))]
        return chosen


def _fit(name: str, p: np.ndarray, y: np.ndarray, nesting: Nesting) -> _Fit:
    sets = len(nesting.sets)
    line = np.tile([1.0, 1.0, 0.0], (sets, 1))
    if name == "none":
        return _Fit(line)
    if name == "isotonic":
        rows = [nesting.learned_on(number) for number in range(sets)]
        return _Fit(line, [_curve(p[at], y[at]) for at in rows])
    z = logits(p).astype(np.float64)
    X = np.column_stack(_both(p)) if name == "beta" else z[:, None]
    width = X.shape[1]
    found = solve_small(
        X, y, nesting.fold, nesting.keep, np.ones(sets),
        prior=np.ones(width), scale=np.full(width, _PENALTY),
        nonnegative=np.ones(width, bool), intercept=name != "temperature",
    )  # fmt: skip
    line[:, :2], line[:, 2] = found.coef, found.intercept  # one slope serves for both sides
    return _Fit(line)


def _both(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = np.clip(p, _EDGE, 1 - _EDGE)
    return np.log(inside), -np.log1p(-inside)


def _on_line(p: np.ndarray, line: np.ndarray) -> np.ndarray:
    if (line == [1.0, 1.0, 0.0]).all():
        return p
    yes, no = _both(p)
    return sigmoid(line[0] * yes + line[1] * no + line[2])


def _curve(p: np.ndarray, y: np.ndarray) -> Curve:
    """Return the centres of the isotonic steps, and the ends of the unit interval.

    Each step's mean is drawn in by half a row, so that no probability is 0 or 1.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(p, kind="stable")
    x, truth = p[order], y[order].astype(np.float64)
    first = np.flatnonzero(np.r_[True, x[1:] != x[:-1]])
    size = np.diff(np.r_[first, len(x)]).astype(np.float64)
    steps = isotonic_regression(np.add.reduceat(truth, first) / size, sample_weight=size)
    start = np.flatnonzero(np.r_[True, steps[1:] != steps[:-1]])
    rows = np.add.reduceat(size, start)
    centre = np.add.reduceat(size * x[first], start) / rows
    value = (steps[start] * rows + 0.5 * y.mean()) / (rows + 0.5)
    value = np.maximum.accumulate(value)
    low = min(_EDGE, float(value[0]) / 2)
    return np.r_[0.0, centre, 1.0], np.r_[low, value, max(float(value[-1]), 1 - _EDGE)]


def _on_curve(p: np.ndarray, curve: Curve) -> np.ndarray:
    found: np.ndarray = np.interp(p, *curve)
    return found


def _loss(y: np.ndarray, p: np.ndarray) -> float:
    inside = np.clip(p, _EDGE, 1 - _EDGE)
    return float(-np.log(np.where(y == 1, inside, 1 - inside)).sum())
