"""Shards whose names say that there are more; lists that are no numbers of classes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import toolkit as tk
from tests.data.packed import write_tar
from toolkit.data.readers import hub_features, shards
from toolkit.errors import DataError


def test_a_shard_that_is_not_there_is_named() -> None:
    whole = [f"d/train-0000{n}-of-00003.parquet" for n in range(3)]
    others = ["d/test-00000-of-00001.parquet", "d/x.parquet"]
    shards.require_all([*whole, *others])
    for n in range(3):
        with pytest.raises(DataError, match=rf"{whole[n]} is not there, and 2 of 3"):
            shards.require_all([*whole[:n], *whole[n + 1 :], *others])


def tars(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        data = io.BytesIO()
        Image.new("RGB", (6, 6), (len(name), 2, sum(map(ord, name)) % 250)).save(data, "PNG")
        stem = name.replace(".", "-").replace("/", "-")
        members = [(f"{stem}.png", data.getvalue()), (f"{stem}.cls", b"cat dog")]
        (folder / name).parent.mkdir(exist_ok=True)
        write_tar(folder / name, members)
    return folder


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train-000000", "train-000001", "train-000003"], "000003.tar 1 file is not there (2)"),
        (["0", "1", "5"], "of 0.tar to 5.tar 3 files are not there (2, 3, 4): fetch them"),
        (["train/00", "train/02", "val/00"], "of 00.tar to 02.tar 1 file is not there (1)"),
        (["train-0", "train-1", "val-3"], ""),
        (["9", "10", "11"], ""),
        (["a", "b"], ""),
    ],
)
def test_a_gap_between_numbers_of_tars_is_said(names: list[str], said: str, tmp_path: Path) -> None:
    folder = tars(tmp_path / "set", *(f"{name}.tar" for name in names))
    found = tk.preview_data(folder)
    assert found.images == len(names)
    warned = [remark for remark in found.remarks if "not there" in remark]
    assert len(warned) == bool(said)
    assert said in "".join(warned)
    assert all(remark.startswith("warning: ") for remark in warned)


def test_tars_that_say_how_many_they_are_must_all_be_there(tmp_path: Path) -> None:
    whole = [f"train-0000{n}-of-00003.tar" for n in range(3)]
    folder = tars(tmp_path / "set", *whole)
    assert len(tk.Dataset.read(folder, progress=False)) == 3
    for name in whole:
        (folder / name).rename(tmp_path / name)
        with pytest.raises(DataError, match=rf"{name} is not there, and 2 of 3 such files are"):
            tk.Dataset.read(folder, progress=False)
        (tmp_path / name).rename(folder / name)
    assert len(tk.Dataset.read(folder / whole[1], progress=False)) == 1  # it was asked for


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("s3://b/photos", True),
        ("s3://b/v1.0/", True),
        ("s3://b/*.parquet", True),
        ("s3://b/x-0000{0,2}-of-00003.parquet", False),
    ],
)
def test_at_addresses_what_was_asked_for_by_name_is_said_alone(address: str, refused: bool) -> None:
    names = [f"s3://b/x-0000{n}-of-00003.parquet" for n in (0, 2)]
    gone = "s3://b/x-00001-of-00003.parquet is not there, and 2 of 3 such files are"
    if refused:
        with pytest.raises(DataError, match=gone):
            shards.say_lacking(address, names)
    else:
        assert shards.say_lacking(address, names) == [f"warning: {gone}"]
    whole = [*names, "s3://b/x-00001-of-00003.parquet"]
    assert shards.say_lacking(address, whole) == []


@pytest.mark.parametrize(
    ("lists", "vectors"),
    [
        ([[0, 1, 0], [1, 0, 0], [1, 0, 1]], True),
        ([[0, 0, 0], None], True),
        ([[0, 1, 0], [2]], False),
        ([[0, 1], [2], []], False),
        ([[0, 2, 1], [1, 2, 0]], False),
        ([None, None], False),
    ],
)
def test_vectors_of_0_and_1_are_no_numbers_of_classes(lists: list[Any], vectors: bool) -> None:
    names = ["cat", "dog", "emu"]
    if vectors:
        with pytest.raises(DataError, match="expected numbers of classes, found 0 or 1 for each"):
            hub_features.require_numbers(lists, names, "it")
    else:
        hub_features.require_numbers(lists, names, "it")
