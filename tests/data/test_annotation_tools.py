"""Exports of annotation tools: found by looking, read right, and broken loudly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import toolkit as tk
from toolkit.data.readers.places import Places
from toolkit.data.readers.registry import FORMATS
from toolkit.errors import DataError, UsageError

NAMES = ("im1", "im2", "im3", "im10")
LABELS = ("cat", "dog", "sea")
Y = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], np.int8)


def images(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(NAMES):
        Image.new("RGB", (6, 6), (60 * number, 1, 2)).save(folder / f"{name}.jpg")
    return folder


def given(row: int) -> list[str]:
    return [label for label, yes in zip(LABELS, Y[row], strict=True) if yes]


def fiftyone_labels() -> dict[str, Any]:
    return {
        "classes": list(LABELS),
        "labels": {
            "im1": 0,
            "im2": ["cat", {"label": 1, "confidence": 0.5}],
            "im3": [],
            "im10": {"label": "sea", "attributes": {}},
        },
    }


def fiftyone_samples() -> dict[str, Any]:
    samples: list[dict[str, Any]] = []
    tags = ("train", "train", "validation", "test")
    for row, name in enumerate(NAMES):
        each = [{"_cls": "Classification", "label": label} for label in given(row)]
        samples.append(
            {
                "filepath": f"data/{name}.jpg",
                "tags": [tags[row], "blurry"],
                "metadata": {"_cls": "ImageMetadata"},
                "ground_truth": {"_cls": "Classifications", "classifications": each},
                "guesses": {"_cls": "Classification", "label": "sea"},
            }
        )
    return {"samples": samples}


def choices(*labels: str, control: str = "what", **more: Any) -> dict[str, Any]:
    value = {"choices": list(labels)}
    result = {"type": "choices", "from_name": control, "to_name": "image", "value": value}
    return {"was_cancelled": False, "result": [result] if labels else [], **more}


def label_studio_tasks() -> list[dict[str, Any]]:
    box = {"rectanglelabels": ["dog"], "x": 1, "y": 1, "width": 5, "height": 5}
    region = {"type": "rectanglelabels", "from_name": "box", "to_name": "image", "value": box}
    second = choices("cat")
    second["result"].append(region)
    data = [
        {"image": "/data/upload/3/0a1b2c3d-im1.jpg"},
        {"image": "/data/local-files/?d=elsewhere/im2.jpg"},
        {"image": "https://example.org/bucket/im3.jpg?key=1"},
        {"image": "s3://bucket/im10.jpg"},
    ]
    each = [[choices("cat")], [second], [choices()], [choices("sea")]]
    return [
        {"id": 7 + row, "data": data[row], "annotations": each[row], "predictions": []}
        for row in range(4)
    ]


def cvat_text() -> str:
    kinds = "".join(f"<label><name>{label}</name></label>" for label in LABELS)
    kinds += "<label><name>ear</name><parent>dog</parent></label>"
    shapes = (
        '<tag label="cat" source="manual"/>',
        '<tag label="cat"><attribute name="dog">1</attribute></tag>'
        '<skeleton label="dog"><points label="ear" points="1,2"/></skeleton>',
        "",
        '<box label="sea" xtl="1" ytl="1" xbr="2" ybr="2"/><box label="sea"/>',
    )
    subsets = ("Train", "Train", "Validation", "Test")
    body = "".join(
        f'<image id="{row}" name="{name}.jpg" subset="{subsets[row]}">{shapes[row]}</image>'
        for row, name in enumerate(NAMES)
    )
    meta = f"<meta><project><labels>{kinds}</labels></project></meta>"
    return f'<?xml version="1.0"?><annotations><version>1.1</version>{meta}{body}</annotations>'


def labels_json(folder: Path) -> Path:
    images(folder / "data")
    (folder / "labels.json").write_text(json.dumps(fiftyone_labels()))
    return folder


def samples_json(folder: Path) -> Path:
    images(folder / "data")
    (folder / "samples.json").write_text(json.dumps(fiftyone_samples()))
    (folder / "metadata.json").write_text(json.dumps({"classes": {"ground_truth": LABELS}}))
    return folder


def label_studio(folder: Path) -> Path:
    images(folder / "images")
    (folder / "project-3.json").write_text(json.dumps(label_studio_tasks(), indent=1))
    return folder


def cvat(folder: Path) -> Path:
    images(folder / "images")
    (folder / "annotations.xml").write_text(cvat_text())
    return folder


Write = Callable[[Path], Path]
WRITERS: dict[Write, tuple[str, str]] = {
    labels_json: ("fiftyone", "labels.json"),
    samples_json: ("fiftyone", "samples.json"),
    label_studio: ("label-studio", "project-3.json"),
    cvat: ("cvat", "annotations.xml"),
}


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: str(write.__name__))
@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
def test_it_is_found_by_itself_with_the_right_labels(
    write: Write, whole: bool, tmp_path: Path
) -> None:
    format, file = WRITERS[write]
    path = write(tmp_path / "set") if whole else write(tmp_path / "set") / file
    assert [name for name, known in FORMATS.items() if known.recognises(path)][-1] == format
    found = tk.Dataset.read(path, progress=False)
    assert found.labels == LABELS
    np.testing.assert_array_equal(found.Y, Y)
    assert [Path(image).name for image in found.ids] == list(NAMES)
    assert found.provenance["layout"] == format
    split = ("train", "train", "validation", "test")
    assert found.parts == (split if write in (samples_json, cvat) else ())
    # what absence means is said, and overridden
    preview = tk.preview_data(path)
    assert "a label that is not given counts as no" in repr(preview)
    unknown = tk.Dataset.read(path, absent="unknown", progress=False)
    np.testing.assert_array_equal(unknown.Y, np.where(Y == 1, 1, -1))
    # the images may lie elsewhere
    elsewhere = tmp_path / "elsewhere" / file
    elsewhere.parent.mkdir()
    elsewhere.write_text((tmp_path / "set" / file).read_text())
    moved = tk.Dataset.read(elsewhere, root=tmp_path / "set", progress=False)
    np.testing.assert_array_equal(moved.Y, Y)


def test_fiftyone_images_without_labels_are_unknown_and_parts_have_folders(tmp_path: Path) -> None:
    for part, names in (("train", NAMES[:2]), ("val", NAMES[2:])):
        images(tmp_path / part / "data")
        for name in set(NAMES) - set(names):
            (tmp_path / part / "data" / f"{name}.jpg").unlink()
        every = fiftyone_labels()
        every["labels"] = {name: every["labels"][name] for name in names}
        every["labels"][names[0]] = None
        (tmp_path / part / "labels.json").write_text(json.dumps(every))
    found = tk.Dataset.read(tmp_path, progress=False)
    assert found.parts == ("train", "train", "validation", "validation")
    assert found.Y[[0, 2]].tolist() == [[-1, -1, -1]] * 2
    assert "2 images not labelled: all labels unknown" in repr(tk.preview_data(tmp_path))
    no = tk.Dataset.read(tmp_path, absent="no", progress=False)
    assert no.Y[[0, 2]].tolist() == [[0, 0, 0]] * 2


def test_fiftyone_fields_are_named_where_there_are_several(tmp_path: Path) -> None:
    folder = samples_json(tmp_path)
    guessed = tk.Dataset.read(folder, labels="guesses", progress=False)
    assert (guessed.labels, guessed.Y.tolist()) == (("sea",), [[1]] * 4)
    text = (folder / "samples.json").read_text().replace("ground_truth", "truth")
    (folder / "samples.json").write_text(text)
    with pytest.raises(DataError, match=r"several fields of labels: name one .*\(guesses, truth\)"):
        tk.Dataset.read(folder, progress=False)
    with pytest.raises(UsageError, match="separator is not for FiftyOne"):
        tk.Dataset.read(folder, separator="|", progress=False)


def test_annotators_are_outvoted_and_a_tie_is_unknown(tmp_path: Path) -> None:
    images(tmp_path)
    tasks = label_studio_tasks()
    tasks[0]["annotations"] = [choices("cat"), choices("cat", "dog"), choices("dog", "sea")]
    tasks[1]["annotations"] = [choices("cat"), choices("dog"), choices("sea", was_cancelled=True)]
    tasks[2]["annotations"] = [choices("cat"), choices("dog", ground_truth=True)]
    tasks[3]["annotations"] = [choices("sea", was_cancelled=True)]
    (tmp_path / "x.json").write_text(json.dumps(tasks))
    found = tk.Dataset.read(tmp_path, progress=False)
    assert found.labels == LABELS
    assert found.Y.tolist() == [[1, 1, 0], [-1, -1, 0], [0, 1, 0], [-1, -1, -1]]
    said = repr(tk.preview_data(tmp_path))
    assert "annotators differ on 5 labels of 2 images: the majority decides, 2 ties unknown" in said
    assert "2 annotations cancelled, left out" in said
    assert "1 task without an annotation that counts: all labels unknown" in said
    unknown = tk.Dataset.read(tmp_path, absent="unknown", progress=False)
    assert unknown.Y.tolist() == [[1, 1, 1], [1, 1, -1], [-1, 1, -1], [-1, -1, -1]]
    no = tk.Dataset.read(tmp_path, absent="no", progress=False)
    assert no.Y[3].tolist() == [0, 0, 0]


def test_choices_of_several_controls_are_told_apart(tmp_path: Path) -> None:
    images(tmp_path)
    tasks = label_studio_tasks()
    for task in tasks:
        yes = choices("yes", control="sharp")["result"] + choices("no", control="dark")["result"]
        task["annotations"][0]["result"] += yes
    (tmp_path / "x.json").write_text(json.dumps(tasks))
    found = tk.Dataset.read(tmp_path, labels="what,box", progress=False)
    np.testing.assert_array_equal(found.Y, Y)
    tasks[0]["annotations"][0]["result"] += choices("yes", control="dark")["result"]
    (tmp_path / "x.json").write_text(json.dumps(tasks))
    with pytest.raises(DataError, match=r"have one choice \(yes\): name one of them by labels"):
        tk.Dataset.read(tmp_path, progress=False)


def test_a_place_of_another_machine_fits_one_image_or_none(tmp_path: Path) -> None:
    for name in ("a.jpg", "x/b.jpg", "y/b.jpg", "y/c d.jpg", "00000000-e.jpg", "x/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    find = Places(tmp_path).find
    assert find("C:\\photos\\x\\b.jpg") == find("/home/a/x/b.jpg") == "x/b.jpg"
    assert find("https://example.org/y/c%20d.jpg?x=1") == "y/c d.jpg"
    assert find("/data/upload/1/0a1b2c3d-c d.jpg") == "y/c d.jpg"
    assert find("/data/upload/1/00000000-e.jpg") == "00000000-e.jpg"
    assert find(f"{tmp_path}/a.jpg") == find("a.jpg") == "a.jpg"
    # several have these names: nothing is guessed
    assert find("/home/b.jpg") == "/home/b.jpg"
    assert find("/home/z/a.jpg") == "/home/z/a.jpg"


def _text(file: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = (folder / file).read_text()
        assert old in content
        (folder / file).write_text(content.replace(old, new, 1))

    return edit


def _gone(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


def _json(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        document = json.loads((folder / file).read_text())
        changed = change(document)
        (folder / file).write_text(json.dumps(document if changed is None else changed))

    return edit


def _emptied(folder: Path) -> None:
    (folder / CVAT).write_text("<annotations><version>1.1</version></annotations>")


def _labels(**more: Any) -> Callable[[Path], None]:
    return _json("labels.json", lambda document: document["labels"].update(more))


def _sample(**more: Any) -> Callable[[Path], None]:
    return _json("samples.json", lambda document: document["samples"][1].update(more))


def _task(**more: Any) -> Callable[[Path], None]:
    return _json("project-3.json", lambda tasks: tasks[1].update(more))


def _result(**more: Any) -> Callable[[Path], None]:
    return _task(annotations=[{"result": [{"type": "choices", "from_name": "what", **more}]}])


FIFTYONE, STUDIO, CVAT = "labels.json", "project-3.json", "annotations.xml"
BROKEN: list[tuple[Write, Callable[[Path], None], str]] = [
    (labels_json, _text(FIFTYONE, ']', ''), "cannot be read as JSON"),
    (labels_json, _json(FIFTYONE, lambda d: d.update(labels={})), "expected images, found none"),
    (labels_json, _json(FIFTYONE, lambda d: d.update(classes="cat")), "expected a list of classes"),
    (labels_json, _labels(im1=7), r"expected classes from 0 to 2, found the class 7 of 'im1'"),
    (labels_json, _labels(im1=-1), "found the class -1"),
    (labels_json, _labels(im1="kat"), r"expected a label among the classes .*found 'kat'"),
    (labels_json, _labels(im1=[None]), "expected a label among"),
    (labels_json, _labels(im1={"name": "cat"}), "expected a label among"),
    (labels_json, _labels(im99="cat"), "names 1 image not there"),
    (labels_json, _gone("data/im1.jpg"), "names 1 image not there"),
    (labels_json, _labels(**{"im1.jpg": "cat"}), "in several rows"),
    (labels_json, _json(FIFTYONE, lambda d: d.update(toolkit={"unknown": {"im1": ["cat"]}})),
     "unknown labels of 'im1' are no classes, or given as well"),
    (samples_json, _text("samples.json", "}", ""), "cannot be read as JSON"),
    (samples_json, _json("samples.json", lambda d: d["samples"].clear()), "field of labels, found"),
    (samples_json, _json("samples.json", lambda d: d["samples"].append(3)), "with a filepath"),
    (samples_json, _sample(filepath=None), "expected samples with a filepath"),
    (samples_json, _sample(filepath="data/im9.jpg"), "names 1 image not there"),
    (samples_json, _sample(filepath="data/im1.jpg"), "in several rows"),
    (samples_json, _sample(tags=["train", "test"]), "'data/im2.jpg' is in several parts"),
    (samples_json, _sample(ground_truth="cat"), "expected labels of 'data/im2.jpg'"),
    (samples_json, _sample(ground_truth={"_cls": "Detections", "detections": [{}]}), "with a name"),
    (samples_json, _json("metadata.json", lambda _: [1]), "expected an object, found list"),
    (label_studio, _text(STUDIO, "}", ""), "cannot be read as JSON"),
    (label_studio, _json(STUDIO, lambda tasks: tasks.append(3)), "task 5: expected data"),
    (label_studio, _task(data=None), "export as JSON, not as JSON_MIN"),
    (label_studio, _task(data={"image": ""}), "task 8: expected an image in data.image"),
    (label_studio, _json(STUDIO, lambda tasks: tasks[0].update(data={"text": "hello"})),
     "no key of the tasks' data names an image"),
    (label_studio, _task(annotations=None), "task 8: expected a list of annotations"),
    (label_studio, _task(annotations=[{}]), "expected annotations with a result"),
    (label_studio, _task(annotations=[{"result": [3]}]), "expected results with a type"),
    (label_studio, _result(value={"choices": "cat"}), "expected a list of choices as value"),
    (label_studio, _result(value=None), "expected a list of choices as value"),
    (label_studio, _result(value={"choices": ["image"]}), "as tables of scores have the columns"),
    (label_studio, _task(data={"image": "im9.jpg"}), r"not there \('im9.jpg' \(task 8\)"),
    (label_studio, _task(data={"image": "im1.jpg"}), "in several rows"),
    (label_studio, _gone("images/im3.jpg"), "names 1 image not there"),
    (cvat, _text(CVAT, "</image>", ""), "cannot be read as XML"),
    (cvat, _text(CVAT, "<annotations>", '<!DOCTYPE a [<!ENTITY b "">]><annotations>'), "entities"),
    (cvat, _text(CVAT, "<version>1.1</version>", ""), "expected version 1.1 .*found none"),
    (cvat, _text(CVAT, "<version>1.1", "<version>2.0"), "found version '2.0'"),
    (cvat, _text(CVAT, '<tag label="cat"', '<tag label="kat"'), r"does not have \(kat\)"),
    (cvat, _text(CVAT, '<tag label="cat"', "<tag"), "a tag of 'im1.jpg' has no label"),
    (cvat, _text(CVAT, 'name="im1.jpg"', ""), "an image has no name"),
    (cvat, _text(CVAT, "im1.jpg", "im9.jpg"), "names 1 image not there"),
    (cvat, _text(CVAT, "im2.jpg", "im1.jpg"), "in several rows"),
    (cvat, _text(CVAT, "<image", '<track id="1" label="cat"/><image'), "1 track of a video"),
    (cvat, _gone("images/im3.jpg"), "names 1 image not there"),
    (cvat, _emptied, "expected images, found none"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "harm", "message"), BROKEN)
def test_what_is_broken_is_named_and_nothing_is_written(
    write: Write, harm: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "set")
    harm(folder)
    before = sorted(tmp_path.rglob("*"))
    format, file = WRITERS[write]
    with pytest.raises(DataError, match=message) as caught:
        tk.import_data(folder / file, "x", format=format, root=folder, artifacts=tmp_path / "kept")
    assert len(str(caught.value)) < 700
    assert sorted(tmp_path.rglob("*")) == before


def test_other_xml_and_json_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<html/>")
    with pytest.raises(DataError, match="expected annotations of CVAT, found an element 'html'"):
        tk.Dataset.read(tmp_path / "a.xml", progress=False)
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(DataError, match=r"expected COCO's lists .* found a list of int"):
        tk.Dataset.read(tmp_path / "a.json", progress=False)
    for format, message in (("fiftyone", "expected an object"), ("label-studio", "task 1")):
        with pytest.raises(DataError, match=message):
            tk.Dataset.read(tmp_path / "a.json", format=format, progress=False)
