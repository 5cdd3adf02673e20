"""Any network gets L outputs, and its parameters fall into groups by depth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.finetuning.finetune_fakes import Tiny
from toolkit.errors import UsageError
from toolkit.features.backbones import BackboneSpec
from toolkit.features.loading import load
from toolkit.finetuning.networks import Classifier, classifier
from toolkit.finetuning.optimizer import depth_groups, make_optimizer, unfreeze_groups
from toolkit.finetuning.settings import Settings


def built(name: str, labels: int = 3, size: int = 64, weights: str = "none") -> Classifier:
    backbone, trunk, _ = load(BackboneSpec(name, weights))
    return classifier(backbone, trunk, labels, size)


@pytest.mark.parametrize(
    "name",
    [
        "squeezenet1_0",
        "densenet121",
        "timm/test_efficientnet",
        "timm/test_vit",
        "shufflenet_v2_x0_5",
    ],
)
def test_one_way_of_replacing_the_output_layer_serves_them_all(name: str) -> None:
    size = 160 if name == "timm/test_vit" else 64
    network = built(name, size=size).train()
    logits = network(torch.rand(2, 3, size, size) * 255)
    assert logits.shape == (2, 3)
    logits.sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None]
    assert not silent  # every layer that is there learns
    groups = depth_groups(network)
    listed = [id(p) for group in groups for p in group]
    assert sorted(listed) == sorted(id(p) for p in network.parameters())
    assert [id(p) for p in groups[-1]] == [id(p) for p in network.head.parameters()]
    first = next(p for p in network.trunk.parameters())
    assert id(first) in {id(p) for p in groups[0]}


def test_an_imagenet_file_lands_in_the_trunk(tmp_path: Path) -> None:
    """Files of the paper's networks, made here: a head of 1000 classes is left out."""
    from torchvision.models import squeezenet1_0

    torch.manual_seed(3)
    given = squeezenet1_0(num_classes=1000).state_dict()
    torch.save(given, tmp_path / "weights.pth")
    network = built("squeezenet1_0", weights=str(tmp_path / "weights.pth"))
    own = {n.removeprefix("trunk."): v for n, v in network.state_dict().items()}
    shared = [name for name in given if name.startswith("features")]
    assert shared
    assert all(torch.equal(own[name], given[name]) for name in shared)
    assert not [name for name in own if name.startswith("classifier") and own[name].numel()]


def test_a_size_that_a_network_does_not_take_is_refused() -> None:
    with pytest.raises(UsageError, match="its own is 224"):
        built("basic_cnn", size=64)


def test_deeper_layers_learn_more_slowly_and_vectors_do_not_decay() -> None:
    network = Tiny()
    groups = depth_groups(network)
    how = Settings(learning_rate=1.0, trunk_rate=0.5, layer_decay=0.1, weight_decay=0.3)
    made = make_optimizer(groups, how).param_groups
    rate = {id(p): group["lr"] for group in made for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in made for p in group["params"]}
    conv, norm = network.trunk[0], network.trunk[1]
    assert isinstance(conv, nn.Conv2d)
    assert rate[id(network.head.weight)] == 1.0
    assert rate[id(norm.weight)] == 0.5
    assert rate[id(conv.weight)] == pytest.approx(0.05)
    assert decay[id(conv.weight)] == 0.3
    assert decay[id(conv.bias)] == 0.0
    plain = make_optimizer(groups, how.changed({"optimizer": "adam"})).param_groups
    assert {group["weight_decay"] for group in plain} == {0.3}
    assert len(rate) == len(list(network.parameters()))


def test_groups_begin_to_learn_from_the_head_down() -> None:
    network = Tiny()
    groups = depth_groups(network)

    def learning(epoch: int, every: float) -> list[bool]:
        unfreeze_groups(groups, epoch, every)
        return [all(p.requires_grad for p in group) for group in groups]

    assert learning(0, 0) == [True, True, True]
    assert learning(0, 2) == [False, False, True]
    assert learning(1, 2) == [False, False, True]
    assert learning(2, 2) == [False, True, True]
    assert learning(4, 2) == [True, True, True]
