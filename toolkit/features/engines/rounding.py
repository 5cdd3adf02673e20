"""Rounding: weights to bf16 so that a network's features hardly move.

Rounded one by one to the nearest, weights shift every channel of a layer by the sum of their errors
times their inputs, and inputs after a ReLU do not average out. Here the weights of a channel are
rounded one after another, and what the error of each does to the channel's output is made good by
those still to come, for the inputs that the layer meets on painted pictures: GPTQ (Frantar,
Ashkboos, Hoefler & Alistarh 2023, arXiv:2210.17323) with bf16 as its grid and the bias, which
OpenVINO rounds as well, as one more weight.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.synth import paint, scenes

_KINDS = ("Convolution", "GroupConvolution")
_POSITIONS = 32
_WIDEST = 1600
_DAMPING = 1e-3
_COLUMNS = 96

Rounded = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class _Layer:
    """A convolution with constant weights, and the addition of a constant that follows it."""

    node: Any
    addition: Any | None
    port: int

    @property
    def weights(self) -> np.ndarray:
        """Weights ``float32 (groups, out, in * kernel)``."""
        found: np.ndarray = self.node.input_value(1).get_node().data
        groups = found.shape[0] if self.node.get_type_name() == "GroupConvolution" else 1
        out = found.shape[1] if self.node.get_type_name() == "GroupConvolution" else found.shape[0]
        return found.reshape(groups, out, -1)

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width."""
        shape = self.node.input_value(1).get_shape()
        return shape[-2], shape[-1]

    @property
    def bias(self) -> np.ndarray | None:
        """Bias ``float32 (groups, out)``, or None."""
        if self.addition is None:
            return None
        groups, out, _ = self.weights.shape
        found: np.ndarray = self.addition.input_value(self.port).get_node().data
        return found.reshape(groups, out)


def painted_pictures(count: int, size: int, seed: int = 0) -> np.ndarray:
    """Return ``uint8 (count, size, size, 3)``, painted: the same on every machine."""
    every = scenes(max(2000, count))
    chosen = [every[i * len(every) // count] for i in range(count)]
    pictures = np.empty((count, size, size, 3), np.uint8)
    for i, labels in enumerate(chosen):
        picture = paint(frozenset(labels), np.random.default_rng((seed, i)))
        pictures[i] = np.asarray(picture.convert("RGB").resize((size, size)))
    return pictures


def fold(model: Any) -> None:
    """Fold normalisation into the weights, which is what will be rounded."""
    from openvino._offline_transformations import apply_moc_transformations

    apply_moc_transformations(model, True)


def meet(model: Any, pixels: np.ndarray) -> list[np.ndarray]:
    """Return what each convolution of a folded model is fed at random places of the pictures.

    Args:
        model: of a fixed batch.
        pixels: ``uint8 (n, size, size, 3)``, n a multiple of the batch.

    Returns:
        Per convolution ``float32 (samples, groups, in * kernel)``.
    """
    import openvino as ov

    layers = _layers(model)
    if not layers:
        return []
    probe = ov.Model([layer.node.input_value(0) for layer in layers], model.get_parameters(), "")
    compiled = ov.Core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    batch = model.input(0).get_shape()[0]
    random = np.random.default_rng(0)
    met: list[list[np.ndarray]] = [[] for _ in layers]
    for start in range(0, len(pixels), batch):
        outputs = compiled(pixels[start : start + batch], share_outputs=True)
        for at, layer in enumerate(layers):
            met[at].append(_patches(layer, outputs[at], random))
    return [np.concatenate(parts) for parts in met]


def round_weights(model: Any, met: Sequence[np.ndarray]) -> list[Rounded]:
    """Return the rounded weights and bias of each convolution of a folded model.

    Args:
        model: as given to :func:`meet`.
        met: what :func:`meet` returned.
    """
    layers = _layers(model)
    return [
        round_layer(layer.weights, layer.bias, inputs)
        for layer, inputs in zip(layers, met, strict=True)
    ]


def put_weights(model: Any, rounded: Sequence[Rounded], exact: int) -> list[str]:
    """Put rounded weights into a folded model, in place.

    Args:
        model: as given to :func:`meet`.
        rounded: what :func:`round_weights` returned.
        exact: the first so many convolutions are left as they are.

    Returns:
        Names of the convolutions left as they are.
    """
    layers = _layers(model)
    for layer, (weights, bias) in list(zip(layers, rounded, strict=True))[exact:]:
        _replace(layer.node, 1, weights)
        if layer.addition is not None and bias is not None:
            _replace(layer.addition, layer.port, bias)
    return [layer.node.get_friendly_name() for layer in layers[:exact]]


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


def round_layer(weights: np.ndarray, bias: np.ndarray | None, inputs: np.ndarray) -> Rounded:
    """Round one layer for the inputs it meets.

    Args:
        weights: ``float32 (groups, out, width)``.
        bias: ``float32 (groups, out)``, or None.
        inputs: ``float32 (samples, groups, width)``.

    Returns:
        The same in bf16 numbers, held as float32.
    """
    width = weights.shape[2]
    if width > _WIDEST:
        # so many errors average out, but for what they do to the mean, which the bias takes on
        rounded = to_bf16(weights)
        if bias is None:
            return rounded, None
        shift = np.einsum("gow,gw->go", rounded - weights, inputs.mean(axis=0))
        return rounded, to_bf16(bias - shift)
    x = inputs.transpose(1, 0, 2).astype(np.float64)
    w = weights.astype(np.float64)
    if bias is not None:
        # first, as it cannot make good as finely as the weights can
        w = np.concatenate([bias[:, :, None].astype(np.float64), w], axis=2)
        x = np.concatenate([np.ones((*x.shape[:2], 1)), x], axis=2)
    done = round_jointly(w, x.transpose(0, 2, 1) @ x / x.shape[1], int(bias is not None))
    if bias is None:
        return done, None
    return np.ascontiguousarray(done[:, :, 1:]), np.ascontiguousarray(done[:, :, 0])


def round_jointly(weights: np.ndarray, moments: np.ndarray, first: int = 0) -> np.ndarray:
    """Round to bf16 so that ``E[((rounded - weights) . x)^2]`` is small.

    Args:
        weights: ``float64 (groups, out, width)``.
        moments: ``E[x x']``, ``float64 (groups, width, width)``.
        first: so many columns are rounded before all others.

    Returns:
        ``float32 (groups, out, width)``.

    >>> w = np.full((1, 1, 2), 1.003)
    >>> round_jointly(w, np.ones((1, 2, 2))).tolist()
    [[[1.0, 1.0078125]]]
    >>> to_bf16(w.astype(np.float32)).tolist()
    [[[1.0, 1.0]]]
    """
    width = weights.shape[2]
    mean = np.trace(moments, axis1=1, axis2=2) / width
    damped = moments + (_DAMPING * mean + 1e-12)[:, None, None] * np.eye(width)
    # what weighs most goes first, and leaves its error to all the others
    power = np.sqrt(np.diagonal(damped, axis1=1, axis2=2)) * np.abs(weights).mean(axis=1)
    power[:, :first] = np.inf
    order = np.argsort(-power, axis=1, kind="stable")
    each = np.arange(len(weights))[:, None]
    damped = damped[each[:, :, None], order[:, :, None], order[:, None, :]]
    left = np.take_along_axis(weights, order[:, None, :], axis=2)
    upper = _factor_of_inverse(damped)
    done, error = np.empty(weights.shape, np.float32), np.empty_like(left)
    for start in range(0, width, _COLUMNS):
        end = min(start + _COLUMNS, width)
        for k in range(start, end):
            done[:, :, k] = to_bf16(left[:, :, k].astype(np.float32))
            error[:, :, k] = (left[:, :, k] - done[:, :, k]) / upper[:, k, k, None]
            left[:, :, k + 1 : end] -= error[:, :, k, None] * upper[:, None, k, k + 1 : end]
        # the columns after these are met once for all of them
        left[:, :, end:] -= error[:, :, start:end] @ upper[:, start:end, end:]
    rounded = np.empty_like(done)
    np.put_along_axis(rounded, order[:, None, :], done, axis=2)
    return rounded


def _factor_of_inverse(moments: np.ndarray) -> np.ndarray:
    """Return U with ``inv(moments) = U' U``, upper triangular; both ``float64 (groups, w, w)``.

    Row k tells how later weights answer an error in weight k. With the order of rows and columns
    turned round, it is the inverse of the lower Cholesky factor.
    """
    from scipy.linalg.lapack import dtrtri

    lower = np.linalg.cholesky(moments[:, ::-1, ::-1])
    return np.stack([dtrtri(each, lower=1)[0][::-1, ::-1] for each in lower])


def to_bf16(values: np.ndarray) -> np.ndarray:
    """Round float32 to the nearest bf16, ties to even, held as float32.

    >>> to_bf16(np.float32([1.0, 1.003, 1.005])).tolist()
    [1.0, 1.0, 1.0078125]
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    nearest = (bits + (((bits >> 16) & 1) + 0x7FFF)) & np.uint32(0xFFFF0000)
    return nearest.astype(np.uint32).view(np.float32).reshape(values.shape)


def _layers(model: Any) -> list[_Layer]:
    layers = []
    for node in model.get_ordered_ops():
        if node.get_type_name() not in _KINDS or len(node.get_output_shape(0)) != 4:
            continue
        if _constant(node, 1) is None:
            continue
        addition, port = None, 0
        targets = list(node.output(0).get_target_inputs())
        if len(targets) == 1 and targets[0].get_node().get_type_name() == "Add":
            follower = targets[0].get_node()
            out = node.get_output_shape(0)[1]
            for at in (0, 1):
                constant = _constant(follower, at)
                if constant is not None and constant.size == out:
                    addition, port = follower, at
        layers.append(_Layer(node, addition, port))
    return layers


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


def _patches(layer: _Layer, fed: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw places of a layer's output; return what the kernel sees there."""
    attributes = layer.node.get_attributes()
    (above, left), (down, across) = attributes["pads_begin"], attributes["strides"]
    far, wide = attributes["dilations"]
    batch, channels, tall, broad = fed.shape
    height, width = layer.node.get_output_shape(0)[2:]
    y = random.integers(0, height, (batch, _POSITIONS)) * down - above
    x = random.integers(0, width, (batch, _POSITIONS)) * across - left
    image, channel = np.arange(batch)[:, None, None], np.arange(channels)
    patches = np.empty((batch, _POSITIONS, channels, *layer.kernel), np.float32)
    for u, v in np.ndindex(layer.kernel):
        row, column = y + u * far, x + v * wide
        inside = (row >= 0) & (row < tall) & (column >= 0) & (column < broad)
        row, column = row.clip(0, tall - 1), column.clip(0, broad - 1)
        seen = fed[image, channel, row[:, :, None], column[:, :, None]]
        patches[:, :, :, u, v] = seen * inside[:, :, None]
    return patches.reshape(batch * _POSITIONS, layer.weights.shape[0], -1)
