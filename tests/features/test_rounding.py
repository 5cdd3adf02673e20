"""Rounding to bf16: torch agrees on the grid, errors are made good, features hardly move."""

import warnings
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from toolkit.features.engines.rounding import (
    fold,
    keep_exact,
    meet,
    painted_pictures,
    put_weights,
    round_jointly,
    round_layer,
    round_weights,
    to_bf16,
)

BATCH = 4


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_the_grid_is_torch_s(values: list[float]) -> None:
    given_ = np.array(values, np.float32)
    expected = torch.from_numpy(given_).bfloat16().float().numpy()
    np.testing.assert_array_equal(to_bf16(given_), expected)


def met_by_a_layer(random: np.random.Generator, groups: int, width: int) -> np.ndarray:
    """Inputs as after a ReLU: positive, and alike at all places."""
    common = random.exponential(size=(400, groups, 1))
    return (0.7 * common + random.exponential(size=(400, groups, width))).astype(np.float32)


@pytest.mark.parametrize(("groups", "out", "width"), [(1, 24, 40), (16, 1, 9), (2, 6, 30)])
@pytest.mark.parametrize("biased", [True, False])
def test_joint_rounding_moves_outputs_less_than_rounding_to_nearest(
    groups: int, out: int, width: int, biased: bool
) -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=(groups, out, width)).astype(np.float32)
    bias = random.normal(size=(groups, out)).astype(np.float32) * 5 if biased else None
    inputs = met_by_a_layer(random, groups, width)
    others = met_by_a_layer(random, groups, width)

    def outputs(w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
        exact: np.ndarray = np.einsum("gow,sgw->sgo", w.astype(np.float64), others)
        return exact if b is None else np.add(exact, b)

    exact = outputs(weights, bias)
    nearest = outputs(to_bf16(weights), None if bias is None else to_bf16(bias))
    rounded, rounded_bias = round_layer(weights, bias, inputs)
    np.testing.assert_array_equal(rounded, to_bf16(rounded))
    if rounded_bias is not None:
        np.testing.assert_array_equal(rounded_bias, to_bf16(rounded_bias))
    joint = outputs(rounded, rounded_bias)
    assert np.square(joint - exact).mean() < 0.5 * np.square(nearest - exact).mean()
    # a weight goes to a neighbour on the grid or near it, not astray
    assert np.abs(rounded - weights).max() < 0.05 * np.abs(weights).max()


def test_numbers_of_the_grid_stay() -> None:
    random = np.random.default_rng(1)
    weights = to_bf16(random.normal(size=(2, 3, 8)).astype(np.float32)).astype(np.float64)
    moments = np.eye(8)[None].repeat(2, axis=0)
    np.testing.assert_array_equal(round_jointly(weights, moments), weights.astype(np.float32))


def test_a_very_wide_layer_keeps_its_mean() -> None:
    random = np.random.default_rng(2)
    weights = random.normal(size=(1, 4, 1700)).astype(np.float32)
    bias = np.full((1, 4), 0.01, np.float32)
    inputs = met_by_a_layer(random, 1, 1700)
    rounded, rounded_bias = round_layer(weights, bias, inputs)
    assert rounded_bias is not None
    mean = inputs.astype(np.float64).mean(axis=0)

    def shift(w: np.ndarray, b: np.ndarray) -> float:
        exact = np.einsum("gow,gw->go", weights.astype(np.float64), mean) + bias
        given_ = np.einsum("gow,gw->go", w.astype(np.float64), mean) + b
        return float(np.abs(given_ - exact).max())

    assert shift(rounded, rounded_bias) < 0.1 * shift(to_bf16(weights), to_bf16(bias))


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


def test_a_network_rounded_is_nearer_to_itself_than_rounded_to_nearest(tmp_path: Path) -> None:
    net = Net().eval()
    pictures = painted_pictures(8, 32)
    held = painted_pictures(8, 32, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather export
        traced = torch.jit.trace(net, torch.from_numpy(pictures[:BATCH]))  # type: ignore[no-untyped-call]

    def converted() -> ov.Model:
        model = ov.convert_model(traced, example_input=torch.from_numpy(pictures[:BATCH]))
        model.reshape([BATCH, 32, 32, 3])
        fold(model)
        return model

    def run(model: ov.Model) -> np.ndarray:
        compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return np.concatenate([compiled(held[at : at + BATCH])[0] for at in (0, BATCH)])

    with torch.inference_mode():
        exact = net(torch.from_numpy(held)).numpy()
    model = converted()
    met = meet(model, pictures)
    assert [inputs.shape[1:] for inputs in met] == [(1, 27), (16, 9), (1, 16), (4, 72), (1, 288)]
    for layer, module, kernel in ((1, 3, {"padding": 2, "dilation": 2}), (3, 8, {"padding": 1})):
        with torch.inference_mode():
            scaled = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
            places = nn.functional.unfold(net.layers[:module](scaled), 3, **kernel)
        every = places.transpose(1, 2).reshape(-1, places.shape[1])
        drawn = torch.from_numpy(met[layer].reshape(len(met[layer]), -1))
        assert torch.cdist(drawn, every).min(dim=1).values.max() < 1e-2
    names = put_weights(model, round_weights(model, met), exact=2)
    jointly = run(model)
    nearest = converted()
    for node in nearest.get_ordered_ops():
        if node.get_type_name() in ("Convolution", "GroupConvolution") and (
            node.get_friendly_name() not in names
        ):
            weights = node.input_value(1).get_node()
            constant = ov.opset13.constant(to_bf16(weights.data).copy())
            node.input(1).replace_source_output(constant.output(0))
    assert len(names) == 2
    off = np.square(jointly - exact).sum()
    assert 0 < off < 0.5 * np.square(run(nearest) - exact).sum()

    ov.save_model(model, tmp_path / "model.xml", compress_to_fp16=False)
    keep_exact(tmp_path / "model.xml", names)
    assert (tmp_path / "model.xml").read_text().count('name="precise"') == 2
    again = run(ov.Core().read_model(tmp_path / "model.xml"))
    np.testing.assert_allclose(again, jointly, rtol=1e-4, atol=1e-6)
