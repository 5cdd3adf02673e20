"""Graph: an ONNX model in the making, operator by operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.errors import UsageError
from toolkit.storage.files import digest_bytes, digest_of

OPSET = 18
TREES, TREES_OPSET = "ai.onnx.ml", 3
IR_VERSION = 10


def require_onnx() -> Any:
    """Return the package onnx.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise UsageError(
            "format: onnx, openvino and hf need the packages onnx and onnxruntime, which are not "
            "installed: install toolkit[onnx], or export with format bundle"
        ) from error
    return onnx


class Graph:
    """Operators, constants and inputs, by name.

    Equal constants are kept once, so that a backbone that two inputs go through costs its weights
    once.
    """

    def __init__(self) -> None:
        self._onnx = require_onnx()
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._known: dict[str, str] = {}
        self._inputs: list[Any] = []
        self._count = 0

    def input(self, name: str, kind: type[np.generic], shape: Sequence[int | str]) -> str:
        """Add an input; a text in its shape is a dimension that may be of any length."""
        helper = self._onnx.helper
        number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._inputs.append(helper.make_tensor_value_info(name, number, list(shape)))
        return name

    def constant(self, values: Any, kind: type[np.generic] = np.float32) -> str:
        """Return the name of a constant."""
        array = np.ascontiguousarray(values, kind).reshape(np.shape(values))
        return self._keep(self._onnx.numpy_helper.from_array(array))

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator of one output and return that output's name."""
        name = self._name(kind.lower())
        self._nodes.append(
            self._onnx.helper.make_node(kind, list(inputs), [name], domain=domain, **attributes)
        )
        return name

    def absorb(self, model: Any, inputs: Mapping[str, str]) -> list[str]:
        """Add all of another model, its inputs joined to values here; return its outputs."""
        self._count += 1
        renamed = self._onnx.compose.add_prefix(model, f"part{self._count}/").graph
        start = f"part{self._count}/"
        joined = {start + theirs: ours for theirs, ours in inputs.items()}
        for tensor in renamed.initializer:
            joined[tensor.name] = self._keep(tensor)
        for node in renamed.node:
            _rename(node, joined)
            self._nodes.append(node)
        return [joined.get(output.name, output.name) for output in renamed.output]

    def finish(self, outputs: Mapping[str, tuple[str, int]], metadata: Mapping[str, str]) -> Any:
        """Return the model, checked.

        Args:
            outputs: name to the value that it is, float of shape ``(batch, width)``, and the width.
            metadata: texts that the file carries.
        """
        import importlib.metadata

        helper = self._onnx.helper
        float32 = self._onnx.TensorProto.FLOAT
        ends = []
        for name, (value, width) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
            ends.append(helper.make_tensor_value_info(name, float32, ["batch", width]))
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == TREES for node in self._nodes):
            opsets.append(helper.make_opsetid(TREES, TREES_OPSET))
        model = helper.make_model(
            helper.make_graph(
                self._nodes, "toolkit", self._inputs, ends, list(self._constants.values())
            ),
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="toolkit",
            producer_version=importlib.metadata.version("toolkit"),
        )
        helper.set_model_props(model, dict(metadata))
        self._onnx.checker.check_model(model)
        return model

    def _keep(self, tensor: Any) -> str:
        array = self._onnx.numpy_helper.to_array(tensor)
        known = digest_of(str(array.dtype), array.shape, digest_bytes(array.tobytes()).hex())
        if known not in self._known:
            self._known[known] = self._name("constant")
            kept = self._onnx.numpy_helper.from_array(array, self._known[known])
            self._constants[known] = kept
        return self._known[known]

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"


def _rename(node: Any, joined: Mapping[str, str]) -> None:
    """Rename what an operator takes, and the operators in its branches."""
    node.input[:] = [joined.get(name, name) for name in node.input]
    for attribute in node.attribute:
        for inner in attribute.g.node:
            _rename(inner, joined)


def interpolated(graph: Graph, z: str, curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """Add what :func:`numpy.interp` does, a curve for each column.

    Args:
        graph: to add to.
        z: name of ``float (b, C)``.
        curves: C pairs of knots, increasing, and values at them, of any lengths.
    """
    longest = max(len(knots) for knots, _ in curves)
    X = np.full((len(curves), longest), np.inf)
    Y, slope = np.zeros((len(curves), longest)), np.zeros((len(curves), longest))
    for row, (knots, values) in enumerate(curves):
        X[row, : len(knots)], Y[row, : len(knots)] = knots, values
        run = np.diff(knots)
        rise = np.diff(values)
        slope[row, : len(run)] = np.divide(rise, run, out=np.zeros(len(run)), where=run > 0)
    first, last = X[:, 0], np.array([knots[-1] for knots, _ in curves])
    inside = graph.op("Min", graph.op("Max", z, graph.constant(first)), graph.constant(last))
    if longest == 1:
        zeros = graph.op("Mul", inside, graph.constant(0.0))
        return graph.op("Add", zeros, graph.constant(Y[:, 0]))
    # the number of knots at or below a value is the place of the one that its piece begins with
    lifted = graph.op("Unsqueeze", inside, graph.constant([2], np.int64))
    passed = graph.op("GreaterOrEqual", lifted, graph.constant(X[None, :, 1:]))
    # added up by a product of matrices, for OpenVINO adds up wrongly over the last of three axes
    ones = graph.constant(np.ones((longest - 1, 1)))
    count = graph.op("MatMul", graph.op("Cast", passed, to=1), ones)
    count = graph.op("Reshape", count, graph.constant([-1, len(curves)], np.int64))
    count = graph.op("Cast", count, to=7)
    starts = graph.constant(np.arange(len(curves)) * longest, np.int64)
    place = graph.op("Add", count, starts)
    finite = np.where(np.isfinite(X), X, 0.0)
    at, value, steep = (
        graph.op("Gather", graph.constant(table.reshape(-1)), place) for table in (finite, Y, slope)
    )
    return graph.op("Add", value, graph.op("Mul", steep, graph.op("Sub", inside, at)))


_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_LARGE = 1024
_MOST = 6e4  # near the largest number of fp16


def half_weights(model: Any) -> None:
    """Keep the weights of matrix products and convolutions as fp16, in place.

    They are multiplied in fp32 as before: runtimes widen them when they load the model. Tables,
    means and scales stay as they are; so do weights that fp16 does not hold.
    """
    onnx = require_onnx()
    graph = model.graph
    weights = {node.input[1] for node in graph.node if node.op_type in _WEIGHTED}
    widened = []
    for tensor in graph.initializer:
        if tensor.name not in weights or tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if values.size < _LARGE or np.abs(values).max() > _MOST:
            continue
        name, small = tensor.name, f"{tensor.name}_fp16"
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), small))
        widened.append(onnx.helper.make_node("Cast", [small], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*widened, *nodes])
