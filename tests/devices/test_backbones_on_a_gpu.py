"""Backbones run where their engine is: on tensors that have a device and no numbers."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.devices.other_device import move_parameters, require_guards
from toolkit.features.backbones import BackboneSpec
from toolkit.features.embedder import embedder
from toolkit.features.engines import torch as engines
from toolkit.features.engines.torch import TorchEngine, batch_for
from toolkit.features.loading import load
from toolkit.finetuning.forward import autocast
from toolkit.finetuning.networks import classifier

# torch asks the driver for normalisations, and timm's transformers for numbers: not these
KINDS = ("squeezenet1_0", "alexnet", "basic_cnn")


class Copies:
    """Holds what it is given, as a double buffer does."""

    def __init__(self, *given: Any) -> None:
        self.given = given


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let tensors have no numbers, and a GPU's streams do nothing."""
    require_guards()
    monkeypatch.setattr(nn.Module, "_apply", move_parameters)
    monkeypatch.setattr("toolkit.features.loading.digest_state", lambda state: "0" * 64)
    monkeypatch.setattr(engines, "DoubleBuffer", Copies)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
    with FakeTensorMode():
        yield


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("name", KINDS)
def test_a_backbone_embeds_and_learns_on_its_device(name: str) -> None:
    backbone, network, _ = load(BackboneSpec(name, "none"))
    side = backbone.preprocess.size
    module = embedder(network, backbone, ("original", "hflip"))
    engine = TorchEngine(module, "cuda:0", "bf16", batch=4)
    pixels = torch.zeros((4, side, side, 3), dtype=torch.uint8, device="cuda:0")
    rows = engine._run(pixels)
    assert (rows.device, rows.dtype) == (torch.device("cuda:0"), torch.float32)
    assert rows.shape == (4, backbone.dim)
    left = weakref.ref(engine)
    del engine
    assert left() is None  # and with it a GPU's memory, without waiting for a collection
    learning = classifier(backbone, network.to("cpu"), 3).to("cuda:0").train()
    pictures = torch.zeros((2, 3, side, side), device="cuda:0")
    # without a driver gradients have no streams to be computed on
    learning.requires_grad_(False)
    with torch.inference_mode(), autocast(pictures.device, "bf16", keep=False):
        assert learning(pictures).device == pictures.device


def test_a_batch_takes_a_share_of_the_free_memory() -> None:
    for each in (1e6, 2e7, 3e8):
        for free in (1e9, 8e9, 8e10):
            batch = batch_for(each, free)
            assert batch & (batch - 1) == 0
            assert batch == 8 or batch * each <= 0.4 * free
            assert batch == 256 or 2 * batch * each > 0.4 * free
