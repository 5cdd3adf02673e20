"""Fine-tuned members score new images, alone, in ensembles, and from an exported folder."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Drive
from toolkit.errors import ArtifactError
from toolkit.members.member import load_member
from toolkit.members.predictions import HELD_OUT

SMALL = ("--backbone", "timm/test_efficientnet", "--weights", "none", "--epochs", 1)
SMALL += ("--no-tensorboard", "--folds", 2, "--learning-rate", 0.05)  # type: ignore[assignment]
TRUNK = (*SMALL, "--size", 32)
FROZEN = (*SMALL, "--pretrain", "feature-extract", "--set", "invert=True")


def artifacts() -> Path:
    return Path(os.environ["TOOLKIT_ARTIFACTS"])


def read(file: Path) -> dict[str, np.ndarray]:
    lines = [line.split(",") for line in file.read_text().splitlines()[1:]]
    return {Path(cells[0]).stem: np.array([float(cell) for cell in cells[1:]]) for cells in lines}


def stored(name: str) -> dict[str, np.ndarray]:
    """Return the scores that a member has of images it was not fitted on."""
    own = load_member(artifacts(), name).scored
    held = [i for i, origin in zip(own.ids, own.origin, strict=True) if origin == HELD_OUT]
    assert len(held) == 6
    return {image: own.for_ids([image])[0] for image in held}


def off(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> float:
    """Return the greatest difference of scores."""
    return max(float(np.abs(found[image] - scores).max()) for image, scores in wanted.items())


def test_new_images_are_scored_as_the_member_s_own_were(
    toolkit: Drive, course: Path, tmp_path: Path, engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="needs toolkit[onnx]")
    toolkit("data", "import", course, "--name", "small")
    for name, options in (("trunk", TRUNK), ("frozen", FROZEN)):
        done = toolkit("finetune", *options, "--precision", "fp32", "--name", name)
        assert done.code == 0, done.err
    done = toolkit("ensemble", "--method", "mean", "--folds", 2, "--name", "e", "--json")
    assert done.document["members"] == ["frozen", "trunk"]
    images = course / "images"
    found = {}
    for name in ("trunk", "frozen", "e"):
        out = tmp_path / f"{name}.csv"
        done = toolkit("predict", images, "--model", name, "--out", out)
        assert done.code == 0, done.err
        found[name] = read(out)
        assert len(found[name]) == 60
        assert off(found[name], stored(name)) < 1e-5, name
    assert off(found["trunk"], found["frozen"]) > 1e-3  # they are not one another

    for name in ("trunk", "e"):
        exported = toolkit("export", name, tmp_path / f"bundle-{name}", "--json")
        assert exported.code == 0, exported.err
    assert exported.document["members"] == ["e", "frozen", "trunk"]
    card = (tmp_path / "bundle-e" / "MODEL_CARD.md").read_text()
    assert "on pictures and scored at 32 pixels" in card
    graph = toolkit("export", "e", tmp_path / "graph", "--format", "onnx", "--json")
    assert graph.code == 0, graph.err  # a network of its own, one on features, two kinds of input
    assert graph.document["parity"]["difference"] < 1e-4
    inputs = json.loads((tmp_path / "graph" / "preprocess.json").read_text())["inputs"]
    assert [(each["name"], each["invert"]) for each in inputs] == [
        ("pixels_0", True),
        ("pixels_1", False),
    ]
    out = tmp_path / "graph.csv"
    assert toolkit("predict", images, "--model", tmp_path / "graph", "--out", out).code == 0
    assert off(read(out), found["e"]) < 1e-3
    refused = toolkit("export", "e", tmp_path / "hub", "--format", "hf")
    assert refused.code == 1
    assert "format onnx" in refused.err
    files = [file for file in (tmp_path / "bundle-e").rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".safetensors", ".json", ".toml", ".md"}
    told = "".join(file.read_text() for file in files if file.suffix != ".safetensors")
    assert str(tmp_path) not in told
    elsewhere = tmp_path / "elsewhere" / "embeddings"
    elsewhere.mkdir(parents=True)
    (elsewhere / "engines").symlink_to(engines)  # converted once for all tests
    monkeypatch.setenv("TOOLKIT_ARTIFACTS", str(tmp_path / "elsewhere"))
    for name in ("trunk", "e"):
        out = tmp_path / f"there-{name}.csv"
        done = toolkit("predict", images, "--model", tmp_path / f"bundle-{name}", "--out", out)
        assert done.code == 0, done.err
        assert off(read(out), found[name]) < 1e-5, name


def test_a_trained_trunk_needs_no_file_that_it_began_with(
    toolkit: Drive, course: Path, tmp_path: Path
) -> None:
    """Half precision, one run without folds, an inverted picture, and weights from a file."""
    import timm
    import torch

    from toolkit.inference.network import saved_networks

    weights = tmp_path / "began.pth"
    torch.save(timm.create_model("test_efficientnet").state_dict(), weights)
    toolkit("data", "import", course, "--name", "small")
    chosen = ("--weights", weights, "--folds", 0, "--set", "invert=True", "--precision", "bf16")
    done = toolkit("finetune", *TRUNK, *chosen, "--name", "t")
    assert done.code == 0, done.err
    weights.unlink()
    bundle, out = tmp_path / "bundle", tmp_path / "out.csv"
    assert toolkit("export", "t", bundle).code == 0
    assert not (bundle / "weights").exists()
    recipe = (bundle / "members" / "t" / "recipe.toml").read_text()
    assert 'weights = "began.pth"' in recipe
    assert toolkit("predict", course / "images", "--model", bundle, "--out", out).code == 0
    own = load_member(artifacts(), "t").scored
    assert off(read(out), {image: own.for_ids([image])[0] for image in own.ids}) < 0.005

    model = load_member(artifacts(), "t").folder / "model"
    notes = json.loads((model / "notes.json").read_text())
    assert len(saved_networks(model, notes)) == 1
    notes["trunk"]["backbone"] |= {"name": "timm/test_resnet"}
    with pytest.raises(ArtifactError, match="not those of the network"):
        saved_networks(model, notes)
