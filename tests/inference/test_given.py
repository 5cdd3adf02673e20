"""The images that are given: found in order, by names that say which they are."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.features.feature_fakes import write_images
from toolkit.errors import DataError, UsageError
from toolkit.inference.given import find_images


def test_images_are_found_in_folders_files_and_lists(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_images(folder, 11)
    assert [name for name, _ in find_images([folder])][:3] == ["im0.jpg", "im1.jpg", "im2.jpg"]
    one = folder / "im3.jpg"
    assert list(find_images([one])) == [(str(one), str(one))]
    table = tmp_path / "list.csv"
    table.write_text("\ufeffnote, image\nx,new/im2.jpg\ny, new/im10.jpg\n,\n")
    found = list(find_images([table]))
    assert [name for name, _ in found] == ["new/im2.jpg", "new/im10.jpg"]
    assert all(Path(str(file)).is_file() for _, file in found)
    both = [name for name, _ in find_images([folder, one])]
    assert both == [*(str(folder / f"im{n}.jpg") for n in range(11)), str(one)]
    table.write_text("note\na.jpg\n")
    with pytest.raises(DataError, match="no column 'image'"):
        list(find_images([table]))
    with pytest.raises(UsageError, match="expected an image, a folder"):
        list(find_images([tmp_path / "notes.md"]))


def test_pictures_in_memory_are_named_by_their_place(tmp_path: Path) -> None:
    array = np.zeros((4, 5, 3), np.uint8)
    picture = Image.fromarray(array)
    for single in (array, array[..., 0], picture):
        assert list(find_images(single)) == [("0", single)]
    file = str(tmp_path / "a.png")
    picture.save(file)
    assert list(find_images([array, file, picture])) == [("0", array), (file, file), ("2", picture)]
    assert [name for name, _ in find_images(np.zeros((3, 4, 5, 3), np.uint8))] == ["0", "1", "2"]
    assert list(find_images(Path(file))) == [(file, file)]


def test_what_else_lies_in_a_folder_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.JPE", "b.jfif", "c.avif", "d.jp2", "scan", "notes.md", "list.txt"):
        (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "e.png").touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = [name for name, _ in find_images(tmp_path)]
    assert found == ["a.JPE", "b.jfif", "c.avif", "d.jp2", "gone.png"]
    assert caplog.messages == [f"passed over in {tmp_path}: below/, notes.md, scan"]


def test_a_name_that_is_no_utf_8_is_an_image_like_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_images(tmp_path, 2)
    odd = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    try:
        os.rename(tmp_path / "im1.jpg", odd)
    except OSError:
        pytest.skip("this disk takes UTF-8 alone")
    found = dict(find_images(tmp_path))
    assert list(found) == ["caf\\xe9.jpg", "im0.jpg"]
    assert os.path.isfile(str(found["caf\\xe9.jpg"]))
    assert caplog.messages == ["names that are not UTF-8, with bytes as \\x..: caf\\xe9.jpg"]
    assert [name for name, _ in find_images(os.fsdecode(odd))] == [f"{tmp_path}/caf\\xe9.jpg"]


def test_a_file_that_is_not_there_is_refused_alone_and_skipped_among_others(tmp_path: Path) -> None:
    missing, there = tmp_path / "missing.png", tmp_path / "there.png"
    there.touch()
    with pytest.raises(UsageError, match=r"found no .*missing\.png"):
        list(find_images(missing))
    assert [name for name, _ in find_images([missing, there])] == [str(missing), str(there)]
