from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolkit.data.readers.base import Options
from toolkit.data.readers.folder import find_layout, list_images
from toolkit.data.readers.registry import FORMATS
from toolkit.data.readers.table import TABLE
from toolkit.errors import DataError, UsageError


def fill(folder: Path, *names: str) -> Path:
    """Make empty files, and folders for names that end in a slash."""
    for name in names:
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return folder


def labels(path: Path, annotations: str | None = None) -> set[str]:
    return set(find_layout(path, annotations).label_files)


def test_the_courses_layout(tmp_path: Path) -> None:
    fill(tmp_path, "images/im1.jpg", "annotations/cat.txt", "annotations/dog.txt")
    layout = find_layout(tmp_path)
    assert (layout.kind, layout.annotations) == ("course", None)
    assert layout.images == tmp_path / "images"
    assert layout.label_files == {
        label: tmp_path / "annotations" / f"{label}.txt" for label in ("cat", "dog")
    }


@pytest.mark.parametrize("folder", ["annotations", "mirflickr25k_annotations_v080", "."])
@pytest.mark.parametrize("images", ["images", "mirflickr", "."])
def test_mirflickrs_own_layout(tmp_path: Path, folder: str, images: str) -> None:
    names = ["README.txt", "baby.txt", "baby_r1.txt", "sky.txt", "sea_r1.txt", "sea.txt"]
    fill(tmp_path, *(f"{folder}/{name}" for name in names), f"{images}/im1.jpg")
    layout = find_layout(tmp_path)
    assert (layout.kind, layout.annotations) == ("mirflickr", "relevant")
    assert layout.images == tmp_path / images
    assert {label: file.name for label, file in layout.label_files.items()} == {
        "baby": "baby_r1.txt",
        "sea": "sea_r1.txt",
    }
    assert find_layout(tmp_path, "relevant") == layout
    potential = find_layout(tmp_path, "potential").label_files
    assert {label: file.name for label, file in potential.items()} == {
        label: f"{label}.txt" for label in ("baby", "sky", "sea")
    }


def test_relevant_label_files_alone_are_mirflickrs(tmp_path: Path) -> None:
    fill(tmp_path, "im1.jpg", "baby_r1.txt", "sea_r1.txt")
    assert labels(tmp_path) == {"baby", "sea"}


def test_a_label_that_just_ends_like_mirflickrs_drops_no_other(tmp_path: Path) -> None:
    fill(tmp_path, "im1.jpg", "cat.txt", "robot_r1.txt")
    assert labels(tmp_path) == {"cat", "robot_r1"}
    with pytest.raises(UsageError, match="leave the option out"):
        find_layout(tmp_path, "relevant")


def test_annotations_are_for_mirflickr_only(tmp_path: Path) -> None:
    fill(tmp_path, "images/im1.jpg", "annotations/cat.txt")
    with pytest.raises(UsageError, match="leave the option out"):
        find_layout(tmp_path, "potential")
    with pytest.raises(UsageError, match="leave the option out"):
        TABLE.read(tmp_path / "labels.csv", Options(annotations="potential"))


def test_a_path_is_of_one_format(tmp_path: Path) -> None:
    fill(tmp_path, "images/im1.jpg", "annotations/cat.txt", "labels.csv")
    for path, known in ((tmp_path, ["folder"]), (tmp_path / "labels.csv", ["csv"])):
        assert [name for name, each in FORMATS.items() if each.recognises(path)] == known


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "data/images/im1.jpg", "data/annotations/cat.txt")
    monkeypatch.chdir(tmp_path)
    assert find_layout(Path("data")).images == tmp_path / "data" / "images"


@pytest.mark.parametrize("name", ["license_plate", "tags", "exif", "readme_or_not", "Copyrighted"])
def test_a_label_is_not_taken_for_a_readme(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "im1.jpg", f"{name}.txt", "README.txt", "License.TXT")
    assert labels(tmp_path) == {name}


def test_no_label_file_is_dropped_for_the_case_of_its_name(tmp_path: Path) -> None:
    fill(tmp_path, "im1.jpg", "cat.TXT", "Dog.txt", "._dog.txt", "folder.txt/")
    assert labels(tmp_path) == {"cat", "Dog"}
    (tmp_path / "cat.txt").touch()
    if len(os.listdir(tmp_path)) == 6:  # not where the two are one file
        with pytest.raises(DataError, match=r"cat\.TXT and cat\.txt .* are of one label"):
            find_layout(tmp_path)


@pytest.mark.parametrize("target", ["absent", "cat.txt"], ids=["broken", "loop"])
def test_a_label_file_that_is_a_broken_link_is_not_dropped(tmp_path: Path, target: str) -> None:
    fill(tmp_path, "im1.jpg", "dog.txt")
    (tmp_path / "cat.txt").symlink_to(target)
    with pytest.raises(DataError, match=r"cat\.txt is a broken link"):
        find_layout(tmp_path)


def test_a_pipe_in_the_place_of_a_label_file_is_not_waited_for(tmp_path: Path) -> None:
    fill(tmp_path, "im1.jpg")
    os.mkfifo(tmp_path / "cat.txt")
    with pytest.raises(DataError, match="no file"):
        find_layout(tmp_path)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["images/im1.jpg"], r"no label files under .*: put one <label>\.txt"),
        (["images/im1.jpg", "annotations/README.txt"], "no label files"),
        (["annotations/cat.txt", "images/"], "no images under .*: put them into"),
        (["annotations/cat.txt", "images/notes.pdf", "images/sub/im1.jpg"], "no images under"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, names: list[str], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        find_layout(fill(tmp_path, *names))


@pytest.mark.parametrize("name", ["absent", "x" * 5000, "pipe", "loop", "nul\0"])
def test_a_path_that_is_neither_folder_nor_file(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match="nothing to import"):
        find_layout(tmp_path / name)


def test_images_come_in_the_natural_order_of_their_ids(tmp_path: Path) -> None:
    names = ["im1.jpg", "im2.PNG", "im10.jpeg", "im10a.webp", "photo.jpg", "photo (1).jpg"]
    files, passed_over = list_images(fill(tmp_path, *reversed(names)))
    # by file name "photo (1).jpg" would come before "photo.jpg", as a blank comes before a dot
    assert files == names
    assert passed_over == []


def test_hostile_names_are_images_like_others(tmp_path: Path) -> None:
    names = {
        "-rf.jpg",
        "новый год.jpg",
        "a\nb.jpg",
        "'\";$(x).jpg",
        " .jpg",
        "é.jpg",
        "e\u0301.jpg",
    }
    files, passed_over = list_images(fill(tmp_path, *names))
    assert set(files) == names
    assert passed_over == []


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    try:
        (tmp_path / "a\udcff.jpg").touch()
    except (OSError, UnicodeError):
        pytest.skip("this file system takes only text for names")
    with pytest.raises(DataError, match=r"1 file name in .* not UTF-8 .*udcff.*rename") as caught:
        list_images(tmp_path)
    str(caught.value).encode()


def test_nothing_is_left_out_without_a_word(tmp_path: Path) -> None:
    fill(tmp_path, "im1.jpg", "folder.jpg/", "sub/x.png", "._im1.jpg", "im2.jpg.bak", "scan.pdf")
    fill(tmp_path, "annotations/cat.txt", "notes.txt", "labels.csv", ".DS_Store", ".cache/x.jpg")
    (tmp_path / "broken.jpg").symlink_to("absent.jpg")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "round").symlink_to(".", target_is_directory=True)
    (tmp_path / "good.jpg").symlink_to("im1.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    files, passed_over = list_images(tmp_path)
    assert files == ["good.jpg", "im1.jpg"]
    expected = {"._im1.jpg", "broken.jpg", "folder.jpg", "im2.jpg.bak", "loop.png", "pipe.jpg"}
    assert set(passed_over) == expected | {"round/", "scan.pdf", "sub/"}
    assert len(passed_over) == len(set(passed_over))


def test_a_folder_without_images_or_none_at_all(tmp_path: Path) -> None:
    fill(tmp_path, "im1.jpg/")
    with pytest.raises(DataError, match="no images in"):
        list_images(tmp_path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list_images(tmp_path / "absent")
