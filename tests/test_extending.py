"""The code of docs/extending.md works as written."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from toolkit.data.collection import import_data
from toolkit.data.dataset import Dataset
from toolkit.data.readers.registry import FORMATS
from toolkit.features.backbones import BackboneSpec
from toolkit.features.loading import BUILDERS, load
from toolkit.heads.registry import HEADS, make_head
from toolkit.statistics.metrics import EXTRA, score

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def module(name: str, code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    file = folder / f"{name}.py"
    file.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, made)
    spec.loader.exec_module(made)
    return made


def test_a_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setitem(BUILDERS, "small", BUILDERS["basic_cnn"])  # taken away afterwards
    module("small_backbone", BLOCKS[0], tmp_path, monkeypatch)
    backbone, network, file = load(BackboneSpec("small", weights="none"))
    assert (backbone.dim, backbone.weights, file) == (128, "none", None)
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 128)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    again, _, _ = load(BackboneSpec("small", weights=str(tmp_path / "weights.pt"), seed=1))
    assert again.digest == backbone.digest


def test_a_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.base import clone

    from toolkit.statistics.metrics import auroc

    module("centroid_head", BLOCKS[1], tmp_path, monkeypatch)
    monkeypatch.setitem(HEADS, "centroid", ("centroid_head", "CentroidHead"))
    rng = np.random.default_rng(0)
    Y = (rng.random((400, 3)) < [0.5, 0.2, 0.1]).astype(np.uint8)
    X = (rng.normal(size=(400, 8)) + Y @ rng.normal(size=(3, 8))).astype(np.float32)
    head = make_head("centroid", class_weight=None, random_state=0, device="cpu", floor=0.01).fit(
        X[:300], Y[:300]
    )
    scores = head.predict_proba(X[300:])
    assert auroc(Y[300:], scores).min() > 0.7
    restored = clone(head).restore(head.state())
    np.testing.assert_array_equal(restored.predict_proba(X[300:]), scores)


def test_a_label_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "tags", FORMATS["csv"])  # taken away afterwards
    before = list(FORMATS)
    module("tags_reader", BLOCKS[2], tmp_path, monkeypatch)
    assert list(FORMATS) == before
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (4, 4), colour).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.tags").write_text("b.png:\na.png: red\n")
    made = Dataset.read(tmp_path / "labels.tags", progress=False)
    assert (made.ids, made.labels, made.Y.tolist()) == (("a", "b"), ("red",), [[1], [0]])


def test_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRA, "lrap", lambda Y, S: 0.0)
    module("ranking_precision", BLOCKS[3], tmp_path, monkeypatch)
    found = score([[1, 0], [0, 1]], [[0.9, 0.2], [0.8, 0.7]])
    assert found.metrics["lrap"] == 0.75
    assert score([[0, 0]], [[0.9, 0.2]]).metrics["lrap"] is None


def test_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer
    from typer.testing import CliRunner

    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("image,cat\na.png,1\n")
    import_data(tmp_path / "labels.csv", "one", artifacts=tmp_path / "artifacts", progress=False)
    app = typer.Typer()
    app.callback()(lambda: None)
    module("count_command", BLOCKS[4], tmp_path, monkeypatch).add_to(app)
    done = CliRunner().invoke(app, ["count", "--artifacts", str(tmp_path / "artifacts")])
    assert (done.exit_code, done.stdout.strip()) == (0, "1")


def test_all_are_as_short_as_promised() -> None:
    assert len(BLOCKS) == 5
    for block in BLOCKS:
        assert len([line for line in block.splitlines() if line.strip()]) <= 20
