"""NUS-WIDE's own lists: joined by line as they are published, and broken loudly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import toolkit as tk
from toolkit.data.readers.registry import FORMATS
from toolkit.errors import DataError

QUIET: dict[str, Any] = {"progress": False}
NAMES = ("zoo/0002_9.jpg", "actor/0001_7.jpg", "sky/0003_8.jpg", "actor/0010_4.jpg")  # in no order
LABELS = ("cat", "plants", "sky")
Y = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]])
PARTS = ("test", "train", "train", "test")


def lines(values: Any) -> str:
    return "".join(f"{value}\n" for value in values)


def write(folder: Path, whole: bool = True, parts: bool = True, flat: bool = False) -> Path:
    for number, name in enumerate(NAMES):
        file = folder / "Flickr" / (name.rpartition("/")[2] if flat else name)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), (60 * number, 1, 2)).save(file)
    (folder / "ImageList").mkdir()
    slashed = [name.replace("/", "\\") for name in NAMES]
    (folder / "ImageList" / "Imagelist.txt").write_text(lines(slashed))
    for place in ("AllLabels",) * whole + ("TrainTestLabels",) * parts:
        (folder / "Groundtruth" / place).mkdir(parents=True)
    for label, column in zip(LABELS, Y.T, strict=True):
        if whole:
            file = folder / "Groundtruth" / "AllLabels" / f"Labels_{label}.txt"
            file.write_text(lines(column))
        for part in ("Train", "Test") if parts else ():
            rows = [row for row in range(4) if PARTS[row] == part.lower()]
            file = folder / "Groundtruth" / "TrainTestLabels" / f"Labels_{label}_{part}.txt"
            file.write_text(lines(f"{value} " for value in column[rows]))
            listed = folder / "ImageList" / f"{part}Imagelist.txt"
            listed.write_text(lines(slashed[row] for row in rows))
    return folder


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(("whole", "parts"), [(True, True), (True, False), (False, True)])
def test_it_is_found_by_itself_with_the_right_labels(
    whole: bool, parts: bool, flat: bool, tmp_path: Path
) -> None:
    folder = write(tmp_path / "set", whole, parts, flat)
    assert [name for name, known in FORMATS.items() if known.recognises(folder)][-1] == "nus-wide"
    found = tk.Dataset.read(folder, **QUIET)
    assert found.labels == LABELS
    bare = [name.rpartition("/")[2] for name in NAMES]
    rows = [bare.index(Path(path).name) for path in found.paths]
    assert sorted(rows) == [0, 1, 2, 3]
    np.testing.assert_array_equal(found.Y, Y[rows])
    assert found.parts == (tuple(PARTS[row] for row in rows) if parts else ())
    said = repr(tk.preview_data(folder))
    of = "AllLabels" if whole else "TrainTestLabels"
    assert f"NUS-WIDE: 3 labels of {of}, 4 images, 4 image labels" in said
    assert "joined by line, as the lists are published" in said
    out = found.export(tmp_path / "x.csv", artifacts=tmp_path / "kept", **QUIET)
    again = tk.Dataset.read(out.path, root=found.root, **QUIET)
    assert (again.digest, again.parts) == (found.digest, found.parts)


def test_images_that_flickr_no_longer_has_are_an_error_or_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "set")
    (folder / "Flickr" / NAMES[1]).unlink()
    with pytest.raises(DataError, match="names 1 image not there"):
        tk.Dataset.read(folder, **QUIET)
    found = tk.Dataset.read(folder, missing="skip", **QUIET)
    rows = [next(row for row in range(4) if path.endswith(NAMES[row])) for path in found.paths]
    assert sorted(rows) == [0, 2, 3]
    np.testing.assert_array_equal(found.Y, Y[rows])
    assert found.parts == tuple(PARTS[row] for row in rows)


def test_a_split_that_leaves_images_out_is_none(tmp_path: Path) -> None:
    folder = write(tmp_path / "set")
    (folder / "ImageList" / "TrainImagelist.txt").write_text("sky\\0003_8.jpg\n")
    assert tk.Dataset.read(folder, **QUIET).parts == ()
    assert "no split: 1 image in no list of a part (actor/0001_7.jpg)" in repr(
        tk.preview_data(folder)
    )


def test_an_image_in_both_parts_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "set")
    lists = folder / "ImageList"
    test = (lists / "TestImagelist.txt").read_text()
    first = (lists / "TrainImagelist.txt").read_text().splitlines()[0]
    (lists / "TestImagelist.txt").write_text(f"{test.rstrip()}\n{first}\n")
    with pytest.raises(DataError, match="1 image in the lists of both parts"):
        tk.Dataset.read(folder, **QUIET)


def _text(file: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return edit


def _gone(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


CAT, LIST = "Groundtruth/AllLabels/Labels_cat.txt", "ImageList/Imagelist.txt"
CAT_TEST = "Groundtruth/TrainTestLabels/Labels_cat_Test.txt"
BROKEN: list[tuple[bool, Callable[[Path], None], str]] = [
    (True, _text(CAT, "0\n", ""), "a line for each of 4 images of the list, found 3 lines"),
    (True, _text(CAT, "0\n", "0\n0\n"), "of 4 images of the list, found 5 lines"),
    (True, _text(CAT, "0\n", "2\n"), "line 3: expected 0 or 1, found '2'"),
    (True, _text(CAT, "0\n", "no\n"), "line 3: expected 0 or 1, found 'no'"),
    (True, _gone(LIST), r"expected ImageList/Imagelist.txt, which says what the labels are of"),
    (True, _text(LIST, "zoo\\0002_9.jpg\n", ""), "of 3 images of the list, found 4 lines"),
    (True, _text(LIST, "zoo\\0002_9.jpg", "sky\\0003_8.jpg"), r"twice in the lists \(sky/0003_8"),
    (True, _text(LIST, "zoo\\0002_9.jpg", "zoo\\0002_5.jpg"), "names 1 image not there"),
    (False, _gone(CAT_TEST), "expected Labels_cat_Test.txt, found none"),
    (False, _text(CAT_TEST, "0", "x"), "line 2: expected 0 or 1, found 'x'"),
    (False, _gone("ImageList/TestImagelist.txt"), "expected ImageList/TestImagelist.txt"),
    (False, _gone("Flickr/zoo/0002_9.jpg"), "names 1 image not there"),
]


@pytest.mark.parametrize(("whole", "harm", "message"), BROKEN)
def test_what_is_broken_is_named_and_nothing_is_written(
    whole: bool, harm: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "set", whole, not whole)
    harm(folder)
    with pytest.raises(DataError, match=message) as caught:
        tk.import_data(folder, "x", artifacts=tmp_path / "kept", **QUIET)
    assert len(str(caught.value)) < 600
    assert tk.list_data(artifacts=tmp_path / "kept")["datasets"] == []
