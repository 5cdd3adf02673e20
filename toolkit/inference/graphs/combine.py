"""Ensembles as operators: combiners and calibrations of members' probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.ensembles.calibration import Calibration
from toolkit.ensembles.combiners import Combiner, Mean, Rank
from toolkit.ensembles.greedy import Greedy
from toolkit.ensembles.stack import Stack
from toolkit.errors import ExportError
from toolkit.inference.graphs.graph import Graph, interpolated

_EDGE = 1e-6  # of toolkit.statistics.links.logits and of calibrations


def counted_members(combiner: Combiner) -> np.ndarray:
    """Return the places of members without which a combiner's scores are others, ``int (m,)``."""
    weights = combiner.weights()
    wider = isinstance(combiner, Stack) and (combiner.cross_label or combiner.cardinality)
    if weights is None or wider:
        return np.arange(_members(combiner))
    used: np.ndarray = np.flatnonzero((weights != 0).any(axis=1))
    return used


def add_combiner(graph: Graph, members: Sequence[str], combiner: Combiner) -> str:
    """Add a combiner; return the name of its scores ``(b, L)``.

    Args:
        graph: to add to.
        members: names of the probabilities ``(b, L)`` of :func:`counted_members`.
        combiner: fitted.

    Raises:
        ExportError: it is of a kind that cannot be written as operators.
    """
    used = counted_members(combiner)
    Z = [_logits(graph, each) for each in members]
    if isinstance(combiner, Rank):
        return _rank(graph, Z, combiner)
    if isinstance(combiner, Stack):
        return _stack(graph, Z, combiner, used)
    if isinstance(combiner, Mean | Greedy):
        return graph.op("Sigmoid", _weighted(graph, Z, combiner.weights_[used]))
    raise ExportError(
        f"an ensemble of kind {combiner.name} cannot be written as operators of a graph: export "
        "with format bundle"
    )


def add_calibration(graph: Graph, p: str, calibration: Calibration) -> str:
    """Add a calibration; return the name of the calibrated probabilities ``(b, L)``."""
    maps = calibration.maps_
    lines = np.array([each.line for each in maps]).T
    curved = np.array([each.curve is not None for each in maps])
    straight = ~curved & (lines != np.array([[1.0], [1.0], [0.0]])).any(axis=0)
    found = p
    if straight.any():
        sides = (graph.op("Log", side) for side in _sides(graph, p))
        yes, no = (
            graph.op("Mul", side, graph.constant(slope))
            for side, slope in zip(sides, lines[:2], strict=True)
        )
        z = graph.op("Add", graph.op("Sub", yes, no), graph.constant(lines[2]))
        mapped = graph.op("Sigmoid", z)
        found = graph.op("Where", graph.constant(straight, np.bool_), mapped, found)
    if curved.any():
        plain = (np.array([0.0, 1.0]), np.array([0.0, 1.0]))
        mapped = interpolated(graph, p, [each.curve or plain for each in maps])
        found = graph.op("Where", graph.constant(curved, np.bool_), mapped, found)
    return found


def _members(combiner: Combiner) -> int:
    if isinstance(combiner, Rank):
        return int(combiner.quantiles_.shape[1])
    weights = combiner.weights()
    return 0 if weights is None else len(weights)


def _sides(graph: Graph, p: str) -> tuple[str, str]:
    """Add p and 1 - p, each kept from 0 by itself: in float32, 1 - (1 - 1e-6) is 1 % off 1e-6."""
    edge = graph.constant(_EDGE)
    rest = graph.op("Sub", graph.constant(1.0), p)
    return graph.op("Max", p, edge), graph.op("Max", rest, edge)


def _logits(graph: Graph, p: str) -> str:
    """Add :func:`toolkit.statistics.links.logits`."""
    return graph.op("Log", graph.op("Div", *_sides(graph, p)))


def _weighted(graph: Graph, Z: Sequence[str], weights: np.ndarray) -> str:
    each = [graph.op("Mul", z, graph.constant(row)) for z, row in zip(Z, weights, strict=True)]
    return each[0] if len(each) == 1 else graph.op("Sum", *each)


def _rank(graph: Graph, Z: Sequence[str], combiner: Rank) -> str:
    labels, ranks = range(combiner.quantiles_.shape[2]), []
    for member, z in enumerate(Z):
        ends = [combiner.rank_curves(member, label) for label in labels]
        ranks += [interpolated(graph, z, [pair[end] for pair in ends]) for end in (0, 1)]
    return graph.op(
        "Sigmoid", interpolated(graph, graph.op("Mean", *ranks), combiner.mean_curves())
    )


def _stack(graph: Graph, Z: Sequence[str], combiner: Stack, used: np.ndarray) -> str:
    labels = len(combiner.coef_)
    own = combiner.weights()
    parts = [_weighted(graph, Z, own[used])]
    others = combiner.coef_[:, len(own) :]
    if combiner.cross_label or combiner.cardinality:
        mean = graph.op("Mean", *Z)
        if combiner.cross_label:
            between = np.zeros((labels, labels))
            for label in range(labels):
                between[np.arange(labels) != label, label] = others[label, : labels - 1]
            parts.append(graph.op("MatMul", mean, graph.constant(between)))
        if combiner.cardinality:  # what is expected of the others: of all, less a label's own
            expected = np.tile(others[:, -1], (labels, 1)) * (1 - np.eye(labels))
            parts.append(graph.op("MatMul", graph.op("Sigmoid", mean), graph.constant(expected)))
    parts.append(graph.constant(combiner.intercept_[None]))
    return graph.op("Sigmoid", graph.op("Sum", *parts))
