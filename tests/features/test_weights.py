from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from toolkit.errors import WeightsError
from toolkit.features.weights import digest_state, fit_state, read_state

State = dict[str, torch.Tensor]


def network(seed: int = 0, classes: int = 5) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[tuple[str, nn.Module]] = [
        ("conv", nn.Conv2d(3, 4, 3)),
        ("norm", nn.BatchNorm2d(4)),
        ("head", nn.Linear(4, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("wrap", [None, "state_dict", "model", "model_state"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_are_read_whatever_wraps_them(
    tmp_path: Path, wrap: str | None, prefix: str, suffix: str
) -> None:
    state = dict(network().state_dict())
    named = {prefix + name: value for name, value in state.items()}
    file = tmp_path / f"w{suffix}"
    if suffix == ".safetensors":
        save_file(named, file)
    else:
        torch.save({wrap: named, "epoch": 3} if wrap else named, file)
    assert same(read_state(file), state)


class Hostile:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    file = tmp_path / "w.pth"
    hostile = Hostile(f"touch {mark}")
    torch.save({"state_dict": hostile}, file)
    with pytest.raises(WeightsError, match=r"w\.pth cannot be read"):
        read_state(file)
    file.write_bytes(pickle.dumps(hostile))
    with pytest.raises(WeightsError, match=r"w\.pth cannot be read"):
        read_state(file)
    assert not mark.exists()


def test_other_files_end_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        read_state(tmp_path / "none.pth")
    for name, content in (("a.pth", b""), ("b.safetensors", b"{}"), ("c.pth", b"hello" * 9)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=f"{name} cannot be read") as caught:
            read_state(tmp_path / name)
        assert "\n" not in str(caught.value)
    torch.save({"epoch": 3}, tmp_path / "d.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_state(tmp_path / "d.pth")


def test_weights_fit_by_name_in_order_and_without_their_classifier() -> None:
    given = dict(network(1).state_dict())
    module = network(2)
    fit_state(module, given, "head", "they")
    assert same(dict(module.state_dict()), given)

    module = network(2)
    fit_state(module, {f"layer{n}": value for n, value in enumerate(given.values())}, "head", "it")
    assert same(dict(module.state_dict()), given)

    module, other = network(2), dict(network(1, classes=9).state_dict())
    own_head = module.state_dict()["head.weight"].clone()
    fit_state(module, other, "head", "they")
    assert torch.equal(module.state_dict()["conv.weight"], other["conv.weight"])
    assert torch.equal(module.state_dict()["head.weight"], own_head)

    module = network(2)
    bare = {name: value for name, value in given.items() if not name.startswith("head")}
    fit_state(module, bare, "head", "they")
    assert torch.equal(module.state_dict()["norm.weight"], given["norm.weight"])


def test_files_from_before_batches_were_counted_fit() -> None:
    given = dict(network(1).state_dict())
    old = {name: value for name, value in given.items() if "num_batches" not in name}
    assert len(old) == len(given) - 1
    for state in (old, {f"layer{n}": value for n, value in enumerate(old.values())}):
        module = network(2)
        fit_state(module, state, "head", "they")
        assert same(dict(module.state_dict()), given)


def test_the_names_that_densenet_had_at_first_fit() -> None:
    layer = nn.Sequential(OrderedDict(norm1=nn.BatchNorm2d(2), conv2=nn.Conv2d(2, 2, 1)))
    module = nn.Sequential(OrderedDict(denselayer1=layer, classifier=nn.Linear(2, 2)))
    given = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): torch.full_like(value, 3)
        for name, value in module.state_dict().items()
        if "num_batches" not in name and not name.startswith("classifier")
    }
    assert "denselayer1.norm.1.weight" in given
    fit_state(module, given, "classifier", "they")
    assert (module.state_dict()["denselayer1.norm1.running_var"] == 3).all()
    assert (module.state_dict()["denselayer1.conv2.weight"] == 3).all()


def test_weights_of_another_network_are_refused_with_the_first_difference() -> None:
    given = dict(network().state_dict())
    wide = given | {"conv.weight": torch.zeros(8, 3, 3, 3)}
    with pytest.raises(WeightsError, match=r"conv\.weight is \(8, 3, 3, 3\), not \(4, 3, 3, 3\)"):
        fit_state(network(), wide, "head", "the weights in w.pth")
    with pytest.raises(WeightsError, match=r"the weights in w\.pth do not fit.*lack conv\.bias"):
        fit_state(
            network(),
            {name: value for name, value in given.items() if name != "conv.bias"},
            "head",
            "the weights in w.pth",
        )


def test_the_digest_is_over_names_types_shapes_and_values() -> None:
    state = dict(network().state_dict())
    base = digest_state(state)
    assert digest_state(dict(reversed(state.items()))) == base
    weight = state["conv.weight"]
    changed = weight.clone()
    changed[0, 0, 0, 0] += 1e-6
    others = [
        {**state, "conv.weight": changed},
        {**state, "conv.weight": weight.double()},
        {**state, "conv.weight": weight.reshape(-1)},
        {("x" if name == "conv.weight" else name): value for name, value in state.items()},
        {name: value for name, value in state.items() if name != "conv.bias"},
    ]
    assert len({base, *(digest_state(other) for other in others)}) == 6
    transposed = {**state, "conv.weight": weight.to(memory_format=torch.channels_last)}
    assert digest_state(transposed) == base


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_only_files_that_keep_an_order_are_fitted_by_it(tmp_path: Path, suffix: str) -> None:
    # equal layers by number: sorted by name, the tenth comes before the second
    from toolkit.features.loading import fitted

    def blocks(seed: int) -> nn.Sequential:
        torch.manual_seed(seed)
        return nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(12)))

    theirs, ours = blocks(1), blocks(2)
    state = {f"block.{name}": value for name, value in theirs.state_dict().items()}
    file = tmp_path / f"w{suffix}"
    if suffix == ".safetensors":
        save_file(state, file)
        with pytest.raises(WeightsError, match="do not fit"):
            fitted(ours, file, "head")
    else:
        torch.save(state, file)
        fitted(ours, file, "head")
        assert same(dict(ours.state_dict()), dict(theirs.state_dict()))
