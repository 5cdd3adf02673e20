"""EfficientNet-Lite of our own against timm's: the same layers, features and training."""

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from toolkit.features.backbones import BUNDLED
from toolkit.features.efficientnet_lite import EfficientNetLite, lite_preprocess
from toolkit.features.loading import _timm_preprocess


@pytest.mark.parametrize("name", BUNDLED)
def test_every_layer_gives_what_timm_s_gives(name: str) -> None:
    import timm

    theirs: Any = timm.create_model(f"tf_{name}", pretrained=False)
    ours = EfficientNetLite(name)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert lite_preprocess(name) == _timm_preprocess(theirs)
    pixels = torch.rand(2, 3, 61, 96, generator=torch.Generator().manual_seed(5))
    for training in (False, True):  # batch statistics in training, and what they leave behind
        theirs.train(training)
        ours.train(training)
        torch.testing.assert_close(ours(pixels), theirs(pixels))
        torch.testing.assert_close(ours.forward_features(pixels), theirs.forward_features(pixels))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_a_random_start_is_drawn_as_its_authors_drew_it() -> None:
    torch.manual_seed(0)
    network = EfficientNetLite("efficientnet_lite0")
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 5_000:
            fan = math.prod(layer.kernel_size) * layer.out_channels // layer.groups
            deviation = float(layer.weight.detach().std())
            assert deviation * math.sqrt(fan / 2) == pytest.approx(1, abs=0.05)
    classifier = network.classifier
    assert isinstance(classifier, nn.Linear)
    largest = float(classifier.weight.detach().abs().max())
    assert largest == pytest.approx(1 / math.sqrt(1000), rel=0.01)
    assert not classifier.bias.any()


def test_the_default_backbone_is_loaded_without_timm() -> None:
    """Importing it takes longer than embedding a hundred pictures."""
    script = """
import sys
from toolkit.features.backbones import DEFAULT, BackboneSpec
from toolkit.features.loading import load
load(BackboneSpec(DEFAULT, weights="none"))
print([name for name in ("timm", "torchvision") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
