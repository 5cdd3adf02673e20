"""What is computed apart from a step moves to its device too: probes, validation, scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.devices.other_device import There, second_device
from tests.devices.test_placement import NEAR, run_on
from tests.finetuning.finetune_fakes import LABELS, QUICK, SIDE, pictures
from tests.finetuning.finetune_fakes import one_thread as one_thread
from toolkit.features.engines.torch import TorchEngine
from toolkit.finetuning.fitting import _selected
from toolkit.finetuning.linear_probe import probe
from toolkit.finetuning.networks import Classifier
from toolkit.finetuning.source import Source
from toolkit.finetuning.workers import ALONE
from toolkit.heads import mlp_training
from toolkit.heads.mlp import MLPHead
from toolkit.images.preprocess import Preprocess
from toolkit.inference.network import FinetunedScorer


def network() -> Classifier:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Classifier(
        trunk, 4, LABELS, Preprocess(SIDE, SIDE, "bilinear", (0.5,) * 3, (0.5,) * 3)
    ).eval()


def source_on(device: str) -> tuple[Source, np.ndarray]:
    X, Y = pictures(24)
    return Source(lambda rows: X[rows], len(X), True, device, X[0].nbytes), Y.astype(np.int8)


def same(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, **NEAR)


def test_validation_and_weights_of_cells() -> None:
    weight = np.random.default_rng(0).random((24, LABELS)).astype(np.float32)

    def metrics(device: str) -> list[float]:
        run, _ = run_on(device, QUICK, True, weight=weight, pos_weight=np.array([2.0, 3.0]))
        sums = run.running
        if device == "cpu":
            run.train_step()
        else:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(torch.Tensor, "backward", lambda self: None)
                run.train_step()
        return [*sums.cpu().tolist(), *run._validated(run.network).values()]

    wanted = metrics("cpu")
    with second_device("meta"):
        same(metrics("meta"), wanted)


def test_a_probe_and_the_weights_of_unknown_cells() -> None:
    def found(device: str) -> list[np.ndarray]:
        source, Y = source_on(device)
        Y[::4] = -1
        model, train = network(), np.arange(20)
        probe(model, source, Y, train)
        probed = [each.detach().cpu().numpy() for each in model.head.parameters()]
        cells = _selected(network(), source, Y, train, workers=ALONE, precision="fp32")
        return [*probed, cells]

    wanted = found("cpu")
    with second_device("meta"):
        for mine, its in zip(found("meta"), wanted, strict=True):
            same(mine, its)


def test_scores_of_new_pictures() -> None:
    X, _ = pictures(24)

    class Given:
        device = "cpu"

        def pixels(self, key: Any) -> np.ndarray:
            return X

    class Key:
        key = None

    scorer = object.__new__(FinetunedScorer)
    scorer.labels, scorer.views, scorer._precision = ("a", "b"), True, "fp32"
    scorer.pictures = (Key(),)  # type: ignore[assignment]
    scorer.networks = [network()]
    given: Any = Given()
    wanted = scorer.score(given)
    scorer.networks, given.device = [network()], "meta"
    with second_device("meta"):
        same(scorer.score(given), wanted)


def test_an_engine_that_copies_by_itself() -> None:
    X, _ = pictures(6)

    def rows(device: str) -> np.ndarray:
        torch.manual_seed(0)
        module = nn.Sequential(Pixels(), nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        engine = TorchEngine(module, device, "fp32", batch=4)
        out = np.empty((6, 4), np.float32)
        for start in (0, 4):
            block = slice(start, min(start + 4, 6))
            engine.submit([X[block]], out[block], lambda: None)
        engine.drain()
        return out

    wanted = rows("cpu")
    with second_device("meta"):
        same(rows("meta"), wanted)


class Pixels(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.permute(0, 3, 1, 2).float() / 255


def test_rows_of_an_mlp_lie_where_it_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    there = []
    plain = mlp_training._on_device
    monkeypatch.setattr("toolkit.heads.network_head.choose_device", lambda device: device)

    def noted(*given: Any) -> torch.Tensor:
        rows = plain(*given)
        there.append(isinstance(rows, There))
        return rows

    monkeypatch.setattr(mlp_training, "_on_device", noted)
    random = np.random.default_rng(0)
    X = random.standard_normal((30, 4)).astype(np.float32)
    Y = (X[:, :2] > 0).astype(np.int8)
    for device in ("cpu", "meta"):
        with second_device("meta"):
            MLPHead(epochs=1, hidden=2, precision="fp32", device=device).fit(X, Y)
    assert there[0] is False
    assert there[-1] is True
