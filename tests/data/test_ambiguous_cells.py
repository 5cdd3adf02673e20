"""Cells that may mean two things are asked about: mixed separators, keys twice, question marks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import toolkit as tk
from toolkit.data.readers.json_file import loads, read_json
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for at, name in enumerate("abc"):
        Image.new("RGB", (4, 4), (90 * at, 1, 2)).save(tmp_path / f"{name}.jpg")
    return tmp_path


def table(folder: Path, *cells: str) -> Path:
    file = folder / "t.tsv"
    lines = [f"{name}.jpg\t{cell}" for name, cell in zip("abc", cells, strict=False)]
    file.write_text("\n".join(["image\tlabels", *lines]))
    return file


@pytest.mark.parametrize(
    "cells", [("cat,dog", "cat;sea", "dog"), ("hat, red;dog", "dog", "hat, red"), ("a|b", "a,b;c")]
)
def test_mixed_separators_make_no_labels(cells: tuple[str, ...], three: Path) -> None:
    file = table(three, *cells)
    if cells[0] == "a|b":  # no part is a label by itself in what is cut at one sign
        file = table(three, *cells, "b")
    with pytest.raises(DataError, match=r"cut at .* leaves the labels .*--separator"):
        tk.Dataset.read(file, **QUIET)
    whole = tk.Dataset.read(file, separator="\x1f", **QUIET)
    assert len(whole.labels) == len(set(cells) | ({"b"} if cells[0] == "a|b" else set()))


def test_names_with_a_comma_are_warned_of(three: Path) -> None:
    file = table(three, "lung, left|scar", "scar", "rib")
    found = tk.preview_data(file)
    assert sorted(found.labels) == ["lung, left", "rib", "scar"]
    assert any(each.startswith("warning") and "'lung, left'" in each for each in found.remarks)
    told = tk.preview_data(file, separator="|")
    assert not any("lung, left" in each and "cut at" in each for each in told.remarks)


def test_a_question_mark_alone_is_unknown_and_among_labels_an_error(three: Path) -> None:
    found = tk.Dataset.read(table(three, "?", "cat|dog", ""), **QUIET)
    assert found.Y.tolist() == [[-1, -1], [1, 1], [0, 0]]
    with pytest.raises(DataError, match=r"line 2: expected names of labels, found '\?' among"):
        tk.Dataset.read(table(three, "dog|?", "cat|dog"), **QUIET)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", '{"a.jpg": ["cat"], "b.jpg": ["dog"], "a.jpg": ["dog"]}'),
        ("t.json", '[{"image": "a.jpg", "cat": 1, "cat": 0}]'),
        ("t.jsonl", '{"image": "a.jpg", "cat": 1, "cat": 0}'),
        ("t.tsv", 'image\tlabels\na.jpg\t{"cat": 1, "cat": 0}'),
        ("t.tsv", "image\tlabels\na.jpg\t{'cat': 1, 'cat': 0}"),
    ],
)
def test_a_key_twice_is_refused(name: str, text: str, three: Path) -> None:
    (three / name).write_text(text)
    with pytest.raises(DataError, match=r"key '\w+(\.jpg)?' stands twice"):
        tk.Dataset.read(three / name, **QUIET)


def test_files_of_tools_refuse_a_key_twice_and_read_others_alike(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"images": [{"id": 1, "id": 2}]}')
    with pytest.raises(DataError, match=r"x\.json cannot be read as JSON: key 'id' stands twice"):
        read_json(file)
    plain = '{"a": [1, {"b": null}], "c": {"a": 2.5}}'
    assert loads(plain) == json.loads(plain)
