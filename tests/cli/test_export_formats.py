"""Exported graphs: read back, run by a script alone, laid out for the Hub, refused where off."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toolkit as tk
from tests.cli.conftest import FORMATS, run_alone
from toolkit.errors import ArtifactError, ExportError, UsageError
from toolkit.inference import parity as measured

onnx = pytest.importorskip("onnx", reason="needs toolkit[onnx]")
pytest.importorskip("onnxruntime", reason="needs toolkit[onnx]")

ALONE = ("numpy", "numpy.libs", "PIL", "pillow.libs", "onnxruntime")


def pictures(fitted: Path) -> list[str]:
    return [str(fitted.parent / "course" / "images" / f"im{n}.jpg") for n in range(1, 10)]


def own_scores(fitted: Path) -> np.ndarray:
    member = tk.load_member("both", artifacts=fitted)
    return scores(member.predict(pictures(fitted)))


def scores(frame: Any) -> np.ndarray:
    found: np.ndarray = frame.drop(columns="image").to_numpy(np.float64)
    return found


def metadata(folder: Path) -> dict[str, str]:
    model = onnx.load(folder / "model.onnx")
    return {each.key: each.value for each in model.metadata_props}


@pytest.mark.parametrize("format", FORMATS)
def test_a_graph_is_read_back_and_predicts(format: str, exported: Path, fitted: Path) -> None:
    model = tk.load_model(exported / format)
    assert (model.name, model.labels) == ("both", ("day", "red"))
    found = model.predict(pictures(fitted))
    assert list(found["image"]) == pictures(fitted)
    said = json.loads((exported / format / "export.json").read_text())["parity"]
    assert said["difference"] <= 1e-3
    assert said["drawn_from"] == "development images of small"
    assert said["images"] == 54
    # embeddings here may be in bf16: how far that is was measured by the export, on other images
    off = np.abs(scores(found) - own_scores(fitted)).max()
    assert off <= 1e-3 + 3 * said["predict_difference"]
    binary = scores(model.predict(pictures(fitted)[:2], binary=True))
    assert set(binary.ravel()) <= {0, 1}


def test_the_file_says_what_it_is(exported: Path) -> None:
    facts = metadata(exported / "onnx")
    written = json.loads((exported / "onnx" / "export.json").read_text())
    assert json.loads(facts["labels"]) == ["day", "red"]
    assert json.loads(facts["thresholds"]) == written["thresholds"]
    assert json.loads(facts["parity"]) == written["parity"]
    assert json.loads(facts["licence_of_weights"]) == {
        "timm/test_resnet": "none needed (a random start)"
    }
    assert facts["opset"] == "18"
    model = onnx.load(exported / "onnx" / "model.onnx")
    assert model.producer_name == "toolkit"
    assert model.opset_import[0].version == 18
    (inputs,) = json.loads((exported / "onnx" / "preprocess.json").read_text())["inputs"]
    assert inputs == json.loads(facts["preprocess"])[0]
    assert inputs["timm"]["input_size"] == [3, *[inputs["transformers"]["crop_size"]["width"]] * 2]
    card = (exported / "onnx" / "MODEL_CARD.md").read_text()
    assert "## Exported graph" in card
    # what the card says, the file says too: onnx alone reads it
    assert f"ONNX opset {facts['opset']}, made by {facts['producer']}" in card
    assert f"at most {json.loads(facts['parity'])['difference']:.1e}" in card
    for label, threshold in json.loads(facts["thresholds"]).items():
        assert re.search(rf"\| {label} \|.* {threshold:.3f} \|", card)
    for backbone, licence in json.loads(facts["licence_of_weights"]).items():
        assert f"`{backbone}`: {licence}" in card
    assert "`members/`" not in card


@pytest.mark.parametrize("format", ["onnx", "hf"])
def test_the_script_needs_no_toolkit(
    format: str, exported: Path, fitted: Path, tmp_path: Path
) -> None:
    """Numpy, Pillow and onnxruntime alone can be imported."""
    import numpy

    site = Path(numpy.__file__).parents[1]
    for name in ALONE:
        if (site / name).exists():
            (tmp_path / name).symlink_to(site / name)
    script = exported / format / "predict.py"
    assert len(script.read_text().splitlines()) < 120
    start = "import sys, runpy; sys.path.append(sys.argv[1]); del sys.argv[:2]; "
    start += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-I", "-S", "-c", start, str(tmp_path), str(script)]
    broken, missing_one = tmp_path / "broken.jpg", tmp_path / "missing.jpg"
    broken.write_bytes(Path(pictures(fitted)[0]).read_bytes()[:200])
    given = [str(broken), *pictures(fitted), str(missing_one)]
    done = subprocess.run([*command, *given], capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    said = done.stderr.splitlines()
    assert [line.split(":")[0] for line in said] == [f"skipped {broken}", f"skipped {missing_one}"]
    assert all("it cannot be read as an image" in line for line in said)
    lines = list(csv.reader(done.stdout.splitlines()))
    assert lines[0] == ["image", "day", "red"]
    assert [line[0] for line in lines[1:]] == pictures(fitted)
    found = np.array([line[1:] for line in lines[1:]], np.float64)
    wanted = scores(tk.load_model(exported / format).predict(pictures(fitted)))
    assert np.abs(found - wanted).max() < 1e-5
    missing = subprocess.run(
        [*command[:5], "import toolkit"], capture_output=True, text=True, cwd=tmp_path
    )
    assert missing.returncode != 0


def test_the_hub_s_layout_is_what_its_readers_read(exported: Path) -> None:
    folder = exported / "hf"
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "README.md", "categories.json", "config.json", "export.json", "model.onnx", "predict.py",
        "preprocess.json", "preprocessor_config.json", "selected_tags.csv", "thresholds.csv",
    }  # fmt: skip
    model = onnx.load(folder / "model.onnx").graph
    assert [each.name for each in model.input] == ["input"]
    assert [each.name for each in model.output] == ["prediction"]
    with (folder / "selected_tags.csv").open() as file:
        tags = list(csv.DictReader(file))
    assert [tag["name"] for tag in tags] == ["day", "red"]
    thresholds = json.loads((folder / "export.json").read_text())["thresholds"]
    assert {tag["name"]: float(tag["best_threshold"]) for tag in tags} == thresholds
    front = (folder / "README.md").read_text().split("---\n")[1]
    assert all(re.fullmatch(r"[a-z_]+: (\".*\"|\[.*\])", line) for line in front.splitlines())
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "day", "1": "red"}


def test_imgutils_reads_the_hub_s_layout(
    exported: Path, fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader: Any = pytest.importorskip(
        "imgutils.generic.multilabel_timm", reason="needs dghs-imgutils"
    )
    monkeypatch.setattr(
        reader, "hf_hub_download", lambda filename, **_: str(exported / "hf" / filename)
    )
    wanted = scores(tk.load_model(exported / "hf").predict(pictures(fitted)))
    for path, row in zip(pictures(fitted), wanted, strict=True):
        found = reader.MultiLabelTIMMModel("a/b").predict(
            path, thresholds=0.0, use_tag_thresholds=False, fmt="tag"
        )
        assert [found["day"], found["red"]] == pytest.approx(row.tolist(), abs=0.02)


def test_the_same_export_again_is_done_already(
    fitted: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "model"
    shutil.copytree(exported / "onnx", place)
    monkeypatch.setattr(measured, "LIMITS", {})  # whoever compares again fails
    again = run_alone(fitted, "export", "both", place, "--format", "onnx", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["parity"]["difference"] <= 1e-3
    other = run_alone(fitted, "export", "both", place, "--format", "hf")
    assert other.code == 2
    assert "replace it with overwrite" in other.err
    (place / "model.onnx").write_bytes(b"")
    with pytest.raises(ArtifactError, match="damaged"):
        tk.load_model(place)
    (tmp_path / "mine").mkdir()
    assert run_alone(fitted, "export", "both", tmp_path / "mine", "--format", "onnx").code == 2
    assert run_alone(fitted, "export", "both", place, "--precision", "fp16").code == 2
    assert run_alone(fitted, "export", "both", place, "--format", "tflite").code == 2


def test_a_graph_that_scores_otherwise_is_not_written(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.inference.graphs import member

    member_of: Any = member
    add = member_of.add_calibration
    monkeypatch.setattr(
        member,
        "add_calibration",
        lambda graph, p, calibration: graph.op(
            "Mul", add(graph, p, calibration), graph.constant(0.99)
        ),
    )
    both = tk.load_member("both", artifacts=fitted)
    with pytest.raises(ExportError, match="other probabilities than the member"):
        both.export(tmp_path / "model", format="onnx")
    assert not list(tmp_path.iterdir())


def test_half_precision_is_smaller_and_says_what_it_costs(
    fitted: Path, exported: Path, tmp_path: Path
) -> None:
    weak = tk.load_member("weak", artifacts=fitted)
    done = weak.export(tmp_path / "half", format="onnx", precision="fp16")
    assert done.precision == "fp16"
    assert 0 < done.parity["difference"] < 1e-2
    whole = (exported / "onnx" / "model.onnx").stat().st_size
    assert (tmp_path / "half" / "model.onnx").stat().st_size < 0.6 * whole
    painted = measured.painted_images(3)
    assert len(painted) == 3


def test_what_a_graph_cannot_hold_is_refused_with_the_way_on(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.inference.export_graph import as_openvino
    from toolkit.inference.graphs.graph import Graph
    from toolkit.inference.graphs.trees import add_trees

    graph = Graph()
    trees = add_trees(graph, graph.input("x", np.float32, ["batch", 2]), [])
    with pytest.raises(ExportError, match=r"LightGBM.*format onnx"):
        as_openvino(graph.finish({"y": (trees, 1)}, {}))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"install toolkit\[onnx\]"):
        tk.load_member("weak", artifacts=fitted).export(tmp_path / "m", format="onnx")
    assert not os.listdir(tmp_path)
