"""Rounding: weights to bf16 so that a network's features hardly move.

Rounded one by one to the nearest, weights shift every channel of a layer by the sum of their errors
times their inputs, and inputs after a ReLU do not average out. Here the weights of a channel are
rounded one after another, each so that it also makes good what those before it did to the channel's
output, for inputs that the layer meets on a few photographs: greedy path following (Lybrand & Saab
2021, arXiv:2010.15979) with bf16 as its grid and the bias, which OpenVINO rounds as well, as one
more weight.
"""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Enters the key of every store of bf16 rows: count it up when rounded weights change.
VERSION = 1
PICTURES = 64
_KINDS = ("Convolution", "GroupConvolution")
_PLACES = 4
_BLOCK = 64
_FARTHEST = 2.0**-6

Rounded = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Layer:
    """A convolution with constant weights, and the addition of a constant that follows it.

    Attributes:
        node: OpenVINO's node of the convolution.
        addition: node that adds the bias and the input where it does so, or None.
        weights: ``float32 (groups, out, in, kernel)``.
        bias: ``float32 (groups, out)``, or None.
    """

    node: Any
    addition: tuple[Any, int] | None
    weights: np.ndarray
    bias: np.ndarray | None

    @property
    def name(self) -> str:
        """Name of the convolution in the saved model."""
        name: str = self.node.get_friendly_name()
        return name

    def put(self, weights: np.ndarray, bias: np.ndarray | None) -> None:
        """Replace weights and bias in the model."""
        _replace(self.node, 1, weights)
        if self.addition is not None and bias is not None:
            _replace(*self.addition, bias)


def fold(model: Any) -> None:
    """Fold normalisation into the weights, which is what will be rounded."""
    from openvino._offline_transformations import apply_moc_transformations

    apply_moc_transformations(model, True)


def convolutions(model: Any) -> list[Layer]:
    """Return the two-dimensional convolutions of a folded model, in order of computation."""
    layers = []
    for node in model.get_ordered_ops():
        if node.get_type_name() not in _KINDS or len(node.get_output_shape(0)) != 4:
            continue
        weights = _constant(node, 1)
        if weights is None:
            continue
        grouped = weights if node.get_type_name() == "GroupConvolution" else weights[None]
        shaped = grouped.reshape(*grouped.shape[:3], -1).copy()
        addition, bias = _added(node)
        if bias is not None:
            bias = bias.reshape(shaped.shape[:2]).copy()
        layers.append(Layer(node, addition, shaped, bias))
    return layers


def photographs(count: int, size: int, seed: int = 0) -> np.ndarray:
    """Return ``uint8 (count, size, size, 3)``: cuttings of the two photographs of scikit-learn.

    They differ in place, scale, brightness and order of colours.
    """
    from PIL import Image

    whole = [np.asarray(Image.open(file)) for file in _sample_images()]
    random = np.random.default_rng(seed)
    pictures = np.empty((count, size, size, 3), np.uint8)
    for i in range(count):
        photograph = whole[i % len(whole)]
        height, width = photograph.shape[:2]
        side = int(random.integers(64, min(height, width) + 1))
        top, left = random.integers(height - side + 1), random.integers(width - side + 1)
        cut = Image.fromarray(photograph[top : top + side, left : left + side])
        coloured = np.asarray(cut.resize((size, size)))[:, :, random.permutation(3)]
        pictures[i] = (coloured * random.uniform(0.3, 1.5)).clip(0, 255)
    return pictures


def _sample_images() -> list[Path]:
    # found by its place: importing the package takes longer than all the rest
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("scikit-learn's sample photographs are not there")
    folder = Path(found.origin).parent / "datasets" / "images"
    return [folder / "china.jpg", folder / "flower.jpg"]


def inputs_met(model: Any, layers: Sequence[Layer], pictures: np.ndarray) -> list[np.ndarray]:
    """Return what each convolution is fed at random places of the pictures.

    Args:
        model: folded, of a fixed batch.
        layers: its convolutions.
        pictures: ``uint8 (n, size, size, 3)``, n a multiple of the batch.

    Returns:
        Per convolution ``float32 (samples, channels)``.
    """
    import openvino as ov
    from openvino import opset13 as ops

    random = np.random.default_rng(0)
    outputs = []
    for layer in layers:
        fed = layer.node.input_value(0)
        batch, channels, height, width = fed.get_shape()
        flat = ops.reshape(fed, np.array([batch, channels, height * width]), False)
        places = random.integers(0, height * width, _PLACES)
        drawn = ops.gather(flat, places, np.array(2))
        outputs.append(ops.transpose(drawn, np.array([0, 2, 1])))
    probe = ov.Model(outputs, model.get_parameters(), "")
    compiled = ov.Core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    batch = model.input(0).get_shape()[0]
    met: list[list[np.ndarray]] = [[] for _ in layers]
    for start in range(0, len(pictures), batch):
        results = compiled(pictures[start : start + batch])
        for at, each in enumerate(met):
            each.append(results[at].reshape(-1, results[at].shape[2]))
    return [np.concatenate(each) for each in met]


def round_layer(weights: np.ndarray, bias: np.ndarray | None, inputs: np.ndarray) -> Rounded:
    """Round one convolution for the inputs it meets.

    The places under a kernel are taken to be fed the same, as they nearly are.

    Args:
        weights: ``float32 (groups, out, in, kernel)``.
        bias: ``float32 (groups, out)``, or None.
        inputs: ``float32 (samples, groups * in)``.

    Returns:
        The same in bf16 numbers, held as float32.
    """
    groups, out, _, kernel = weights.shape
    w = weights.reshape(groups, out, -1).astype(np.float64)
    x = np.repeat(inputs.T.astype(np.float64), kernel, axis=0).reshape(groups, -1, len(inputs))
    if bias is not None:
        w = np.concatenate([bias[:, :, None], w], axis=2)
        x = np.concatenate([np.ones((groups, 1, len(inputs))), x], axis=1)
    energy = np.maximum(np.square(x).sum(axis=2), 1e-12)
    # what weighs most goes first, and leaves its error to all the others; the bias before any
    weight = np.sqrt(energy) * np.abs(w).mean(axis=1)
    if bias is not None:
        weight[:, 0] = np.inf
    order = np.argsort(-weight, axis=1, kind="stable")
    each = np.arange(groups)[:, None]
    done = np.empty(w.shape, np.float32)
    error = np.zeros((groups, out, len(inputs)))
    for start in range(0, order.shape[1], _BLOCK):
        # what a block adds to the error is kept by weights until its end: products of matrices
        # take a tenth of the time of one column after another
        columns = order[:, start : start + _BLOCK]
        fed, exact = x[each, columns], w.transpose(0, 2, 1)[each, columns]
        owed = fed @ error.transpose(0, 2, 1)
        met = fed @ fed.transpose(0, 2, 1)
        # a weight goes to a neighbour on the grid, not astray where there is little to answer with
        farthest = np.abs(exact) * _FARTHEST
        off = np.zeros_like(exact)
        for at in range(columns.shape[1]):
            owes = owed[:, at] + (met[:, at, None, :at] @ off[:, :at])[:, 0]
            owes /= energy[each, columns[:, at, None]]
            moved = exact[:, at] + owes.clip(-farthest[:, at], farthest[:, at])
            rounded = to_bf16(moved.astype(np.float32))
            done[each[:, 0], :, columns[:, at]] = rounded
            off[:, at] = exact[:, at] - rounded
        error += off.transpose(0, 2, 1) @ fed
    if bias is None:
        return done.reshape(weights.shape), None
    return done[:, :, 1:].reshape(weights.shape), np.ascontiguousarray(done[:, :, 0])


def keep_exact(file: Path, names: Sequence[str]) -> None:
    """Have OpenVINO compute convolutions in fp32: an attribute it reads from the saved model."""
    tree = ET.parse(file)
    for layer in tree.getroot().iterfind("layers/layer"):
        if layer.get("name") in names and layer.get("type") in _KINDS:
            notes = layer.find("rt_info")
            if notes is None:
                notes = ET.Element("rt_info")
                layer.insert(1 if layer.find("data") is not None else 0, notes)
            ET.SubElement(notes, "attribute", name="precise", version="0", value="")
    tree.write(file, encoding="utf-8", xml_declaration=True)


def to_bf16(values: np.ndarray) -> np.ndarray:
    """Round float32 to the nearest bf16, ties to even, held as float32.

    >>> to_bf16(np.float32([1.0, 1.003, 1.005])).tolist()
    [1.0, 1.0, 1.0078125]
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    nearest = (bits + (((bits >> 16) & 1) + 0x7FFF)) & np.uint32(0xFFFF0000)
    return nearest.astype(np.uint32).view(np.float32).reshape(values.shape)


def _added(node: Any) -> tuple[tuple[Any, int] | None, np.ndarray | None]:
    """Return where a constant is added to each channel of a node's output, and the constant."""
    targets = list(node.output(0).get_target_inputs())
    if len(targets) == 1 and targets[0].get_node().get_type_name() == "Add":
        follower = targets[0].get_node()
        for port in (0, 1):
            constant = _constant(follower, port)
            if constant is not None and constant.size == node.get_output_shape(0)[1]:
                return (follower, port), constant
    return None, None


def _replace(node: Any, port: int, values: np.ndarray) -> None:
    from openvino import opset13 as ops

    shape = list(node.input_value(port).get_shape())
    node.input(port).replace_source_output(ops.constant(values.reshape(shape)).output(0))


def _constant(node: Any, port: int) -> np.ndarray | None:
    source = node.input_value(port).get_node()
    if source.get_type_name() != "Constant" or source.get_element_type().get_type_name() != "f32":
        return None
    data: np.ndarray = source.data
    return data
