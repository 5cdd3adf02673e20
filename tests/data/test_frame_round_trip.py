"""A frame that to_frame gave goes back into from_frame, changed by hand or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from tests.data.frames import write_frame
from tests.data.test_round_trip import QUIET, SOURCES, of_folder, of_tars
from toolkit.errors import DataError, UsageError
from toolkit.runtime.progress import Progress

Source = Callable[[Path], tk.Dataset]
FACTS = ("ids", "labels", "parts", "metadata", "paths", "digest")


def full(source: Source, place: Path) -> tk.Dataset:
    """Return a data set with everything that a frame carries; labels named as columns may be."""
    found = source(place)
    Y = found.Y.copy()
    Y.ravel()[::5] = -1
    Y[3] = -1
    parts = tuple(("train", "validation", "test")[at % 3] for at in range(len(found)))
    cells = tuple(("phone", "", "slr")[at % 3] for at in range(len(found)))
    years = tuple(str(2000 + at) for at in range(len(found)))
    metadata = {"camera": cells, "split": years, "cat": cells}
    return replace(found, Y=Y, parts=parts, metadata=metadata, labels=("cat", "label", "split"))


def assert_same(after: tk.Dataset, before: tk.Dataset) -> None:
    np.testing.assert_array_equal(after.Y, before.Y)
    for fact in FACTS:
        assert getattr(after, fact) == getattr(before, fact), fact


class Listener(Progress):
    """A progress that keeps what is said."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, remark: str) -> None:
        self.heard.append(remark)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_a_frame_goes_back_wherever_images_lie(source: Source, tmp_path: Path) -> None:
    before = full(source, tmp_path / "set")
    listener = Listener()
    frame = before.to_frame()
    assert_same(tk.Dataset.from_frame(frame, progress=listener), before)
    assert any(each.startswith("ids are those of column 'image'") for each in listener.heard)
    # in any order, and through a file that pandas wrote
    frame.sample(frac=1, random_state=1).to_csv(tmp_path / "x.csv", index=False)
    back = pd.read_csv(tmp_path / "x.csv", dtype={"image": str})
    assert_same(tk.Dataset.from_frame(back, **QUIET), before)


@pytest.mark.parametrize("value", [1, 0, -1])
def test_labels_that_are_all_alike_go_back_without_a_question(value: int, tmp_path: Path) -> None:
    before = of_folder(tmp_path / "set")
    before = replace(before, Y=np.full_like(before.Y, value))
    before.Y[0] = abs(value)
    assert_same(tk.Dataset.from_frame(before.to_frame(), **QUIET), before)


def test_what_was_changed_is_changed_and_nothing_else(tmp_path: Path) -> None:
    before = full(of_folder, tmp_path / "set")
    frame = before.to_frame()
    frame = frame[frame["split"] != 7].drop(index=[4, 5])
    frame["sky"] = 0
    frame.loc[2, ["sky", "cat"]] = [1, None]
    frame.loc[0, "image"] = "im1 renamed"
    frame["note"] = "seen"
    frame["tags"] = "cat|dog"  # of another table this would be the column of labels
    after = tk.Dataset.from_frame(frame, **QUIET)
    assert after.labels == ("cat", "label", "sky", "split")
    kept = np.delete(np.arange(32), [4, 5])
    wanted = before.Y[kept][:, [0, 1, 1, 2]].copy()
    wanted[:, 2] = 0
    wanted[2, [0, 2]] = [-1, 1]
    np.testing.assert_array_equal(after.Y, wanted)
    assert after.ids == ("im1 renamed", *(before.ids[row] for row in kept[1:]))
    assert after.parts == tuple(before.parts[row] for row in kept)
    assert after.metadata["camera"] == tuple(before.metadata["camera"][row] for row in kept)
    assert after.metadata["note"] == ("seen",) * 30


def test_ids_may_stand_in_any_column(tmp_path: Path) -> None:
    before = of_tars(tmp_path / "set")
    frame = before.to_frame().rename(columns={"image": "key", "path": "where"})
    after = tk.Dataset.from_frame(frame, "where", ids="key", **QUIET)
    assert_same(after, before)
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"ids": "where"}, UsageError, "another column than that of images, found 'where'"),
        ({"ids": "name"}, DataError, "found no name"),
        ({"ids": "part"}, DataError, r"ids in 'part' stand twice \(a\)"),
        ({"ids": "gone"}, DataError, "expected an id of each image in 'gone', found blanks"),
    ]
    frame["part"], frame["gone"] = "a", [None, *"b" * 31]
    for options, error, message in wrong:
        with pytest.raises(error, match=message):
            tk.Dataset.from_frame(frame, "where", **options, **QUIET)


def test_another_frame_with_such_columns_is_read_by_its_image_column(tmp_path: Path) -> None:
    before = of_folder(tmp_path / "set")
    frame = before.to_frame()
    # what names no whole places is none of ours: image is the place, as it always was
    frame["image"], frame["path"] = frame["path"], "images"
    after = tk.Dataset.from_frame(frame, **QUIET)
    assert (after.ids, after.paths) == (before.ids, before.paths)


def test_files_by_channel_are_asked_about_and_one_keeps_the_ids(tmp_path: Path) -> None:
    """As the Human Protein Atlas has them: an id, and a file for each of four channels."""
    for name in ("0a-1", "0b-2"):
        for channel in ("blue", "green", "red", "yellow"):
            file = tmp_path / "train" / f"{name}_{channel}.png"
            file.parent.mkdir(exist_ok=True)
            Image.new("L", (5, 5), len(channel) + len(name)).save(file)
    atlas = pd.DataFrame({"Id": ["0b-2", "0a-1"], "Target": ["16 0", "0"]})
    atlas.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(DataError, match=r"of '0b-2' there are 4 files \('train/0b-2_blue.png',"):
        tk.Dataset.read(tmp_path / "train.csv", separator=" ", **QUIET)
    atlas["file"] = "train/" + atlas["Id"] + "_green.png"
    cells = tk.Dataset.from_frame(
        atlas, "file", "Target", ids="Id", separator=" ", root=tmp_path, **QUIET
    )
    assert (cells.ids, cells.labels) == (("0a-1", "0b-2"), ("0", "16"))
    assert cells.Y.tolist() == [[1, 0], [1, 1]]
    assert [Path(path).name for path in cells.paths] == ["0a-1_green.png", "0b-2_green.png"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_frame_in_a_file_is_imported_as_it_is(
    source: Source, ending: str, tmp_path: Path
) -> None:
    before = full(source, tmp_path / "set")
    file = tmp_path / "elsewhere" / f"mine.{ending}"
    file.parent.mkdir()
    frame = before.to_frame().sample(frac=1, random_state=1)
    write_frame(frame, file)
    assert_same(tk.Dataset.read(file, **QUIET), before)
    assert "ids are those of column 'image', places those of 'path'" in repr(tk.preview_data(file))


def test_a_frame_in_a_file_whose_images_moved_goes_by_ids(tmp_path: Path) -> None:
    before = of_folder(tmp_path / "set")
    frame = before.to_frame()
    (tmp_path / "set").rename(tmp_path / "moved")
    frame.to_csv(tmp_path / "moved" / "mine.csv", index=False)
    after = tk.Dataset.read(tmp_path / "moved" / "mine.csv", **QUIET)
    assert [id.rpartition("/")[2] for id in after.ids] == [
        id.rpartition("/")[2] for id in before.ids
    ]
    np.testing.assert_array_equal(after.Y, before.Y)


@pytest.mark.parametrize("wrong", ["nowhere/im1.png", "/nowhere/im1.png"])
def test_one_wrong_path_is_one_image_and_may_be_left_out(
    wrong: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = full(of_folder, tmp_path / "set")
    frame = before.to_frame()
    frame.loc[1, "path"] = wrong
    file = tmp_path / "mine.csv"
    frame.to_csv(file, index=False)
    wanted = rf"expected {len(before)} image files, found 1 not there \(im1.png; .*column 'path'"
    for read in (partial(tk.Dataset.from_frame, frame), partial(tk.Dataset.read, file)):
        with pytest.raises(DataError, match=wanted) as caught:
            read(**QUIET)
        assert "missing='skip'" in str(caught.value)
        caplog.clear()
        fewer = read(missing="skip", **QUIET)
        assert "1 image not there, left out: " in caplog.text
        assert fewer.ids == (before.ids[0], *before.ids[2:])
        assert fewer.metadata["camera"] == (
            before.metadata["camera"][0],
            *before.metadata["camera"][2:],
        )
        np.testing.assert_array_equal(fewer.Y, np.delete(before.Y, 1, axis=0))
        assert fewer.parts == (before.parts[0], *before.parts[2:])
    frame["path"] = "nowhere.png"
    with pytest.raises(DataError, match="not there"):
        tk.Dataset.from_frame(frame, missing="skip", **QUIET)


def test_what_was_read_is_said_where_a_person_looks_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    frame = of_folder(tmp_path / "set").to_frame()
    frame["metadata.year"] = [str(2000 + at) for at in range(len(frame))]
    frame["near"] = 2
    for progress in (True, False, None):
        caplog.clear()
        with caplog.at_level("WARNING", logger="toolkit"):
            tk.Dataset.from_frame(frame, progress=progress)
        said = capsys.readouterr().err
        assert ("places those of 'path'" in said) == (progress is True)
        assert "'near' (2)" in caplog.text  # a warning always
        assert "'near' (2)" not in said  # which logging shows, once
    with caplog.at_level("INFO", logger="toolkit"):
        tk.Dataset.from_frame(frame, progress=True)
    assert "places those of 'path'" in caplog.text
    assert "places those of 'path'" not in capsys.readouterr().err
