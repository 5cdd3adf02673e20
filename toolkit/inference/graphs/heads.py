"""Heads as operators: from features to the probabilities of one fitted head."""

from __future__ import annotations

import numpy as np

from toolkit.errors import ExportError
from toolkit.heads.head import OneVsRestHead
from toolkit.heads.lightgbm import LightGBMHead
from toolkit.heads.linear import LinearHead
from toolkit.heads.mlp import MLPHead
from toolkit.heads.multitask import MultitaskHead
from toolkit.heads.network_head import Layers, NetworkHead
from toolkit.heads.standardise import NormalisedHead
from toolkit.inference.graphs.graph import Graph
from toolkit.inference.graphs.trees import add_trees


def add_head(graph: Graph, features: str, head: OneVsRestHead) -> str:
    """Add a head; return the name of its probabilities ``(b, L)``.

    Args:
        graph: to add to.
        features: name of ``float (b, d)``.
        head: fitted.

    Raises:
        ExportError: it is of a kind that cannot be written as operators.
    """
    varied = np.isnan(head.constant_)
    fixed = np.nan_to_num(head.constant_)[None]
    if not varied.any():
        width = len(fixed[0])
        nothing = graph.constant(np.zeros((head.n_features_in_, width)))
        return graph.op("Add", graph.op("MatMul", features, nothing), graph.constant(fixed))
    known = graph.op("Sigmoid", _logits(graph, features, head))
    if varied.all():
        return known
    # a column of its own for each label that varies; exact, for the rest of it is zeros
    spread = graph.constant(np.eye(len(varied))[varied])
    return graph.op("Add", graph.op("MatMul", known, spread), graph.constant(fixed))


def add_linear(graph: Graph, x: str, weights: np.ndarray, bias: np.ndarray) -> str:
    """Add ``x @ weights + bias``."""
    return graph.op("Gemm", x, graph.constant(weights), graph.constant(bias))


def _logits(graph: Graph, features: str, head: OneVsRestHead) -> str:
    if not isinstance(head, NormalisedHead):
        raise _unknown(head)
    x = _normalised(graph, features, head)
    if isinstance(head, LinearHead):
        return add_linear(graph, x, head.coef_.T, head.intercept_)
    if isinstance(head, LightGBMHead):
        trees = add_trees(graph, x, head.boosters_)
        return graph.op("Add", trees, add_linear(graph, x, head.coef_.T, head.base_))
    if not isinstance(head, NetworkHead):
        raise _unknown(head)
    x = graph.op("Sub", x, graph.constant(head.mean_))
    x = graph.op("Div", x, graph.constant(head.scale_))
    each = [_network(graph, x, head, layers) for layers in head.networks_]
    return each[0] if len(each) == 1 else graph.op("Mean", *each)


def _normalised(graph: Graph, x: str, head: NormalisedHead) -> str:
    """Add :func:`toolkit.heads.standardise.power_normalised` where the head does so."""
    if not head.normalised_:
        return x
    root = graph.op("Mul", graph.op("Sign", x), graph.op("Sqrt", graph.op("Abs", x)))
    if not head.rooted_.all():
        root = graph.op("Where", graph.constant(head.rooted_, np.bool_), root, x)
    length = graph.op("ReduceL2", root, graph.constant([1], np.int64), keepdims=1)
    nothing = graph.op("Equal", length, graph.constant(0.0))
    return graph.op("Div", root, graph.op("Where", nothing, graph.constant(1.0), length))


def _network(graph: Graph, x: str, head: NetworkHead, layers: Layers) -> str:
    if isinstance(head, MLPHead):
        second = layers["second"]
        hidden = graph.op("Relu", add_linear(graph, x, layers["first"], layers["first_bias"]))
        # products of matrices, for OpenVINO adds up wrongly over the last of three axes
        labels, units = second.shape
        own = graph.op("Reshape", hidden, graph.constant([-1, labels, 1, units], np.int64))
        z = graph.op("MatMul", own, graph.constant(second[None, :, :, None]))
        z = graph.op("Reshape", z, graph.constant([-1, labels], np.int64))
        return graph.op("Add", z, graph.constant(layers["second_bias"]))
    if isinstance(head, MultitaskHead):
        hidden = graph.op("Relu", add_linear(graph, x, layers["trunk"].T, layers["trunk_bias"]))
        return add_linear(graph, hidden, layers["head"].T, layers["head_bias"])
    raise _unknown(head)


def _unknown(head: OneVsRestHead) -> ExportError:
    return ExportError(
        f"a head of kind {type(head).__name__} cannot be written as operators of a graph: export "
        "with format bundle"
    )
