"""Files of JSON in which anything stands anywhere: read, or refused in a sentence."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data.test_annotation_tools import (
    LABELS,
    NAMES,
    fiftyone_labels,
    fiftyone_samples,
    given,
    images,
    label_studio_tasks,
)
from tests.data.test_drawn_labels import labelme_file, via_3_radio, via_images, via_project
from toolkit.data.importer import find_labels
from toolkit.data.readers.base import Options
from toolkit.data.readers.fiftyone import EXTRA
from toolkit.errors import ToolkitError

ABSURD: tuple[Any, ...] = (None, True, -0.5, "x", [], [None], [["x"]], {"a": {"b": ["x"]}})


def _coco() -> dict[str, Any]:
    boxes = [
        {"id": at, "image_id": row, "category_id": LABELS.index(label), "bbox": [0, 0, 1, 1]}
        for at, (row, label) in enumerate((row, x) for row in range(4) for x in given(row))
    ]
    return {
        "images": [
            {"id": row, "file_name": f"{name}.jpg", "split": "train", "place": "here"}
            | {"neg_category_ids": [], "coco_url": "a", "toolkit_id": name}
            for row, name in enumerate(NAMES)
        ],
        "annotations": boxes,
        "categories": [{"id": at, "name": name} for at, name in enumerate(LABELS)],
    }


def _rows() -> list[dict[str, Any]]:
    return [
        {"image": f"{name}.jpg", "labels": given(row), "split": "train", "by": "a"}
        for row, name in enumerate(NAMES)
    ]


def _exported(_: Path) -> dict[str, Any]:
    ids = {name: f"{name}.jpg" for name in NAMES}
    more = {"ids": ids, "unknown": {"im1": ["sea"]}, "metadata": {"by": {"im1": "a"}}}
    return fiftyone_labels() | {EXTRA: {**more, "parts": {"im1": "train"}, "places": False}}


def _of(write: Callable[[Path], Path], name: str) -> Callable[[Path], Any]:
    return lambda scratch: json.loads((write(scratch) / name).read_text())


# the file's name and what it holds where all is well
DOCUMENTS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "coco": ("instances.json", lambda _: _coco()),
    "fiftyone labels": ("labels.json", lambda _: fiftyone_labels()),
    "fiftyone, exported": ("labels.json", _exported),
    "fiftyone samples": ("samples.json", lambda _: fiftyone_samples()),
    "label studio": ("tasks.json", lambda _: label_studio_tasks()),
    "label studio, short": (
        "tasks.json",
        lambda _: [{"id": 1, "image": f"{n}.jpg", "what": {"choices": ["a"]}} for n in NAMES],
    ),
    "labelme": ("im1.json", lambda _: json.loads(labelme_file(1, "im1.jpg"))),
    "via": ("via.json", lambda _: via_images(lambda label: {"kind": label})),
    "via project": ("via.json", _of(via_project, "via_region_data.json")),
    "via 3": ("via.json", _of(via_3_radio, "via_project.json")),
    "rows": ("rows.json", lambda _: _rows()),
    "by image": ("rows.json", lambda _: {f"{n}.jpg": given(r) for r, n in enumerate(NAMES)}),
    "by column": (
        "rows.json",
        lambda _: {"image": {"0": "im1.jpg", "1": "im2.jpg"}, "cat": {"0": 1, "1": 0}},
    ),
}


def _spots(document: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value in a document; in what is long, of the first two and the last."""
    yield ()
    keys: list[Any] = list(document) if isinstance(document, dict) else []
    if isinstance(document, list):
        keys = list(range(len(document)))
    same = len({type(document[key]) for key in keys}) == 1  # entries of one kind
    for key in [*keys[:2], *keys[2:][-1:]] if same else keys:
        for way in _spots(document[key]):
            yield (key, *way)


def _variants(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield a document with each value replaced by each absurd one, and taken out."""
    for way in _spots(document):
        for odd in ABSURD:
            other = copy.deepcopy(document)
            if not way:
                yield f"{odd!r}", odd
                continue
            at = other
            for key in way[:-1]:
                at = at[key]
            at[way[-1]] = odd
            yield f"{way} = {odd!r}", other
        if way:
            other = copy.deepcopy(document)
            at = other
            for key in way[:-1]:
                at = at[key]
            del at[way[-1]]
            yield f"{way} gone", other


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_whatever_stands_there_is_read_or_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    name, made = DOCUMENTS[kind]
    document = made(tmp_path / "scratch")
    folder = images(tmp_path / "set")
    file, tried, refused = folder / name, 0, 0
    file.write_text(json.dumps(document))
    path = folder if kind in ("labelme", "fiftyone samples", "coco") else file
    assert find_labels(path, None, Options())[1].files  # the sound one is read
    for said, other in _variants(document):
        file.write_text(json.dumps(other))
        tried += 1
        try:
            find_labels(path, None, Options())
        except ToolkitError:
            refused += 1
        except Exception as error:
            pytest.fail(f"{said}: {type(error).__name__}: {error}")
    assert refused > 0.1 * tried
