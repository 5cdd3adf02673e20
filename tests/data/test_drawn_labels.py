"""LabelMe's and VIA's files: labels of what was drawn, found by looking, and broken loudly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toolkit as tk
from tests.data.test_annotation_tools import LABELS, NAMES, Y, _gone, _json, _text, given, images
from toolkit.data.readers.registry import FORMATS
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}
Write = Callable[[Path], Path]


def labelme_file(row: int, path: str) -> str:
    """Return a file as labelme 5 writes it; each label is drawn twice."""
    shapes: list[dict[str, Any]] = [
        {"label": label, "points": [[1, 1], [2, 2]], "group_id": None, "flags": {}}
        | {"shape_type": kind}
        for label in given(row)
        for kind in ("rectangle", "polygon")
    ]
    document = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": path}
    return json.dumps(document | {"imageData": None, "imageHeight": 6, "imageWidth": 6}, indent=2)


def beside(folder: Path) -> Path:
    images(folder)
    for row, name in enumerate(NAMES):
        (folder / f"{name}.json").write_text(labelme_file(row, f"{name}.jpg"))
    return folder


def in_annotations(folder: Path) -> Path:
    images(folder / "images")
    (folder / "annotations").mkdir()
    for row, name in enumerate(NAMES):
        file = folder / "annotations" / f"{name}.json"
        file.write_text(labelme_file(row, f"..\\images\\{name}.jpg"))
    return folder


def by_name_in_labels(folder: Path) -> Path:
    images(folder / "photos")
    (folder / "labels").mkdir()
    for row, name in enumerate(NAMES):
        (folder / "labels" / f"{name}.json").write_text(labelme_file(row, f"{name}.jpg"))
    return folder


def from_elsewhere(folder: Path) -> Path:
    images(folder)
    for row, name in enumerate(NAMES):
        (folder / f"{name}.json").write_text(labelme_file(row, f"/home/a/{row}.jpg"))
    return folder


def via_images(attributes: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    box = {"name": "rect", "x": 1, "y": 1, "width": 2, "height": 2}
    return {
        f"{name}.jpg{60 + row}": {
            "filename": f"{name}.jpg",
            "size": 60 + row,
            "regions": [
                {"shape_attributes": box, "region_attributes": attributes(label)}
                for label in given(row) * 2
            ],
            "file_attributes": {"caption": "", "public_domain": "no", "image_url": ""},
        }
        for row, name in enumerate(NAMES)
    }


def via_export(folder: Path) -> Path:
    images(folder / "images")
    (folder / "via_region_data.json").write_text(json.dumps(via_images(lambda x: {"kind": x})))
    return folder


def via_project(folder: Path) -> Path:
    images(folder)
    options = dict.fromkeys(LABELS, "")
    document = {
        "_via_settings": {"ui": {}, "core": {}, "project": {"name": "x"}},
        "_via_img_metadata": via_images(lambda x: {"kind": {x: True, "sea": x == "sea"}}),
        "_via_attributes": {"region": {"kind": {"type": "checkbox", "options": options}}},
    }
    (folder / "via_region_data.json").write_text(json.dumps(document))
    return folder


def via_1(folder: Path) -> Path:
    images(folder)
    document = via_images(lambda x: {"kind": x})
    for each in document.values():
        each["regions"] = {str(at): region for at, region in enumerate(each["regions"])}
    (folder / "via_region_data.json").write_text(json.dumps(document))
    return folder


FORMAT_OF: dict[Write, str] = {
    **dict.fromkeys((beside, in_annotations, by_name_in_labels, from_elsewhere), "labelme"),
    **dict.fromkeys((via_export, via_project, via_1), "via"),
}


@pytest.mark.parametrize("write", FORMAT_OF, ids=lambda write: str(write.__name__))
def test_it_is_found_by_itself_with_the_right_labels(write: Write, tmp_path: Path) -> None:
    folder, format = write(tmp_path / "set"), FORMAT_OF[write]
    assert [name for name, known in FORMATS.items() if known.recognises(folder)][-1] == format
    found = tk.Dataset.read(folder, **QUIET)
    assert (found.labels, found.provenance["layout"]) == (LABELS, format)
    np.testing.assert_array_equal(found.Y, Y)
    assert [Path(image).name for image in found.ids] == list(NAMES)
    said = repr(tk.preview_data(folder))
    assert "3 labels" in said
    assert "4 image labels" in said
    assert "1 image without" in said
    assert "a label that is not given counts as no" in said
    unknown = tk.Dataset.read(folder, absent="unknown", **QUIET)
    np.testing.assert_array_equal(unknown.Y, np.where(Y == 1, 1, -1))
    out = found.export(tmp_path / "x.csv", artifacts=tmp_path / "kept", **QUIET)
    assert tk.Dataset.read(out.path, root=found.root, **QUIET).digest == found.digest


def test_an_image_without_a_file_is_unknown_and_flags_are_labels(tmp_path: Path) -> None:
    folder = beside(tmp_path)
    (folder / "im3.json").unlink()
    for name, flags in (("im1", {"sharp": True, "__ignore__": True}), ("im10", {"sharp": False})):
        _file(flags=flags, file=f"{name}.json")(folder)
    found = tk.Dataset.read(folder, **QUIET)
    assert found.labels == (*LABELS, "sharp")
    assert found.Y.tolist() == [[1, 0, 0, 1], [1, 1, 0, -1], [-1] * 4, [0, 0, 1, 0]]
    said = repr(tk.preview_data(folder))
    assert "1 flag → 5 image labels, 5 unknown" in said
    assert "1 image without a file (im3.jpg): all labels unknown" in said
    no = tk.Dataset.read(folder, absent="no", **QUIET)
    assert no.Y[1:3].tolist() == [[1, 1, 0, 0], [0] * 4]


def test_labelme_s_folders_of_parts_are_a_split(tmp_path: Path) -> None:
    for part, rows in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
        images(tmp_path / part)
        for row, name in enumerate(NAMES):
            if row in rows:
                (tmp_path / part / f"{name}.json").write_text(labelme_file(row, f"{name}.jpg"))
            else:
                (tmp_path / part / f"{name}.jpg").unlink()
    found = tk.Dataset.read(tmp_path, **QUIET)
    part_of = dict(zip(found.ids, found.parts, strict=True))
    assert part_of == {
        **{"train/im1": "train", "train/im2": "train"},
        **{"val/im3": "validation", "test/im10": "test"},
    }


def test_via_s_attributes_are_named_where_there_are_several(tmp_path: Path) -> None:
    folder = via_project(tmp_path)

    def also(document: Any) -> None:
        for each in document["_via_img_metadata"].values():
            each["file_attributes"]["weather"] = "dry"
            for region in each["regions"]:
                region["region_attributes"]["size"] = "big"

    _json("via_region_data.json", also)(folder)
    with pytest.raises(DataError, match=r"may hold labels \(kind, size\): name one .*--labels"):
        tk.Dataset.read(folder, **QUIET)
    found = tk.Dataset.read(folder, labels="kind", **QUIET)
    np.testing.assert_array_equal(found.Y, Y)
    assert "other attributes, left out: size, weather" in repr(
        tk.preview_data(folder, labels="kind")
    )
    weather = tk.Dataset.read(folder, labels="weather", **QUIET)
    assert (weather.labels, weather.Y.tolist()) == (("dry",), [[1]] * 4)


def _region(**more: Any) -> Callable[[Path], None]:
    return _json(VIA, lambda d: d["im1.jpg60"]["regions"][0].update(more))


def _image(**more: Any) -> Callable[[Path], None]:
    return _json(VIA, lambda d: d["im1.jpg60"].update(more))


def _file(file: str = "im1.json", **more: Any) -> Callable[[Path], None]:
    return _json(file, lambda d: d.update(more))


def _emptied(folder: Path) -> None:
    for file in folder.glob("*.json"):
        _json(file.name, lambda d: d.update(shapes=[]))(folder)


ME, VIA = "im1.json", "via_region_data.json"
BROKEN: list[tuple[Write, Callable[[Path], None], str]] = [
    (beside, _text(ME, "]", ""), "cannot be read as JSON"),
    (beside, _text(ME, '"shapes"', '"forms"'), "expected an object with a list of shapes"),
    (beside, _file(shapes=[3]), "expected shapes with a label, found 3"),
    (beside, _file(shapes=[{"label": ""}]), "expected shapes with a label"),
    (beside, _file(imagePath=None), "expected imagePath, found None"),
    (beside, _file(imagePath="im2.jpg"), "two files are of image 'im2.jpg'"),
    (beside, _file(flags=["x"]), "expected flags that are true or false"),
    (beside, _file(flags={"x": 1}), "expected flags that are true or false"),
    (beside, _gone("im1.jpg"), "names 1 image not there"),
    (beside, _emptied, "no labels were found"),
    (via_export, _text(VIA, "]", ""), "cannot be read as JSON"),
    (via_export, _image(filename=None), "expected an image with filename"),
    (via_export, _image(filename="im2.jpg"), "in several rows"),
    (via_export, _image(filename="im7.jpg"), "names 1 image not there"),
    (via_export, _image(regions=3), "expected a list of regions, found 3"),
    (via_export, _image(file_attributes=[1]), "expected an object of attributes"),
    (via_export, _region(region_attributes=None), "expected region_attributes, found"),
    (via_export, _region(region_attributes={"kind": [7]}), r"a text or choices in .*found \[7\]"),
    (via_export, _json(VIA, lambda d: [e.update(regions=[]) for e in d.values()] and d),
     "expected an attribute of regions or files with labels, found none"),
    (via_export, _json(VIA, lambda _: {"_via_img_metadata": {}}), "expected an object of images"),
    (via_export, _gone("images/im3.jpg"), "names 1 image not there"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "harm", "message"), BROKEN)
def test_what_is_broken_is_named_and_nothing_is_written(
    write: Write, harm: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "set")
    harm(folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=message) as caught:
        tk.import_data(folder, "x", format=FORMAT_OF[write], artifacts=tmp_path / "kept", **QUIET)
    assert len(str(caught.value)) < 600
    assert sorted(tmp_path.rglob("*")) == before


def test_via_s_csv_is_refused_for_its_json(tmp_path: Path) -> None:
    images(tmp_path)
    head = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
    rows = "".join(f'{name}.jpg,9,"{{}}",1,0,"{{}}","{{""kind"":""cat""}}"\n' for name in NAMES)
    (tmp_path / "via.csv").write_text(f"{head}region_attributes\n{rows}")
    with pytest.raises(DataError, match="is VIA's CSV, a line per region: export"):
        tk.Dataset.read(tmp_path / "via.csv", **QUIET)


def via_3(folder: Path, attribute: dict[str, Any], value: Callable[[list[str]], list[str]]) -> Path:
    """Write a project of VIA 3's: a note for each of the values that an image's labels give."""
    images(folder / "images")
    document: dict[str, Any] = {
        "project": {"pid": "__VIA_PROJECT_ID__", "rev": "1", "vid_list": []},
        "config": {"file": {"loc_prefix": {"1": ""}}},
        "attribute": {"1": {"aname": "kind", "desc": "", "default_option_id": "", **attribute}},
        "file": {},
        "view": {},
        "metadata": {},
    }
    region = "XY1" in attribute["anchor_id"]
    for row, name in enumerate(NAMES):
        key = str(row + 1)
        document["project"]["vid_list"].append(key)
        document["file"][key] = {"fid": key, "fname": f"{name}.jpg", "type": 2, "loc": 1, "src": ""}
        document["view"][key] = {"fid_list": [key]}
        for at, each in enumerate(value(given(row))):
            note = {"vid": key, "flg": 0, "z": [], "xy": [2, 1, 1, 2, 2] if region else []}
            document["metadata"][f"{key}_{at}"] = {**note, "av": {"1": each}}
        document["metadata"][f"{key}_gone"] = {
            "vid": key,
            "flg": 1,
            "z": [],
            "xy": [],
            "av": {"9": ""},
        }
    (folder / "via_project.json").write_text(json.dumps(document))
    return folder


OPTIONS = {str(at): label for at, label in enumerate(LABELS)}
NUMBER = {label: at for at, label in OPTIONS.items()}
REGION, WHOLE = "FILE1_Z0_XY1", "FILE1_Z0_XY0"


def via_3_radio(folder: Path) -> Path:
    known = {"type": 3, "anchor_id": REGION, "options": OPTIONS}
    return via_3(folder, known, lambda labels: [NUMBER[label] for label in labels])


def via_3_checkbox(folder: Path) -> Path:
    known = {"type": 2, "anchor_id": WHOLE, "options": OPTIONS}
    return via_3(folder, known, lambda labels: [",".join(NUMBER[label] for label in labels)])


def via_3_text(folder: Path) -> Path:
    return via_3(folder, {"type": 1, "anchor_id": REGION, "options": {}}, lambda labels: labels * 2)


@pytest.mark.parametrize("write", [via_3_radio, via_3_checkbox, via_3_text])
def test_via_3_s_projects_say_the_same(write: Write, tmp_path: Path) -> None:
    folder = write(tmp_path / "set")
    assert [name for name, known in FORMATS.items() if known.recognises(folder)][-1] == "via"
    found = tk.Dataset.read(folder, **QUIET)
    used = (
        LABELS
        if write is not via_3_text
        else tuple(sorted({x for r in range(4) for x in given(r)}))
    )
    assert found.labels == used
    np.testing.assert_array_equal(found.Y, Y[:, [LABELS.index(label) for label in used]])
    assert [Path(image).name for image in found.ids] == list(NAMES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["file"]["2"].update(type=4, fname="a.mp4"),
            "1 of another kind.*a.mp4.*frames",
        ),
        (lambda d: d["view"]["2"].update(fid_list=["1", "2"]), "label of none: name images and"),
        (lambda d: d["view"].pop("2"), "expected the view of an image, found '2'"),
        (
            lambda d: d["metadata"]["1_0"].update(av={"7": "0"}),
            "an attribute of the project, f.*'7'",
        ),
        (lambda d: d["metadata"]["1_0"].update(av={"1": "0,8"}), "an option of the project, .*'8'"),
        (lambda d: d["metadata"]["1_0"].update(av={"1": 3}), "expected a text in '1', found 3"),
        (lambda d: d["metadata"].update(x=[]), "expected an object, as VIA 3 writes it"),
        (lambda d: d["file"]["1"].update(fname=None), "expected fname, found None"),
        (lambda d: d.update(attribute=[]), "'attribute': expected an object"),
    ],
)
def test_via_3_s_broken_projects(
    change: Callable[[Any], object], message: str, tmp_path: Path
) -> None:
    folder = via_3_radio(tmp_path / "set")
    _json("via_project.json", lambda d: (change(d) and None) or d)(folder)
    with pytest.raises(DataError, match=message):
        tk.Dataset.read(folder, **QUIET)


def test_via_s_images_without_regions_may_say_null(tmp_path: Path) -> None:
    folder = via_export(tmp_path / "set")
    whole = tk.Dataset.read(folder, **QUIET)
    _json(VIA, lambda d: [e.update(regions=e["regions"] or None) for e in d.values()] and d)(folder)
    assert tk.Dataset.read(folder, **QUIET).digest == whole.digest


def test_a_flag_that_denies_a_shape_makes_its_label_unknown(tmp_path: Path) -> None:
    folder = beside(tmp_path / "set")
    whole = tk.Dataset.read(folder, **QUIET)
    row, label = next((r, x) for r in range(len(NAMES)) for x in given(r))
    file = next(folder.rglob(f"{NAMES[row]}.json"))
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "flags": {label: False}}))
    for absent in (None, "no", "unknown"):
        found = tk.Dataset.read(folder, absent=absent, **QUIET)
        assert found.Y[row, found.labels.index(label)] == -1
    assert f"1 label drawn where a flag says false ({NAMES[row]}.json: {label}): unknown" in repr(
        tk.preview_data(folder)
    )
    file.write_text(json.dumps({**document, "flags": {label: True}}))
    assert tk.Dataset.read(folder, absent="no", **QUIET).digest == whole.digest
