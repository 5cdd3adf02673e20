"""The code of docs/libraries.md runs as it stands, against the real libraries."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toolkit as tk
from tests.cli.conftest import NETWORK

PAGE = Path(__file__).parents[2] / "docs" / "libraries.md"


def block(title: str, **names: object) -> str:
    """Return a block of the page, names in quotes replaced."""
    found = re.findall(rf"```python\n# {title}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(found) == 1
    code = str(found[0])
    for name, value in names.items():
        assert f'"{name}"' in code
        code = code.replace(f'"{name}"', repr(str(value)))
    return code


@pytest.fixture
def course(fitted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of the fitted members' images, with the members' artifacts in force."""
    monkeypatch.setenv("TOOLKIT_ARTIFACTS", str(fitted))
    monkeypatch.chdir(tmp_path)
    return fitted.parent / "course"


def test_scores_go_into_cleanlab(course: Path) -> None:
    pytest.importorskip("cleanlab", reason="needs cleanlab")
    names: dict[str, Any] = {}
    exec(block("doubtful labels by cleanlab", photos=course, linear="strong"), names)
    assert len(names["quality"]) == 54
    assert ((names["quality"] >= 0) & (names["quality"] <= 1)).all()
    assert set(names["doubtful"]) < set(names["photos"].ids)
    assert set(names["issues"]) <= set(range(54))
    # what the scores are surest of is what cleanlab doubts least
    sure = np.abs(names["scores"] - names["photos"].Y[names["rows"]]).max(axis=1)
    assert sure[np.argmax(names["quality"])] < np.median(sure)


def test_samples_go_into_fiftyone(
    course: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIFTYONE_DO_NOT_TRACK", "true")
    monkeypatch.setenv("FIFTYONE_DATABASE_DIR", str(tmp_path / "db"))
    pytest.importorskip("fiftyone", reason="needs fiftyone")
    code = block("samples for FiftyOne", linear="strong").replace('read("photos")', "read(COURSE)")
    wanted = '"efficientnet_lite0"'
    assert wanted in code
    code = code.replace(wanted, f'"{NETWORK}", weights="none"')
    made, kept = code.split("view = ")
    names: dict[str, Any] = {"COURSE": str(course)}
    exec(made, names)
    photos, samples = names["photos"], names["samples"]
    assert [sample.filepath for sample in samples] == list(photos.paths)
    for sample, given in zip(samples, photos.Y, strict=True):
        labels = {each.label for each in sample.ground_truth.classifications}
        assert labels == {name for name, y in zip(photos.labels, given, strict=True) if y == 1}
        assert len(sample.embedding) == names["embedded"].X.shape[1]
        for each in sample.predictions.classifications:
            assert each.confidence == names["scores"].loc[sample.image, each.label] >= 0.5
    assert any(sample.predictions.classifications for sample in samples)
    try:
        exec("view = " + kept.replace('"photos"', f'"{tmp_path.name}"'), names)
    except Exception as error:
        if "mongo" not in f"{type(error)} {error}".lower():
            raise
        pytest.skip(f"the samples are sound; FiftyOne's database is not at hand: {error}"[:200])
    assert len(names["view"]) == len(photos)
    names["view"].delete()


def test_pictures_of_datasets_are_scored(
    course: Path, exported: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="needs toolkit[onnx]")
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    code = block("scores beside the pictures of a data set", photos=course)
    code = code.replace('load_model("model")', f"load_model({str(exported / 'onnx')!r})")
    names: dict[str, Any] = {}
    exec(code, names)
    wanted = tk.load_model(exported / "onnx").predict(names["photos"].paths)
    assert names["table"]["id"][:] == list(names["photos"].ids)
    for label in ("day", "red"):
        assert np.abs(np.array(names["table"][label][:]) - wanted[label]).max() < 1e-4
    truth, table = names["photos"], names["table"].remove_columns(["day", "red"])
    for at, label in enumerate(truth.labels):  # and back: what datasets saves is read as it lies
        table = table.add_column(label, truth.Y[:, at].tolist())
    table.save_to_disk(str(tmp_path / "saved"))
    back = tk.Dataset.read(tmp_path / "saved", labels=["day", "red"])
    assert back.labels == truth.labels
    assert np.array_equal(back.Y, truth.Y)


HEADS: dict[str, Any] = {
    "linear": (lambda: tk.LinearHead(Cs=[0.1]), []),
    "mlp": (lambda: tk.MLPHead(hidden=8, epochs=2), []),
    "lightgbm": (lambda: tk.LightGBMHead(n_estimators=5, n_jobs=1), ["lightgbm.basic.Booster"]),
}


def test_a_head_goes_through_a_file_of_skops(course: Path, tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io", reason="needs skops")
    names: dict[str, Any] = {}
    exec(block("a head in a file of skops"), names)
    X, Y = names["X"], names["Y"]
    assert np.array_equal(names["again"].predict_proba(X), names["head"].predict_proba(X))
    for make, more in HEADS.values():
        head = make().fit(X, Y)
        kind = f"{type(head).__module__}.{type(head).__qualname__}"
        skops.dump(head, tmp_path / "one.skops")
        again = skops.load(tmp_path / "one.skops", trusted=[kind, *more])
        assert np.array_equal(again.predict_proba(X), head.predict_proba(X))
