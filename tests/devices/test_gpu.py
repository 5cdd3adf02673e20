"""On a GPU itself; skipped where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.finetuning.finetune_fakes import QUICK, pictures, tiny
from toolkit.features.engines.torch import TorchEngine
from toolkit.finetuning.source import Source
from toolkit.finetuning.trainer import Trainer
from toolkit.runtime.device import choose_device
from toolkit.runtime.transfers import Landing, to_device

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.layers(pixels.permute(0, 3, 1, 2).float() / 255)
        return features.float()


@pytest.mark.parametrize("graph", [True, False, None])
def test_rows_are_the_processor_s_whatever_their_place(graph: bool | None) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (100, 16, 16, 3), np.uint8)
    with torch.inference_mode():
        wanted = Small()(torch.from_numpy(pixels)).numpy()
    engine = TorchEngine(Small(), "cuda:0", "fp32", 4, graph=graph)
    out = np.full(wanted.shape, np.nan, np.float32)
    for start in range(0, 100, 3):
        engine.submit([pixels[start : start + 3]], out[start : start + 3], lambda: None)
    engine.drain()
    np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("graph", [True, False])
def test_steps_are_the_processor_s(graph: bool) -> None:
    X, Y = pictures(64)
    how = QUICK.changed({"optimizer": "sgd"})
    weights = []
    for device in ("cpu", "cuda"):
        source = Source(lambda rows: X[rows], len(X), True, device, X[0].nbytes)
        at = np.arange(64)
        network: Any = tiny()
        network.trunk[3] = nn.Identity()  # masks of dropout are the device's own
        run = Trainer(network, source, Y, at, at[:0], how, device=device, graph=graph)
        for _ in range(4):
            run.train_step()
        assert run.captured.active == (graph and device == "cuda")
        values = run.network.state_dict().values()
        weights.append(np.concatenate([v.float().cpu().numpy().ravel() for v in values]))
    np.testing.assert_allclose(weights[1], weights[0], rtol=1e-3, atol=1e-4)


def test_tensors_land_in_order() -> None:
    landing = Landing()
    parts = [torch.full((2, 3), float(n)) for n in range(20)]
    for part in parts:
        landing.add(to_device(part, torch.device("cuda")))
    np.testing.assert_array_equal(landing.joined(), torch.cat(parts).numpy())


def test_a_gpu_that_is_not_there_is_refused() -> None:
    from toolkit.errors import UsageError

    with pytest.raises(UsageError, match="which has"):
        choose_device(f"cuda:{torch.cuda.device_count()}")
