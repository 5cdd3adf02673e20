from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import load_dataset, save_dataset
from toolkit.data.importer import published_order
from toolkit.errors import DataError, UsageError
from toolkit.storage.files import digest_bytes

steady = settings(derandomize=True, deadline=None, database=None, max_examples=40)

Labels = dict[str, str | bytes | list[int]]


def picture(mode: str = "RGB", size: tuple[int, int] = (8, 8), kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 7).save(buffer, kind)
    return buffer.getvalue()


JPEG = picture()


def course(folder: Path, images: list[str], labels: Labels) -> Path:
    """Write images, each with bytes of its own, and label files (a list holds numbers)."""
    for name in ("images", "annotations"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    for name in images:
        (folder / "images" / name).write_bytes(JPEG + name.encode())
    for label, content in labels.items():
        if isinstance(content, list):
            content = "".join(f"{number}\n" for number in content)
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / "annotations" / f"{label}.txt").write_bytes(raw)
    return folder


def imported(path: Path, **options: Any) -> Dataset:
    return Dataset.read(path, "d", **options)


def positives(dataset: Dataset) -> dict[str, set[str]]:
    return {
        label: {dataset.ids[row] for row in np.flatnonzero(dataset.Y[:, j])}
        for j, label in enumerate(dataset.labels)
    }


truths = st.dictionaries(
    st.sampled_from(["cat", "dog", "Sea lion", "été"]),
    st.sets(st.sampled_from([1, 2, 3, 10, 17448, 20000]), max_size=6),
    min_size=1,
)


@given(truth=truths, order=st.randoms(use_true_random=False), padded=st.booleans())
@steady
def test_labels_are_joined_by_id_in_any_form_and_order(
    tmp_path_factory: pytest.TempPathFactory, truth: dict[str, set[int]], order: Any, padded: bool
) -> None:
    width = 6 if padded else 0
    numbers = [1, 2, 3, 10, 17448, 20000]
    files = [f"im{number:0{width}}.jpg" for number in numbers]
    labels: Labels = {}
    for label, members in truth.items():
        forms = ["{}", "im{}.jpg", "im{}"] if padded is False else ["im{:06}", "{:06}", "{}"]
        lines = [order.choice(forms).format(number) for number in members] * order.randint(1, 2)
        order.shuffle(lines)
        labels[label] = "".join(line + order.choice(["\n", "\r\n", " \n\n"]) for line in lines)
    folder = course(tmp_path_factory.getbasetemp() / "course", files, labels)
    dataset = imported(folder)
    assert dataset.files == tuple(files)
    assert dataset.labels == tuple(sorted(truth))
    expected = {
        label: {f"im{number:0{width}}" for number in members} for label, members in truth.items()
    }
    assert positives(dataset) == expected


def test_every_fact_belongs_to_its_own_image(tmp_path: Path) -> None:
    names = [f"im{number}.jpg" for number in (1, 2, 9, 10, 11, 100)]
    folder = course(tmp_path, names, {"cat": [10, 2]})
    special = {
        "im2.jpg": picture("L", (9, 5)),
        "im10.jpg": picture("RGBA", (3, 4), "PNG"),
        "im100.jpg": b"",
        "im9.jpg": JPEG[:20],
    }
    for name, content in special.items():
        (folder / "images" / name).write_bytes(content)
    dataset = imported(folder)
    assert dataset.ids == ("im1", "im2", "im9", "im10", "im11", "im100")
    assert dataset.modes == ("RGB", "L", "", "RGBA", "RGB", "")
    assert dataset.shapes.tolist() == [[8, 8], [9, 5], [0, 0], [3, 4], [8, 8], [0, 0]]
    for row, path in enumerate(dataset.paths):
        content = Path(path).read_bytes()
        assert dataset.digests[row].tobytes() == digest_bytes(content)
        assert dataset.stats[row].tolist() == [len(content), os.stat(path).st_mtime_ns]
    assert dataset.Y.dtype == np.int8
    assert dataset.digests.dtype == np.uint8


@pytest.mark.parametrize("shuffled", [1, 2, 3])
def test_published_pairing_is_the_published_code_and_by_id_is_not(
    tmp_path: Path, shuffled: int
) -> None:
    n = 25
    random = np.random.RandomState(shuffled)
    truth = {label: set(random.permutation(n)[:7] + 1) for label in ("cat", "dog")}
    files = [f"im{number}.jpg" for number in range(1, n + 1)]
    folder = course(tmp_path, files, {label: sorted(rows) for label, rows in truth.items()})
    # a table of labels by image number, its column of files filled from a listing
    listing = sorted(os.listdir(folder / "images"))
    published = {
        label: {Path(file).stem for number, file in enumerate(listing, 1) if number in members}
        for label, members in truth.items()
    }
    dataset = imported(folder, pairing="published")
    assert positives(dataset) == published
    right = imported(folder)
    assert positives(right) == {
        label: {f"im{number}" for number in members} for label, members in truth.items()
    }
    assert published != positives(right)
    assert (dataset.ids, dataset.files, dataset.modes) == (right.ids, right.files, right.modes)
    assert dataset.digests.tobytes() == right.digests.tobytes()
    assert (dataset.provenance["pairing"], right.provenance["pairing"]) == ("published", "by-id")
    assert dataset.digest != right.digest


@given(files=st.lists(st.from_regex(r"[a-z]{1,2}[0-9]{0,3}\.jpg", fullmatch=True), unique=True))
@steady
def test_published_order_gives_the_kth_of_the_listing_the_kth_row(files: list[str]) -> None:
    order = published_order(files)
    assert sorted(order) == list(range(len(files)))
    assert [file for _, file in sorted(zip(order, files, strict=True))] == sorted(files)


def test_mirflickrs_relevant_and_potential_labels(tmp_path: Path) -> None:
    labels: Labels = {"sea": [1, 2], "sea_r1": [1], "sky": [2], "README": "Do not parse me.\n"}
    folder = course(tmp_path, ["im1.jpg", "im2.jpg"], labels)
    (folder / "annotations").rename(folder / "mirflickr25k_annotations_v080")
    (folder / "images").rename(folder / "mirflickr")
    assert positives(imported(folder)) == {"sea": {"im1"}}
    potential = imported(folder, annotations="potential")
    assert positives(potential) == {"sea": {"im1", "im2"}, "sky": {"im2"}}
    assert potential.provenance["annotations"] == "potential"
    assert potential.root == folder / "mirflickr"


def test_a_csv_and_label_files_of_the_same_labels_are_the_same_data(tmp_path: Path) -> None:
    folder = course(tmp_path, ["im1.jpg", "im2.jpg", "im10.jpg"], {"cat": [10], "dog": [1, 10]})
    (folder / "images" / "labels.csv").write_text("dog,image,cat\n1,im10,1\n0,2,0\n1,im1.jpg,0\n")
    by_files, by_table = imported(folder), imported(folder / "images" / "labels.csv")
    assert by_table.digest == by_files.digest
    assert by_table.paths == by_files.paths
    assert by_table.provenance["layout"] == "csv"


def test_a_csv_with_one_bad_name_imports_nothing(tmp_path: Path) -> None:
    folder = course(tmp_path, ["im1.jpg"], {})
    (folder / "labels.csv").write_text("image,cat\nim1,1\n../images/im1.jpg,0\n")
    with pytest.raises(DataError, match="1 image not there"):
        imported(folder / "labels.csv")


def test_images_without_label_stay_and_empty_label_files_are_labels(tmp_path: Path) -> None:
    folder = course(tmp_path, ["im1.jpg", "im2.jpg"], {"cat": "", "dog": [2], "emu": b"\r\n \r\n"})
    dataset = imported(folder)
    assert dataset.Y.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_one_image_one_label(tmp_path: Path) -> None:
    dataset = imported(course(tmp_path, ["x.jpg"], {"cat": "x"}))
    assert (dataset.Y.tolist(), dataset.ids, dataset.labels) == ([[1]], ("x",), ("cat",))


def test_five_hundred_labels_survive_import_and_disk(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    Y = random.randint(0, 2, (4, 500))
    labels: Labels = {f"l{j}": (np.flatnonzero(Y[:, j]) + 1).tolist() for j in range(500)}
    folder = course(tmp_path, [f"im{k}.jpg" for k in range(1, 5)], labels)
    dataset = imported(folder)
    save_dataset(dataset, tmp_path / "artifacts")
    again = load_dataset(tmp_path / "artifacts", "d")
    column = [int(label[1:]) for label in again.labels]
    assert sorted(column) == list(range(500))
    np.testing.assert_array_equal(again.Y, Y[:, column])


def test_unknown_images_are_an_error_that_lists_the_first_few(tmp_path: Path) -> None:
    folder = course(tmp_path, ["im1.jpg"], {"cat": [1, 2, 3, 4, 5, 6, 7]})
    with pytest.raises(DataError, match=r"6 images .*'2'.*'3'.*'4' and 3 more"):
        imported(folder)


def test_images_that_share_an_id_are_an_error(tmp_path: Path) -> None:
    folder = course(tmp_path, ["a.jpg", "a.png", "b.jpg"], {"cat": "b"})
    with pytest.raises(DataError, match=r"1 image with the id of another .*jpg and a\.png.*rename"):
        imported(folder)


def test_label_files_that_differ_in_case_are_an_error(tmp_path: Path) -> None:
    folder = course(tmp_path, ["a.jpg"], {"cat": "a"})
    (folder / "annotations" / "Cat.txt").write_text("")
    if len(os.listdir(folder / "annotations")) == 2:
        with pytest.raises(DataError, match="differ only in case"):
            imported(folder)


HOSTILE_NAMES = [
    "-rf.jpg",
    "a\nb.jpg",
    "новый год.jpg",
    "im 7 (1).jpg",
    "im 7.jpg",
    "%s{0}.jpg",
    "'.jpg",
]


def test_hostile_names_keep_their_labels_and_survive_the_disk(tmp_path: Path) -> None:
    nameable = [Path(name).stem for name in HOSTILE_NAMES if "\n" not in name]
    labels: Labels = {f"l{k}": f"{image}\n" for k, image in enumerate(nameable)}
    dataset = imported(course(tmp_path, HOSTILE_NAMES, labels))
    save_dataset(dataset, tmp_path / "artifacts")
    again = load_dataset(tmp_path / "artifacts", "d")
    assert set(again.files) == set(HOSTILE_NAMES)
    expected = {f"l{k}": {image} for k, image in enumerate(nameable)}
    assert positives(again) == positives(dataset) == expected
    assert again.changed_since_import() == []


def test_what_is_passed_over_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = course(tmp_path, ["im1.jpg"], {"cat": [1]})
    (folder / "images" / "x.jpg").mkdir()
    (folder / "images" / "broken.png").symlink_to("absent")
    (folder / "images" / "loop.jpg").symlink_to("loop.jpg")
    with caplog.at_level("WARNING", logger="toolkit"):
        assert imported(folder).ids == ("im1",)
    assert "left out: broken.png, loop.jpg, x.jpg" in caplog.text


def test_an_image_that_goes_away_while_it_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = course(tmp_path, ["im1.jpg", "im2.jpg"], {"cat": [1]})
    read = Path.read_bytes

    def vanish(self: Path) -> bytes:
        if self.name == "im2.jpg":
            self.unlink()
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", vanish)
    with pytest.raises(DataError, match=r"image .*im2\.jpg cannot be read: No such file"):
        imported(folder)


def test_progress_counts_every_image(tmp_path: Path) -> None:
    steps: list[int] = []
    folder = course(tmp_path, [f"im{k}.jpg" for k in range(70)], {"cat": ""})
    imported(folder, progress=lambda task, done, total: steps.append(done))
    assert steps == list(range(1, 71))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"name": "../x"}, "data set name '../x' cannot be used"),
        ({"pairing": "by-luck"}, "pairing: expected by-id or published"),
        ({"annotations": "strict"}, "annotations: expected relevant or potential"),
    ],
)
def test_options_are_checked_before_anything_is_read(
    tmp_path: Path, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        Dataset.read(tmp_path / "absent", **{"name": "d", **options})


@given(
    content=st.dictionaries(st.sampled_from(["a.txt", "b_r1.txt", "b.txt"]), st.binary(max_size=8))
)
@steady
def test_any_label_files_are_imported_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, bytes]
) -> None:
    folder = course(tmp_path_factory.getbasetemp() / "any", ["im1.jpg"], {})
    for name, raw in content.items():
        (folder / "annotations" / name).write_bytes(raw)
    try:
        dataset = imported(folder)
    except DataError:
        return
    assert dataset.Y.shape == (1, len(dataset.labels))


def test_the_same_files_elsewhere_are_the_same_data(tmp_path: Path) -> None:
    names, labels = ["im1.jpg", "im2.jpg"], Labels({"cat": [2]})
    here = imported(course(tmp_path / "here", names, labels))
    there = imported(course(tmp_path / "there", names, labels))
    assert here.digest == there.digest
    assert here.root != there.root
    other = imported(course(tmp_path / "other", names, {"cat": [1]}))
    renamed = imported(course(tmp_path / "renamed", names, {"dog": [2]}))
    (tmp_path / "there" / "images" / "im1.jpg").write_bytes(JPEG)
    repainted = imported(tmp_path / "there")
    assert len({data.digest for data in (here, other, renamed, repainted)}) == 4
