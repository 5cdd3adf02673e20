"""Rounding to bf16: torch agrees on the grid, errors are made good, features hardly move."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from toolkit.features.engines.rounding import (
    PICTURES,
    VERSION,
    convolutions,
    fold,
    inputs_met,
    keep_exact,
    photographs,
    round_layer,
    to_bf16,
)
from toolkit.storage.files import digest_of

BATCH = 4
SIZE = 32
ROUNDED = {1: "1c6b351193f02cda14ba10bfd10f68dd"}


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_the_grid_is_torch_s(values: list[float]) -> None:
    given_ = np.array(values, np.float32)
    expected = torch.from_numpy(given_).bfloat16().float().numpy()
    np.testing.assert_array_equal(to_bf16(given_), expected)


def met_by_a_layer(random: np.random.Generator, channels: int) -> np.ndarray:
    """Inputs as after a ReLU: positive, and alike in all channels."""
    common = random.exponential(size=(400, 1))
    return (0.7 * common + random.exponential(size=(400, channels))).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 24, 40, 1), (16, 1, 1, 9), (2, 6, 10, 4), (1, 3, 1800, 1)])
@pytest.mark.parametrize("biased", [True, False])
def test_outputs_move_less_than_with_rounding_to_nearest(
    shape: tuple[int, int, int, int], biased: bool
) -> None:
    random = np.random.default_rng(0)
    groups, out, channels, _ = shape
    weights = random.normal(size=shape).astype(np.float32)
    bias = random.normal(size=(groups, out)).astype(np.float32) * 5 if biased else None
    inputs, others = (met_by_a_layer(random, groups * channels) for _ in range(2))
    fed = others.reshape(-1, groups, channels)

    def outputs(w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
        exact: np.ndarray = np.einsum("goik,sgi->sgo", w.astype(np.float64), fed)
        return exact if b is None else np.add(exact, b)

    exact = outputs(weights, bias)
    nearest = outputs(to_bf16(weights), None if bias is None else to_bf16(bias))
    rounded, rounded_bias = round_layer(weights, bias, inputs)
    np.testing.assert_array_equal(rounded, to_bf16(rounded))
    assert (rounded_bias is None) == (bias is None)
    if rounded_bias is not None:
        np.testing.assert_array_equal(rounded_bias, to_bf16(rounded_bias))
    along = outputs(rounded, rounded_bias)
    assert np.square(along - exact).mean() < 0.6 * np.square(nearest - exact).mean()
    # a weight goes to a neighbour on the grid or near it, not astray
    assert (np.abs(rounded - weights) <= 0.03 * np.abs(weights)).all()


def test_numbers_of_the_grid_stay() -> None:
    random = np.random.default_rng(1)
    weights = to_bf16(random.normal(size=(2, 3, 8, 1)).astype(np.float32))
    rounded, _ = round_layer(weights, None, met_by_a_layer(random, 16))
    np.testing.assert_array_equal(rounded, weights)


def test_a_channel_that_is_never_fed_is_rounded_to_nearest() -> None:
    random = np.random.default_rng(2)
    weights = random.normal(size=(1, 4, 6, 1)).astype(np.float32)
    inputs = met_by_a_layer(random, 6) * (np.arange(6) != 3)
    rounded, _ = round_layer(weights, None, inputs)
    np.testing.assert_array_equal(rounded[:, :, 3], to_bf16(weights[:, :, 3]))


class Net(nn.Module):
    """Plain, grouped, depthwise, dilated and strided convolutions, with and without a bias."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(),
            nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(),
            nn.Conv2d(16, 32, 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1, groups=4),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, bias=False),
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        scaled = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
        features: torch.Tensor = self.layers(scaled).mean((2, 3))
        return features


def converted(net: nn.Module, size: int) -> Any:
    """Return a network as OpenVINO's model, folded."""
    example = torch.zeros((BATCH, size, size, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather export
        traced = torch.jit.trace(net, example)  # type: ignore[no-untyped-call]
    model = ov.convert_model(traced, example_input=example)
    model.reshape([BATCH, size, size, 3])
    fold(model)
    return model


def run(model: Any, pictures: np.ndarray) -> np.ndarray:
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    parts = [compiled(pictures[at : at + BATCH])[0] for at in range(0, len(pictures), BATCH)]
    return np.concatenate(parts)


def test_layers_are_fed_what_torch_feeds_them() -> None:
    net = Net().eval()
    pictures = photographs(8, SIZE)
    model = converted(net, SIZE)
    met = inputs_met(model, convolutions(model), pictures)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    for inputs, module in zip(met, (0, 3, 6, 8, 10), strict=True):
        with torch.inference_mode():
            fed = net.layers[:module](x).permute(0, 2, 3, 1)
        every = fed.reshape(len(pictures), -1, fed.shape[-1])
        drawn = torch.from_numpy(inputs).reshape(len(pictures), -1, inputs.shape[1])
        assert torch.cdist(drawn, every).min(dim=2).values.max() < 1e-2


def test_a_network_is_nearer_to_itself_than_rounded_to_nearest(tmp_path: Path) -> None:
    net = Net().eval()
    held = photographs(8, SIZE, seed=1)
    with torch.inference_mode():
        exact = net(torch.from_numpy(held)).numpy()
    model, nearest = converted(net, SIZE), converted(net, SIZE)
    layers = convolutions(model)
    assert [layer.weights.shape for layer in layers] == [
        (1, 16, 3, 9),
        (16, 1, 1, 9),
        (1, 32, 16, 1),
        (4, 8, 8, 9),
        (1, 64, 32, 9),
    ]
    met = inputs_met(model, layers, photographs(8, SIZE))
    for layer, inputs in list(zip(layers, met, strict=True))[2:]:
        layer.put(*round_layer(layer.weights, layer.bias, inputs))
    for layer in convolutions(nearest)[2:]:
        layer.put(to_bf16(layer.weights), None if layer.bias is None else to_bf16(layer.bias))
    along = run(model, held)
    off = np.square(along - exact).sum()
    assert 0 < off < 0.5 * np.square(run(nearest, held) - exact).sum()

    ov.save_model(model, tmp_path / "model.xml", compress_to_fp16=False)
    keep_exact(tmp_path / "model.xml", [layer.name for layer in layers[:2]])
    assert (tmp_path / "model.xml").read_text().count('name="precise"') == 2
    again = run(ov.Core().read_model(tmp_path / "model.xml"), held)
    np.testing.assert_allclose(again, along, rtol=1e-4, atol=1e-6)
    for layer in layers:
        layer.put(layer.weights, layer.bias)
    np.testing.assert_allclose(run(model, held), exact, rtol=1e-4, atol=1e-4)


class Whole(nn.Module):
    """Its first two layers compute in whole numbers, so that no processor sums them otherwise."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(0)
        sizes = [(3, 8, 1, 1), (8, 8, 3, 8), (8, 6, 1, 1)]
        self.layers = nn.ModuleList(
            nn.Conv2d(given_, out, side, groups=groups) for given_, out, side, groups in sizes
        )
        for layer, whole in zip(self.layers, (True, True, False), strict=True):
            for each in layer.parameters():
                values = random.normal(size=tuple(each.shape)) * 3
                values = values.round() if whole else values
                each.data = torch.from_numpy(values.astype(np.float32))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = pixels.permute(0, 3, 1, 2).float()
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x.mean((2, 3))


def test_rounded_weights_change_only_with_the_version() -> None:
    """The version enters the key of stores of bf16 rows: who changes weights counts it up."""
    model = converted(Whole(), 12)
    layers = convolutions(model)
    met = inputs_met(model, layers, photographs(PICTURES, 12))
    random = np.random.default_rng(1)
    parts = []
    for layer, inputs in zip(layers, met, strict=True):
        weights = layer.weights + random.normal(size=layer.weights.shape).astype(np.float32)
        rounded, bias = round_layer(weights, layer.bias, inputs)
        assert bias is not None
        parts += [rounded.tobytes().hex(), bias.tobytes().hex()]
    assert digest_of(*parts) == ROUNDED[VERSION]
