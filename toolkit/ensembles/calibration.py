"""Calibration per label: from scores to probabilities, by a method that nested log loss chooses."""

from __future__ import annotations

from collections.abc import Mapping
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
class Map:
    """From scores to probabilities, increasing.

    Attributes:
        line: log-odds = a ln p - b ln(1 - p) + c, of which temperature (a = b, c = 0) and Platt
            scaling (a = b) are cases.
        curve: of isotonic regression, knots: scores and probabilities.
    """

    line: tuple[float, float, float] = (1.0, 1.0, 0.0)
    curve: Curve | None = None

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return probabilities of scores ``(n,)``."""
        if self.curve is not None:
            found: np.ndarray = np.interp(p, *self.curve)
            return found
        if self.line == (1.0, 1.0, 0.0):
            return p
        yes, no = _both(p)
        return sigmoid(self.line[0] * yes + self.line[1] * no + self.line[2])


class Calibration:
    """Maps scores to probabilities, one map per label.

    Candidates are no change; temperature scaling (Guo et al. 2017); Platt scaling (Platt 1999);
    beta calibration (Kull, Silva Filho & Flach 2017); and isotonic regression with the
    centres of its steps joined by lines (Oron & Flournoy 2017), so that it ties few scores. The
    first three slopes may not be negative and are drawn to 1 by a unit Gaussian prior. A label is
    offered the methods that its positives support (``SUPPORT``); of those the simplest within
    0.1 % of the least log loss on folds that neither fitted nor chose it is taken.

    Args:
        method: ``auto``, or one of ``METHODS`` for all labels (``none`` where a label has too few
            positives for it).

    Attributes:
        method_: the method of each label.
        maps_: the map of each label.

    Raises:
        UsageError: the method is none of these.
    """

    method_: list[str]
    maps_: list[Map]

    def __init__(self, method: str = "auto") -> None:
        check_choice("calibration", method, ("auto", *METHODS))
        self.method = method

    def cross_fit(self, S: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Fit on all rows, and return each row calibrated without its fold.

        Args:
            S: ``(n, L)`` out-of-sample scores.
            Y: ``int8 (n, L)``; cells of -1 are unknown and have no part in their label's map.
            fold: ``int (n,)``, at least 0.

        Returns:
            ``float32 (n, L)``.
        """
        out = np.empty(S.shape, np.float32)
        self.method_, self.maps_ = [], []
        nesting = Nesting(fold)
        for label in range(S.shape[1]):
            p, y = S[:, label].astype(np.float64), Y[:, label]
            own, known = nesting.only(y >= 0), (p[y >= 0], y[y >= 0])
            support = np.array(
                [int(known[1][own.learned_on(number)].sum()) for number in range(len(own.sets))]
            )
            fits = {name: _fit(name, *known, own) for name in self._offered(int(support[0]))}
            chosen = self._choose(fits, *known, own, support)
            for left_out in nesting.folds:
                rows = nesting.rows(left_out)
                out[rows, label] = fits[chosen[left_out]][nesting.without(left_out)](p[rows])
            self.method_.append(chosen[None])
            self.maps_.append(fits[chosen[None]][nesting.without(None)])
        return out

    def apply(self, S: np.ndarray) -> np.ndarray:
        """Return ``float32 (n, L)`` calibrated probabilities."""
        columns = zip(self.maps_, S.T.astype(np.float64), strict=True)
        return np.stack([each(p).astype(np.float32) for each, p in columns], axis=1)

    def state(self) -> dict[str, np.ndarray]:
        """Return all that was learned."""
        knots = {
            f"curve-{label}": np.stack(each.curve)
            for label, each in enumerate(self.maps_)
            if each.curve is not None
        }
        method = np.array([METHODS.index(name) for name in self.method_])
        return {"method": method, "line": np.array([each.line for each in self.maps_]), **knots}

    def restore(self, state: Mapping[str, np.ndarray]) -> Self:
        """Take back what :meth:`state` returned."""
        self.method_ = [METHODS[int(code)] for code in state["method"]]
        self.maps_ = []
        for label, (a, b, c) in enumerate(state["line"].tolist()):
            knots = state.get(f"curve-{label}")
            self.maps_.append(Map((a, b, c), None if knots is None else (knots[0], knots[1])))
        return self

    def _offered(self, positives: int) -> list[str]:
        wanted = METHODS if self.method == "auto" else ("none", self.method)
        return [name for name in METHODS if name in wanted and positives >= SUPPORT[name]]

    def _choose(
        self,
        fits: Mapping[str, list[Map]],
        p: np.ndarray,
        y: np.ndarray,
        nesting: Nesting,
        support: np.ndarray,
    ) -> dict[int | None, str]:
        """Return the method of the final map and of each fold's."""
        names = list(fits)

        def losses(number: int, rows: np.ndarray) -> np.ndarray:
            return np.array([_loss(y[rows], fits[name][number](p[rows])) for name in names])

        chosen: dict[int | None, str] = {}
        costs = nesting.costs(losses) if self.method == "auto" and len(names) > 1 else {}
        for left_out in (None, *nesting.folds):
            here = int(support[nesting.without(left_out)])
            able = [i for i, name in enumerate(names) if here >= SUPPORT[name]]
            cost = costs.get(left_out)
            if cost is None or np.isnan(cost).any():
                # given, or nothing to evaluate on: the method itself, or the simplest that is safe
                wanted = self.method if self.method != "auto" else "platt"
                chosen[left_out] = wanted if wanted in [names[i] for i in able] else "none"
                continue
            least = min(cost[i] for i in able)
            chosen[left_out] = names[next(i for i in able if cost[i] <= least * (1 + _MARGIN))]
        return chosen


def _fit(name: str, p: np.ndarray, y: np.ndarray, nesting: Nesting) -> list[Map]:
    """Return one method's maps of one label, for every set of folds left out."""
    sets = len(nesting.sets)
    if name == "none":
        return [Map()] * sets
    if name == "isotonic":
        rows = [nesting.learned_on(number) for number in range(sets)]
        return [Map(curve=_curve(p[at], y[at])) if len(at) else Map() for at in rows]
    X = np.column_stack(_both(p)) if name == "beta" else logits(p).astype(np.float64)[:, None]
    width = X.shape[1]
    found = solve_small(
        X, y, nesting.fold, nesting.keep, np.ones(sets),
        prior=np.ones(width), scale=np.full(width, _PENALTY),
        nonnegative=np.ones(width, bool), intercept=name != "temperature",
    )  # fmt: skip
    solved = zip(found.coef.tolist(), found.intercept.tolist(), strict=True)
    return [Map((slopes[0], slopes[-1], c)) for slopes, c in solved]  # one slope is both sides'


def _both(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = np.clip(p, _EDGE, 1 - _EDGE)
    return np.log(inside), -np.log1p(-inside)


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


def _loss(y: np.ndarray, p: np.ndarray) -> float:
    inside = np.clip(p, _EDGE, 1 - _EDGE)
    return float(-np.log(np.where(y == 1, inside, 1 - inside)).sum())
