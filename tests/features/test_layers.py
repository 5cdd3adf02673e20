"""Layers, poolings and input sizes: what timm or plain torch gives, under keys of their own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from toolkit.errors import UsageError
from toolkit.features.backbones import BackboneSpec
from toolkit.features.loading import load
from toolkit.features.resolve import resolve

VIT, CNN = "timm/test_vit", "timm/test_efficientnet"


def pictures(size: int, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def features(name: str, x: torch.Tensor | None = None, **options: Any) -> torch.Tensor:
    backbone, network, _ = load(BackboneSpec(name, "none", **options))
    x = pictures(backbone.preprocess.size) if x is None else x
    with torch.inference_mode():
        found: torch.Tensor = network(x)
    assert found.shape[1] == backbone.dim
    return found


def whole(name: str) -> tuple[Any, torch.Tensor]:
    """Return the bare network with the same random start, and its input."""
    backbone, network, _ = load(BackboneSpec(name, "none"))
    return network, pictures(backbone.preprocess.size)


def test_tokens_are_pooled_as_they_are_named() -> None:
    network, x = whole(VIT)
    with torch.inference_mode():
        tokens = network.forward_features(x)
    rest = tokens[:, network.num_prefix_tokens :]
    torch.testing.assert_close(features(VIT, pooling="cls"), tokens[:, 0])
    torch.testing.assert_close(features(VIT, pooling="mean"), rest.mean(1))
    both = torch.cat([tokens[:, 0], rest.mean(1)], 1)
    torch.testing.assert_close(features(VIT, pooling="cls+mean"), both)
    torch.testing.assert_close(features(VIT, pooling="max"), rest.amax(1))


def test_maps_are_pooled_as_they_are_named() -> None:
    network, x = whole(CNN)
    with torch.inference_mode():
        maps = network.forward_features(x)
        own = network(x)
    torch.testing.assert_close(features(CNN), own)
    torch.testing.assert_close(features(CNN, pooling="avg"), own)
    both = torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)
    torch.testing.assert_close(features(CNN, pooling="avgmax"), both)
    gem = maps.clamp_min(1e-6).pow(3).mean((2, 3)).pow(1 / 3)
    torch.testing.assert_close(features(CNN, pooling="gem"), gem)


def test_last4_are_the_class_tokens_of_the_last_blocks_normalised() -> None:
    network, x = whole(VIT)
    last = min(4, len(network.blocks))
    if last < 4:
        with pytest.raises(UsageError, match="last4 is for transformers of four blocks"):
            features(VIT, layer="last4")
    name = "timm/vit_tiny_patch16_224"
    network, x = whole(name)
    with torch.inference_mode():
        found = network.get_intermediate_layers(x, n=4, norm=True, return_prefix_tokens=True)
    expected = torch.cat([prefix[:, 0] for _, prefix in found], 1)
    torch.testing.assert_close(features(name, layer="last4"), expected)


def test_named_layers_stand_side_by_side() -> None:
    torch.testing.assert_close(
        features(CNN, layer="blocks.1+blocks.2"),
        torch.cat([features(CNN, layer="blocks.1"), features(CNN, layer="blocks.2")], 1),
    )
    assert features("squeezenet1_0", layer="features.12", pooling="avgmax").shape[1] == 1024


@pytest.mark.parametrize("name", [VIT, CNN, "squeezenet1_0", "vit_b_32"])
def test_networks_take_pictures_of_another_size(name: str) -> None:
    # its own sizes as they are published, where making one to ask it takes seconds
    large = name == "vit_b_32"
    native = (224, 256) if large else native_sizes(name)
    size = native[0] // 2 // 32 * 32
    backbone, network, _ = load(BackboneSpec(name, "none", size=size))
    assert backbone.preprocess.size == size
    assert backbone.preprocess.resize == round(size * native[1] / native[0])
    with torch.inference_mode():
        assert network(pictures(size)).isfinite().all()


def native_sizes(name: str) -> tuple[int, int]:
    found = load(BackboneSpec(name, "none"))[0].preprocess
    return found.size, found.resize


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (CNN, {"pooling": "cls"}, "test_efficientnet has no class token"),
        (CNN, {"layer": "last4"}, "last4 is for transformers"),
        (CNN, {"layer": "blocks.99"}, r"no layer 'blocks.99'; expected last, last4, or names"),
        (CNN, {"layer": "a+"}, "no layer 'a'"),
        ("squeezenet1_0", {"pooling": "gem"}, "name the layer to pool too, such as layer features"),
        ("vit_b_32", {"size": 100}, "takes no pictures of 100 pixels .*expected a multiple of 32"),
        (VIT, {"size": 7}, "takes no pictures of 7 pixels"),
        ("alexnet", {"size": 3}, "takes no pictures of 3 pixels"),
    ],
)
def test_what_cannot_be_is_said(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(BackboneSpec(name, "none", **options))


def test_each_has_a_key_of_its_own(tmp_path: Path) -> None:
    found = set()
    options: list[dict[str, Any]] = [
        {},
        {"size": 96},
        {"pooling": "gem"},
        {"layer": "blocks.1"},
        {"layer": "blocks.2"},
        {"layer": "blocks.2", "pooling": "max"},
    ]
    for each in options:
        spec = BackboneSpec(CNN, "none", **each)
        backbone, _ = resolve(spec, tmp_path)
        again, _ = resolve(spec, tmp_path)  # from the note
        assert again == backbone
        found.add(repr(sorted(backbone.facts().items(), key=str)))
    assert len(found) == len(options)


def test_a_traced_network_gives_the_same_features() -> None:
    """Engines convert what a trace records; hooks are part of it."""
    x = pictures(160)
    _, network, _ = load(BackboneSpec(CNN, "none", layer="blocks.1+blocks.2", pooling="avgmax"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the tracer's end
        traced: Any = torch.jit.trace(network, x, check_trace=False)  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(traced(x).numpy(), network(x).numpy(), atol=1e-5)
