"""Our counts of COCO and Pascal VOC next to those of other people's readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import toolkit as tk

KINDS = {3: "cat", 17: "dog", 44: "sea horse", 90: "nothing has it"}
N = 40


def paint(folder: Path) -> list[str]:
    folder.mkdir(parents=True)
    names = [f"{number:012d}.jpg" for number in range(N)]
    for number, name in enumerate(names):
        Image.new("RGB", (8, 8), (6 * number, 0, 255 - number)).save(folder / name)
    return names


def test_coco_counts_are_those_of_pycocotools(tmp_path: Path) -> None:
    """Crowds, several boxes of a category, images without annotations, ids with gaps."""
    coco = pytest.importorskip(
        "pycocotools.coco", reason="pycocotools is not installed: COCO is not read independently"
    )
    names = paint(tmp_path / "images")
    random = np.random.default_rng(0)
    annotations: list[dict[str, Any]] = []
    for row in range(N):
        for kind in random.choice([3, 17, 44], random.integers(0, 5)).tolist():
            crowd = int(random.random() < 0.3)
            mask: Any = {"size": [8, 8], "counts": [0, 4, 60]} if crowd else [[0, 0, 4, 0, 4, 4]]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 7 * row + 1,
                    "category_id": kind,
                    "bbox": [0, 0, 4, 4],
                    "area": 8,
                    "iscrowd": crowd,
                    "segmentation": mask,
                }
            )
    document = {
        "info": {},
        "images": [
            {"id": 7 * row + 1, "file_name": name, "width": 8, "height": 8}
            for row, name in enumerate(names)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in KINDS.items()],
    }
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(document))
    ours = tk.Dataset.read(file, progress=False)
    theirs = coco.COCO(str(file))
    kinds = theirs.loadCats(theirs.getCatIds())
    assert ours.labels == tuple(sorted(each["name"] for each in kinds))
    assert len(ours) == len(theirs.getImgIds())
    for number, name in KINDS.items():
        carrying = {theirs.imgs[image]["file_name"] for image in theirs.getImgIds(catIds=[number])}
        own = ours.Y[:, ours.labels.index(name)]
        assert {ours.files[row].rpartition("/")[2] for row in np.flatnonzero(own)} == carrying
    preview = tk.preview_data(file)
    boxes, cells = len(theirs.getAnnIds()), int(ours.Y.sum())
    assert preview.found == f"COCO: 4 categories, {N} images, {boxes} boxes → {cells} image labels"
    assert any(not theirs.getAnnIds(imgIds=[image]) for image in theirs.getImgIds())
    assert theirs.getAnnIds(iscrowd=True)


def test_voc_counts_are_those_of_torchvision(tmp_path: Path) -> None:
    """Objects with parts, several of a kind, images without any."""
    from torchvision.datasets import VOCDetection

    names = paint(tmp_path / "JPEGImages")
    (tmp_path / "Annotations").mkdir()
    random = np.random.default_rng(1)
    for name in names:
        objects = "".join(
            f"<object><name>{KINDS[kind]}</name><difficult>0</difficult>"
            "<part><name>head</name></part></object>"
            for kind in random.choice([3, 17, 44], random.integers(0, 5)).tolist()
        )
        text = f"<annotation><filename>{name}</filename>{objects}</annotation>"
        (tmp_path / "Annotations" / name.replace(".jpg", ".xml")).write_text(text)
    ours = tk.Dataset.read(tmp_path, progress=False)
    for row, name in enumerate(names):
        root = ElementTree.parse(tmp_path / "Annotations" / name.replace(".jpg", ".xml")).getroot()
        theirs = VOCDetection.parse_voc_xml(root)["annotation"].get("object", [])
        own = {ours.labels[at] for at in np.flatnonzero(ours.Y[row] == 1)}
        assert own == {each["name"] for each in theirs}
        assert ours.ids[row] == name.removesuffix(".jpg")
