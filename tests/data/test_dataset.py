from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.data import dataset as module
from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import (
    dataset_file,
    last_dataset,
    list_datasets,
    load_dataset,
    save_dataset,
)
from toolkit.data.open import open_dataset
from toolkit.data.split import paper_split, save_split
from toolkit.errors import ArtifactError, DataError, UsageError
from toolkit.runtime.progress import Progress
from toolkit.storage.files import digest_bytes
from toolkit.storage.tables import write_table


def on_disk(root: Path, n: int = 12) -> Dataset:
    """Write n small files, to stand for images, and return the data set of them."""
    root.mkdir(parents=True, exist_ok=True)
    ids = [f"im{number}" for number in range(1, n + 1)]
    for image in ids:
        (root / f"{image}.jpg").write_bytes(image.encode())
    stats = [os.stat(root / f"{image}.jpg") for image in ids]
    return Dataset(
        name="d",
        root=root,
        ids=tuple(ids),
        files=tuple(f"{image}.jpg" for image in ids),
        labels=("cat", "dog é/.."),
        Y=np.random.RandomState(0).randint(0, 2, (n, 2)).astype(np.uint8),
        digests=np.array([list(digest_bytes(image.encode())) for image in ids], np.uint8),
        stats=np.array([(stat.st_size, stat.st_mtime_ns) for stat in stats], np.int64),
        shapes=np.arange(2 * n, dtype=np.int32).reshape(n, 2),
        modes=("RGB", "L", "") * (n // 3),
        provenance={"layout": "course", "pairing": "by-id", "source": "/x", "annotations": None},
    )


def assert_same(found: Dataset, expected: Dataset) -> None:
    for field in vars(expected):
        if field in Dataset.__dataclass_fields__:
            ours, theirs = getattr(found, field), getattr(expected, field)
            if isinstance(theirs, np.ndarray):
                assert ours.dtype == theirs.dtype
                np.testing.assert_array_equal(ours, theirs)
            else:
                assert ours == theirs
    assert found.digest == expected.digest


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return on_disk(tmp_path / "images")


def test_a_data_set_comes_back_as_it_was(data: Dataset, tmp_path: Path) -> None:
    path = save_dataset(data, tmp_path / "artifacts")
    assert path == tmp_path / "artifacts" / "datasets" / "d" / "dataset.parquet"
    assert_same(load_dataset(tmp_path / "artifacts", "d"), data)


def test_artifacts_may_move(data: Dataset, tmp_path: Path) -> None:
    save_dataset(data, tmp_path / "artifacts")
    shutil.move(tmp_path / "artifacts", tmp_path / "k=v" / "elsewhere")
    assert_same(load_dataset(tmp_path / "k=v" / "elsewhere", "d"), data)


def test_a_flipped_byte_is_refused_or_changes_nothing(data: Dataset, tmp_path: Path) -> None:
    path = save_dataset(data, tmp_path)
    whole = path.read_bytes()
    random = np.random.RandomState(1)
    positions = np.unique(
        np.r_[:4, random.randint(0, len(whole), 220), len(whole) - 8 : len(whole)]
    )
    refused = 0
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= random.randint(1, 256)
        path.write_bytes(damaged)
        try:
            found = load_dataset(tmp_path, "d")
        except ArtifactError:
            refused += 1
        else:
            assert_same(found, data)
    assert refused > len(positions) / 2


def test_a_cut_file_is_refused(data: Dataset, tmp_path: Path) -> None:
    path = save_dataset(data, tmp_path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 150), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError, match="data set d is damaged"):
            load_dataset(tmp_path, "d")


def test_a_whole_table_that_is_no_data_set_is_refused(data: Dataset, tmp_path: Path) -> None:
    path = save_dataset(data, tmp_path)
    save_split(paper_split(data.ids), path)
    with pytest.raises(ArtifactError, match="does not hold a data set"):
        load_dataset(tmp_path, "d")
    write_table(path, {"image": ("a",)}, {"format": 99})
    with pytest.raises(ArtifactError, match="written in format 99, this version reads 1"):
        load_dataset(tmp_path, "d")


def test_a_save_that_fails_leaves_the_old_one(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_dataset(data, tmp_path)
    changed = replace(data, Y=1 - data.Y)

    def fail(*args: Any) -> None:
        raise OSError("full")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", fail)
        with pytest.raises(OSError, match="full"):
            save_dataset(changed, tmp_path)
    assert_same(load_dataset(tmp_path, "d"), data)
    save_dataset(changed, tmp_path)
    assert_same(load_dataset(tmp_path, "d"), changed)
    assert os.listdir(tmp_path / "datasets" / "d") == ["dataset.parquet"]


def test_an_absent_data_set_lists_those_there_are(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no data set named 'x' \(none has been imported yet\)"):
        load_dataset(tmp_path, "x")
    for name in ("a10", "a2"):
        save_dataset(replace(data, name=name), tmp_path)
    (tmp_path / "datasets" / "half").mkdir()
    (tmp_path / "datasets" / ".tmp-1-x").mkdir()
    (tmp_path / "datasets" / ".tmp-1-x" / "dataset.parquet").touch()
    assert list_datasets(tmp_path) == ["a2", "a10"]
    with pytest.raises(UsageError, match=r"'half' \(there are: a2, a10\).*data import PATH"):
        load_dataset(tmp_path, "half")


@pytest.mark.parametrize("name", ["../d", "a/b", "", ".last.json"])
def test_names_stay_within_the_artifacts(data: Dataset, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="data set name"):
        save_dataset(replace(data, name=name), tmp_path)
    with pytest.raises(UsageError, match="data set name"):
        load_dataset(tmp_path, name)
    assert not (tmp_path / "datasets").exists()


def test_the_last_one_saved_is_remembered_while_it_is_there(data: Dataset, tmp_path: Path) -> None:
    assert last_dataset(tmp_path) is None
    for name in ("a", "last.json", "b"):  # the note must not stand in the way of any name
        save_dataset(replace(data, name=name), tmp_path)
        assert last_dataset(tmp_path) == name
    shutil.rmtree(tmp_path / "datasets" / "b")
    assert last_dataset(tmp_path) is None


@pytest.mark.parametrize("note", [b"", b"[]", b"3", b"{}", b'{"name": "../x"}'])
def test_a_damaged_note_of_the_last_one_never_names_another(
    data: Dataset, tmp_path: Path, note: bytes
) -> None:
    save_dataset(data, tmp_path)
    (tmp_path / "datasets" / ".last.json").write_bytes(note)
    with pytest.raises(ArtifactError, match="delete it"):
        last_dataset(tmp_path)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def test_files_that_were_touched_or_written_anew_with_the_same_bytes_pass(data: Dataset) -> None:
    touch(Path(data.paths[0]))
    content = Path(data.paths[1]).read_bytes()
    Path(data.paths[1]).unlink()
    Path(data.paths[1]).write_bytes(content)
    touch(Path(data.paths[1]))
    assert data.changed_since_import() == []
    data.require_unchanged()


def test_changed_and_missing_files_are_caught(data: Dataset) -> None:
    longer, same_size, missing, folder, broken = (Path(data.paths[row]) for row in (0, 2, 4, 6, 8))
    longer.write_bytes(b"longer than before")
    same_size.write_bytes(b"x" * same_size.stat().st_size)
    os.utime(same_size, ns=(5, 5))
    for path in (missing, folder, broken):
        path.unlink()
    folder.mkdir()
    broken.symlink_to(broken.name)
    assert data.changed_since_import() == [0, 2, 4, 6, 8]
    with pytest.raises(DataError, match=r"5 images of data set d .*im1\.jpg, im3\.jpg.*import"):
        data.require_unchanged()


def test_unchanged_files_are_not_read_again(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def read_place(path: str) -> bytes:
        read.append(path)
        return b""

    monkeypatch.setattr(module, "read_place", read_place)
    assert data.changed_since_import() == []
    assert read == []
    touch(Path(data.paths[3]))
    assert data.changed_since_import() == [3]
    assert read == [data.paths[3]]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ids": ("im2", "im1", "im3")}, "natural order"),
        ({"ids": ("im1", "im1", "im2")}, "repeat"),
        ({"ids": ("im1", "im10", "im2")}, "natural order"),
        ({"ids": ("im1", "im2")}, "differ in number"),
        ({"files": ("a", "b")}, "differ in number"),
        ({"modes": ("RGB",)}, "differ in number"),
        ({"Y": np.zeros((3, 1), np.uint8)}, "differ in number"),
        ({"Y": np.zeros((2, 2), np.uint8)}, "differ in number"),
        ({"Y": np.full((3, 2), 2, np.uint8)}, "not 0 and 1"),
        ({"digests": np.zeros((3, 8), np.uint8)}, "differ in number"),
        ({"stats": np.zeros((2, 2), np.int64)}, "differ in number"),
        ({"shapes": np.zeros(3, np.int32)}, "differ in number"),
        ({"labels": ("b", "a")}, "unsorted"),
        ({"labels": ("a", "a")}, "labels repeat"),
        ({"labels": (), "Y": np.zeros((3, 0), np.uint8)}, "no labels"),
        ({"ids": (), "files": (), "modes": (), "Y": np.zeros((0, 2), np.uint8)}, "no images"),
    ],
)
def test_what_later_stages_rely_on_is_checked(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        replace(on_disk(tmp_path, 3), **changes)


def test_the_digest_is_of_content_not_of_places_and_times(data: Dataset) -> None:
    moved = replace(data, root=Path("/x"), stats=data.stats + 1, name="e", provenance={})
    assert moved.digest == data.digest
    assert len(moved) == len(data) == 12
    others = [
        replace(data, Y=np.roll(data.Y, 1, axis=0)),
        replace(data, labels=("cat", "eel")),
        replace(data, digests=data.digests[::-1].copy()),
        replace(data, ids=tuple(f"x{image}" for image in data.ids)),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 5


def test_the_file_of_a_name(tmp_path: Path) -> None:
    assert dataset_file(tmp_path, "m").relative_to(tmp_path).parts[:2] == ("datasets", "m")


def test_painting_takes_no_imported_set_s_name_and_says_what_it_replaces(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    painted = Dataset.synthetic(3, "s", artifacts=tmp_path, progress=False)
    again = Dataset.synthetic(3, "s", artifacts=tmp_path, progress=False)
    assert again.stats.tolist() == painted.stats.tolist()  # nothing was painted anew
    with caplog.at_level("WARNING", logger="toolkit"):
        Dataset.synthetic(4, "s", artifacts=tmp_path, progress=False)
    assert "take the place" in caplog.text
    save_dataset(replace(painted, name="mine"), tmp_path)
    with pytest.raises(UsageError, match="found 'mine', which is the name of an imported one"):
        Dataset.synthetic(3, "mine", artifacts=tmp_path, progress=False)


@pytest.mark.parametrize("data", [Path("photos"), 3, ["a"], {"image": ["a.jpg"]}])
def test_what_is_no_data_set_is_named(data: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"found {type(data).__name__}; folders and tables"):
        open_dataset(data, tmp_path, Progress())


def test_a_notebook_shows_labels_as_text(data: Dataset) -> None:
    hostile = "<script>alert(1)</script>"
    shown = replace(data, labels=(hostile, *data.labels[1:]))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_labels_are_int8_and_the_digest_tells_yes_from_unknown(tmp_path: Path) -> None:
    whole = on_disk(tmp_path)
    assert whole.Y.dtype == np.int8
    Y = whole.Y.copy()
    row, label = np.argwhere(Y == 1)[0]
    found = {whole.digest}
    for value in (0, -1):
        Y[row, label] = value
        found.add(replace(whole, Y=Y.copy()).digest)
    assert len(found) == 3
    assert replace(whole, Y=whole.Y.astype(np.uint8)).digest == whole.digest


@pytest.mark.parametrize("label", ["image", "Path", "fold", "origin"])
def test_no_label_has_the_name_of_another_column(tmp_path: Path, label: str) -> None:
    import pandas as pd

    (tmp_path / "a.png").touch()
    frame = pd.DataFrame({"image_path": ["a.png"], label: [1]})
    with pytest.raises(
        DataError,
        match=r"tables of scores have the columns image, path, origin, fold next to",
    ):
        Dataset.from_frame(frame, image="image_path", labels=[label], root=tmp_path)


@pytest.mark.parametrize(
    ("frame", "labels", "said"),
    [([1, 2], None, "frame: expected a data frame, found list"), (None, [], "at least one column")],
)
def test_what_is_no_table_is_refused(tmp_path: Path, frame: Any, labels: Any, said: str) -> None:
    import pandas as pd

    table = pd.DataFrame({"image": ["a.png"], "cat": [1]}) if frame is None else frame
    with pytest.raises(UsageError, match=said):
        Dataset.from_frame(table, labels=labels, root=tmp_path)
