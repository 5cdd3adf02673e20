"""Images in tars and columns with their labels: found by themselves, the same as in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import toolkit as tk
from tests.data.packed import LABELS, Packed, features, schema_of, write_tar
from toolkit.data.dataset_store import load_dataset, save_dataset
from toolkit.data.readers.registry import FORMATS
from toolkit.errors import DataError, UsageError
from toolkit.images.places import read_place
from toolkit.runtime.progress import Progress

PACKED = Packed()
QUIET: dict[str, Any] = {"progress": False}

LAYOUTS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "tars with JSON lists": ("webdataset", PACKED.tars),
    "tars with JSON keys": ("webdataset", lambda place: PACKED.tars(place, "keys")),
    "tars with texts": ("webdataset", lambda place: PACKED.tars(place, "txt")),
    "one tar": (
        "webdataset",
        lambda place: write_tar(place.with_suffix(".tar"), PACKED.members()),
    ),
    "what datasets saves": ("huggingface", PACKED.arrow),
    "Parquet as on the hub": ("huggingface", PACKED.hub),
    "one Parquet file of bytes": ("huggingface", PACKED.parquet),
    "a table of addresses": ("csv", PACKED.addresses),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_it_is_found_and_says_what_the_folder_says(name: str, tmp_path: Path) -> None:
    folder = tk.Dataset.read(PACKED.folder(tmp_path / "folder"), **QUIET)
    format, write = LAYOUTS[name]
    path = write(tmp_path / "set")
    assert [each for each, known in FORMATS.items() if known.recognises(path)][-1] == format
    photos = tk.Dataset.read(path, "set", **QUIET)
    assert photos.labels == folder.labels == LABELS
    assert photos.provenance["layout"] == format
    rows = list(range(len(folder)))
    if name == "one Parquet file of bytes":  # it has no names: ids are numbers of rows
        assert photos.ids == tuple(map(str, range(40)))
        rows = PACKED.order
    else:
        assert photos.ids == folder.ids
        assert photos.digest == folder.digest
    np.testing.assert_array_equal(photos.Y, folder.Y[rows])
    np.testing.assert_array_equal(photos.digests, folder.digests[rows])
    np.testing.assert_array_equal(photos.shapes, folder.shapes[rows])
    assert [read_place(place) for place in photos.paths] == [PACKED[row][1] for row in rows]
    save_dataset(photos, tmp_path / "kept")
    again = load_dataset(tmp_path / "kept", "set")
    assert again.digest == photos.digest
    assert again.paths == photos.paths
    assert again.changed_since_import() == []


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_frame_of_its_paths_is_the_same_data_set(name: str, tmp_path: Path) -> None:
    photos = tk.Dataset.read(LAYOUTS[name][1](tmp_path / "set"), **QUIET)
    frame = photos.to_frame()
    again = tk.Dataset.from_frame(frame, image="path", labels=list(LABELS), **QUIET)
    assert sorted(again.paths) == sorted(photos.paths)
    place = {path: row for row, path in enumerate(photos.paths)}
    rows = [place[path] for path in again.paths]
    np.testing.assert_array_equal(again.Y, photos.Y[rows])
    np.testing.assert_array_equal(again.digests, photos.digests[rows])


def test_splits_come_with_the_files(tmp_path: Path) -> None:
    splits = {"train": PACKED.order[:20], "validation": PACKED.order[20:30]}
    splits["test"] = PACKED.order[30:]
    saved = tk.Dataset.read(PACKED.arrow(tmp_path / "saved", splits), **QUIET)
    part_of = {PACKED[row][0][:-4]: split for split, rows in splits.items() for row in rows}
    assert saved.parts == tuple(part_of[image] for image in saved.ids)
    hub, tars = tmp_path / "hub" / "data", tmp_path / "tars"
    hub.mkdir(parents=True)
    tars.mkdir()
    members = dict(PACKED.members())
    for split, rows in splits.items():
        file = hub / f"{split}-00000-of-00001.parquet"
        pq.write_table(PACKED.table(rows, schema_of(features("List"))), file)
        names = [PACKED[row][0] for row in rows]
        own = [(n, members[n]) for name in names for n in (name, f"{name[:-4]}.json")]
        write_tar(tars / f"photos-{split}-000.tar", own)
    for place in (tmp_path / "hub", tars):
        found = tk.Dataset.read(place, **QUIET)
        assert (found.ids, found.parts) == (saved.ids, saved.parts)
        assert found.digest == saved.digest


def test_ids_are_rows_where_names_repeat_or_lack(tmp_path: Path) -> None:
    schema = schema_of(features())
    table = PACKED.table([0, 1, 2], schema)
    images = [{"bytes": PACKED[row][1], "path": "image.jpg"} for row in range(3)]
    same = table.set_column(0, schema.field(0), pa.array(images, schema.field(0).type))
    for split in ("train", "test"):
        (tmp_path / "set").mkdir(exist_ok=True)
        pq.write_table(same, tmp_path / "set" / f"{split}.parquet")
    said: list[str] = []
    photos = tk.Dataset.read(tmp_path / "set", progress=Said(said))
    assert photos.ids == tuple(f"{split}/{row}" for split in ("test", "train") for row in range(3))
    assert "ids from splits and row numbers" in said[0]
    assert photos.paths[1] == f"{tmp_path}/set/test.parquet/image/1"


@pytest.mark.parametrize(
    ("labels", "kind", "given", "expected"),
    [
        ({"names": list(LABELS), "_type": "ClassLabel"}, pa.int64(), [2, 0, 1], LABELS),
        (None, pa.list_(pa.string()), [["sea"], ["cat", "dog"], []], LABELS),
        ([{"names": ["x", "y", "z"], "_type": "ClassLabel"}], pa.list_(pa.int8()),
         [[0], [], [0, 1]], ("x", "y", "z")),
        ({"feature": {"dtype": "int64", "_type": "Value"}, "_type": "Sequence"},
         pa.list_(pa.int64()), [[7], [8, 7], []], ("7", "8")),
        ({"dtype": "string", "_type": "Value"}, pa.string(), ["cat|dog", "sea", ""], LABELS),
        ({"names": ["no", "yes"], "_type": "ClassLabel"}, pa.int64(), [0, 1, 1], ("no", "yes")),
    ],
)  # fmt: skip
def test_labels_of_every_type(
    labels: Any, kind: Any, given: list[Any], expected: tuple[str, ...], tmp_path: Path
) -> None:
    known = {"image": {"_type": "Image"}} | ({"labels": labels} if labels else {})
    images = [{"bytes": PACKED[row][1], "path": None} for row in range(3)]
    table = pa.table({"image": images, "labels": given}, schema=schema_of(known, kind))
    pq.write_table(table, tmp_path / "a.parquet")
    photos = tk.Dataset.read(tmp_path / "a.parquet", **QUIET)
    assert photos.labels == expected
    classes = labels[0] if isinstance(labels, list) else labels or {}
    for row, cell in enumerate(given):
        cells = cell if isinstance(cell, list) else [cell]
        own = {classes["names"][c] if classes.get("names") else str(c) for c in cells}
        own = set(cell.split("|")) - {""} if isinstance(cell, str) else own
        yes = {label for label, value in zip(expected, photos.Y[row], strict=True) if value}
        assert yes == own


def test_columns_can_be_named(tmp_path: Path) -> None:
    image = [PACKED[row][1] for row in range(3)]
    table = pa.table(
        {"front": image, "back": image, "y_cat": [1, 0, 1], "y_sea": [0, 1, None], "w": [1, 1, 0]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"expected one column of images.*front, back"):
        tk.Dataset.read(tmp_path / "a.parquet", **QUIET)
    photos = tk.Dataset.read(
        tmp_path / "a.parquet", image_column="back", label_prefix="y_", **QUIET
    )
    assert photos.labels == ("cat", "sea")
    assert photos.Y.tolist() == [[1, 0], [0, 1], [1, -1]]
    assert photos.files[2] == "a.parquet/back/2"


def test_a_table_of_paths_beside_bytes_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "im1.jpg").write_bytes(PACKED[0][1])
    table = pa.table({"image": ["im1.jpg"], "thumb": [b"x"], "cat": [1]})
    pq.write_table(table, tmp_path / "a.parquet")
    photos = tk.Dataset.read(tmp_path / "a.parquet", labels="cat", **QUIET)
    assert photos.files == ("im1.jpg",)


def test_tables_name_images_in_containers_and_at_addresses(tmp_path: Path) -> None:
    PACKED.tars(tmp_path / "shards")
    PACKED.hub(tmp_path / "hub")
    (tmp_path / "im0.jpg").write_bytes(PACKED[9][1])
    import fsspec

    fsspec.filesystem("memory").pipe_file("/mixed/im7.jpg", PACKED[6][1])
    rows = ["image,cat", "im0.jpg,1", "memory://mixed/im7.jpg,0"]
    first = PACKED.members()[0][0]
    rows += [f"shards/000.tar/{first},1", "hub/data/train-00000-of-00002.parquet/image/3,0"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    photos = tk.Dataset.read(tmp_path / "t.csv", **QUIET)
    assert set(photos.files) == {line.split(",")[0] for line in rows[1:]}
    cells = {line.split(",")[0]: int(line.split(",")[1]) for line in rows[1:]}
    assert photos.Y[:, 0].tolist() == [cells[file] for file in photos.files]
    assert [read_place(p) for p in photos.paths] == [
        {"im0.jpg": PACKED[9][1], "memory://mixed/im7.jpg": PACKED[6][1]}.get(
            file, PACKED[PACKED.order[0 if "tar/" in file else 3]][1]
        )
        for file in photos.files
    ]
    (tmp_path / "t.csv").write_text("image,cat\nshards/000.tar/im99.jpg,1\nim0.jpg,0\n")
    with pytest.raises(DataError, match=r"images? not there \('shards/000.tar/im99.jpg'"):
        tk.Dataset.read(tmp_path / "t.csv", **QUIET)


def test_addresses_that_lead_nowhere_are_an_error_or_left_out(tmp_path: Path) -> None:
    import fsspec

    path = PACKED.addresses(tmp_path / "set", "memory://holes")
    fsspec.filesystem("memory").rm("/holes/im4.jpg")
    with pytest.raises(DataError, match=r"image memory://holes/im4.jpg cannot be read: nothing"):
        tk.import_data(path, "set", artifacts=tmp_path / "kept", **QUIET)
    assert tk.list_data(artifacts=tmp_path / "kept")["datasets"] == []
    said: list[str] = []
    photos = tk.Dataset.read(path, missing="skip", progress=Said(said))
    kept = [row for row in range(40) if row != 3]
    assert photos.ids == tuple(f"im{row + 1}" for row in kept)
    np.testing.assert_array_equal(photos.Y, PACKED.Y[kept])
    assert any("1 image not there, left out: memory://holes/im4.jpg" in text for text in said)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("image,cat\nmemory://odd/a.jpg,1\nmemory://odd/no.jpg,0", "no.jpg cannot be read: noth"),
        ("image,cat\nmemory://odd/a.jpg,1\nmemory://odd/a.jpg,0", "is listed twice"),
        ("image,cat\nmemory://odd/a.jpg,1\nmemory://odd/a.png,0", "with the id of another"),
        ("image,cat\nmemory://odd/a.jpg,7\nmemory://odd/b.jpg,0", "stands where 0 or 1 must"),
        ("image,cat\nnowhere://odd/a.jpg,1", "nowhere:// is no kind of address"),
        ("image,cat\nfile:///etc/hostname,1", "images? not there"),
        ("image,cat\nzip://a.jpg::/a.zip,1", "images? not there"),
        ("image,cat\nmemory://odd/a.jpg", "has 1 cell where the header has 2"),
        ("address,cat\nmemory://odd/a.jpg,1", "needs a column 'image'"),
        ("image,cat\nmemory:/odd/a.jpg,1", "images? not there"),
        ("image\nmemory://odd/a.jpg", "no column is of labels"),
        ("image,cat\n../a.tar/a.jpg,1", "stay inside it"),
    ],
)
def test_tables_of_addresses_that_are_broken(rows: str, message: str, tmp_path: Path) -> None:
    import fsspec

    for name in ("a.jpg", "a.png", "b.jpg"):
        fsspec.filesystem("memory").pipe_file(f"/odd/{name}", PACKED[0][1])
    (tmp_path / "set").mkdir()
    write_tar(tmp_path / "a.tar", [("a.jpg", PACKED[0][1])])
    (tmp_path / "set" / "t.csv").write_text(rows)
    kept = tmp_path / "kept"
    with pytest.raises(DataError, match=message):
        tk.import_data(tmp_path / "set" / "t.csv", artifacts=kept, **QUIET)
    assert not list(kept.rglob("*.parquet"))


def test_an_archive_beside_a_folder_of_images_is_left_alone(tmp_path: Path) -> None:
    folder = PACKED.folder(tmp_path / "set")
    write_tar(folder / "photos.tar", PACKED.members())
    photos = tk.Dataset.read(folder, **QUIET)
    assert photos.provenance["layout"] == "course"


def test_a_table_at_an_address_is_no_data_set() -> None:
    with pytest.raises(DataError, match="where a table may name images by addresses"):
        tk.Dataset.read("https://host/photos.csv", **QUIET)
    frame = pd.DataFrame({"image": [b"\xff\xd8"], "cat": [1]})
    with pytest.raises(DataError, match="expected the place of an image, found bytes"):
        tk.Dataset.from_frame(frame, **QUIET)


def test_samples_that_lack_something_are_left_out_when_asked(tmp_path: Path) -> None:
    members = [each for each in PACKED.members() if each[0] not in ("im4.jpg", "im5.json")]
    write_tar(tmp_path / "a.tar", members)
    said: list[str] = []
    photos = tk.Dataset.read(tmp_path / "a.tar", missing="skip", progress=Said(said))
    assert len(photos) == 38
    assert not {"im4", "im5"} & set(photos.ids)
    assert any("1 sample without an image" in t and "1 sample without labels" in t for t in said)


class Said(Progress):
    """Progress that keeps what is said."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def say(self, text: str) -> None:
        self.said.append(text)


def test_options_that_are_not_for_a_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="image_column is not for WebDataset"):
        tk.Dataset.read(PACKED.tars(tmp_path / "a"), image_column="x", **QUIET)
    with pytest.raises(UsageError, match="annotations is not for columns of images"):
        tk.Dataset.read(PACKED.arrow(tmp_path / "b"), annotations="relevant", **QUIET)
    for format in ("webdataset", "huggingface"):
        (tmp_path / "t.csv").write_text("image,cat\n")
        with pytest.raises(DataError, match="expected a"):
            tk.Dataset.read(tmp_path / "t.csv", format=format, **QUIET)


def test_classes_by_number_and_words(tmp_path: Path) -> None:
    photos = tk.Dataset.read(PACKED.tars(tmp_path / "set", "cls"), **QUIET)
    assert photos.labels == ("0", "1", "2", "none")
    np.testing.assert_array_equal(photos.Y[:, :3], PACKED.Y)
    np.testing.assert_array_equal(photos.Y[:, 3], PACKED.Y.sum(axis=1) == 0)


def test_a_changed_tar_is_noticed_and_one_that_was_touched_is_not(tmp_path: Path) -> None:
    place = PACKED.tars(tmp_path / "set")
    photos = tk.Dataset.read(place, **QUIET)
    (place / "000.tar").touch()
    assert photos.changed_since_import() == []
    members = PACKED.members()[:30]
    write_tar(place / "000.tar", [(members[0][0], b"other"), *members[1:]])
    changed = photos.changed_since_import()
    assert [photos.files[row] for row in changed] == [f"000.tar/{members[0][0]}"]
    with pytest.raises(DataError, match="1 image of data set set changed or went missing"):
        photos.require_unchanged()
    (place / "000.tar").unlink()
    assert len(photos.changed_since_import()) == 15


@pytest.mark.parametrize(
    ("ending", "how"), [("tar.gz", "gunzip"), ("tgz", "gunzip"), ("txz", "unxz")]
)
def test_compressed_tars_are_answered_with_what_to_do(
    ending: str, how: str, tmp_path: Path
) -> None:
    import tarfile

    from toolkit.inference.given import find_images

    (tmp_path / "im1.jpg").write_bytes(PACKED[0][1])
    (tmp_path / "set").mkdir()
    file = tmp_path / "set" / f"t.{ending}"
    with tarfile.open(file, "w:xz" if ending == "txz" else "w:gz") as tar:
        tar.add(tmp_path / "im1.jpg", "im1.jpg")
    (tmp_path / "set" / "t.csv").write_text(f"image,cat\n{file.name}/im1.jpg,1\n")
    frame = pd.DataFrame({"image": [f"{file}/im1.jpg"], "cat": [1]})
    tries: list[Callable[[], object]] = [
        lambda: tk.Dataset.read(file, **QUIET),
        lambda: tk.Dataset.read(tmp_path / "set" / "t.csv", **QUIET),
        lambda: tk.Dataset.from_frame(frame, **QUIET),
        lambda: list(find_images(file)),
        lambda: list(find_images(f"{file}/im1.jpg")),
        lambda: read_place(f"{file}/im1.jpg"),
    ]
    for each in tries:
        with pytest.raises(
            (DataError, UsageError, OSError),
            match=rf"unpack it to a plain \.tar with '{how} -k t\.",
        ):
            each()


def test_captions_beside_images_are_said_to_be_long_for_labels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples = [("a dog on the grass", 0), ("two cats at a window", 1), ("the sea at night", 2)]
    members = [
        member
        for text, row in samples
        for member in ((f"s{row}.jpg", PACKED[row][1]), (f"s{row}.txt", text.encode()))
    ]
    tk.Dataset.read(write_tar(tmp_path / "a.tar", members))
    assert "labels hold blanks ('a dog on the grass'" in caplog.text
