from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toolkit.data import split_store as shelf
from toolkit.data.dataset import Dataset
from toolkit.data.split import load_folds, load_split, paper_split, save_folds, save_split
from toolkit.data.split_store import get_folds, get_split, keep_file_split, keep_grouped_split
from toolkit.errors import ArtifactError, DataError, UsageError


@pytest.fixture
def data() -> Dataset:
    n = 40
    return Dataset(
        name="d",
        root=Path("/images"),
        ids=tuple(f"im{number}" for number in range(1, n + 1)),
        files=tuple(f"im{number}.jpg" for number in range(1, n + 1)),
        labels=("cat", "dog"),
        Y=np.random.RandomState(0).randint(0, 2, (n, 2)).astype(np.uint8),
        digests=np.zeros((n, 16), np.uint8),
        stats=np.zeros((n, 2), np.int64),
        shapes=np.full((n, 2), 8, np.int32),
        modes=("RGB",) * n,
    )


def files(artifacts: Path, what: str) -> list[Path]:
    return sorted((artifacts / "datasets" / "d" / what).iterdir())


def user_split(folder: Path, data: Dataset, tests: int = 3) -> Path:
    parts = ["test"] * tests + ["val"] * 3 + ["train"] * (len(data) - tests - 3)
    lines = [f"{image},{part}" for image, part in zip(data.ids, parts, strict=True)]
    path = folder / "split.csv"
    path.write_text("\n".join(["image,split", *lines]))
    return path


@pytest.mark.parametrize("name", ["paper", "stratified"])
def test_a_split_is_made_once_and_read_ever_after(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made = get_split(data, name, tmp_path)
    assert (made.name, made.ids) == (name, data.ids)
    assert len(files(tmp_path, "splits")) == 1
    for maker in ("paper_split", "stratified_split"):
        monkeypatch.delattr(shelf, maker)
    again = get_split(data, name, tmp_path)
    assert (again.name, again.digest) == (made.name, made.digest)


def test_the_papers_split_is_the_papers(data: Dataset, tmp_path: Path) -> None:
    assert get_split(data, "paper", tmp_path).digest == paper_split(data.ids).digest


def test_other_labels_get_a_split_of_their_own(data: Dataset, tmp_path: Path) -> None:
    get_split(data, "stratified", tmp_path)
    get_split(replace(data, Y=1 - data.Y), "stratified", tmp_path)
    get_split(replace(data, root=Path("/moved")), "stratified", tmp_path)
    assert len(files(tmp_path, "splits")) == 2


def test_a_users_split_is_kept_and_replaced_by_the_next(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="data set d has no split of its own: give one with"):
        get_split(data, "file", tmp_path)
    first = keep_file_split(data, user_split(tmp_path, data), tmp_path)
    assert first.test.tolist() == [0, 1, 2]
    assert get_split(data, "file", tmp_path).digest == first.digest
    keep_file_split(data, user_split(tmp_path, data, tests=5), tmp_path)
    assert get_split(data, "file", tmp_path).test.tolist() == [0, 1, 2, 3, 4]


def test_a_split_by_groups_waits_for_groups_and_keeps_them(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="toolkit audit --group-duplicates --data d"):
        get_split(data, "grouped", tmp_path)
    groups = np.arange(len(data)) // 2
    kept = keep_grouped_split(data, groups, tmp_path)
    again = get_split(data, "grouped", tmp_path)
    assert (again.name, again.digest) == ("grouped", kept.digest)
    assert again.groups is not None
    assert again.groups.tolist() == groups.tolist()
    fold = get_folds(data, again, tmp_path, k=3).fold
    assert (again.part[::2] == again.part[1::2]).all()
    assert (fold[::2] == fold[1::2]).all()
    # other groups make other folds, though the same name
    keep_grouped_split(data, np.arange(len(data)) // 4, tmp_path)
    fold = get_folds(data, get_split(data, "grouped", tmp_path), tmp_path, k=3).fold
    assert all(len(set(fold[i : i + 4])) == 1 for i in range(0, len(data), 4))


def test_a_users_split_that_is_wrong_leaves_the_one_before(data: Dataset, tmp_path: Path) -> None:
    kept = keep_file_split(data, user_split(tmp_path, data), tmp_path)
    (tmp_path / "split.csv").write_text("image,split\nim1,train\n")
    with pytest.raises(DataError, match="leaves images out"):
        keep_file_split(data, tmp_path / "split.csv", tmp_path)
    assert get_split(data, "file", tmp_path).digest == kept.digest


def test_an_unknown_split_lists_the_known_ones(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"grouped or file, found '\.\./x'"):
        get_split(data, "../x", tmp_path)


def test_folds_are_made_once_for_each_split_number_and_seed(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = [get_split(data, name, tmp_path) for name in ("paper", "stratified")]
    wanted = [(split, k, seed) for split in splits for k in (2, 5) for seed in (0, 1)]
    made = [get_folds(data, split, tmp_path, k, seed) for split, k, seed in wanted]
    assert len(files(tmp_path, "folds")) == len({folds.digest for folds in made}) == 8
    monkeypatch.delattr(shelf, "make_folds")
    for (split, k, seed), folds in zip(wanted, made, strict=True):
        again = get_folds(data, split, tmp_path, k, seed)
        assert (again.digest, again.k, again.seed, again.split) == (
            folds.digest,
            k,
            seed,
            split.name,
        )
        assert np.flatnonzero(again.fold < 0).tolist() == split.test.tolist()


def test_what_was_kept_for_other_images_is_refused(data: Dataset, tmp_path: Path) -> None:
    split = get_split(data, "paper", tmp_path)
    get_folds(data, split, tmp_path)
    (split_file,), (folds_file,) = files(tmp_path, "splits"), files(tmp_path, "folds")
    others = tuple(f"x{image}" for image in data.ids)
    save_split(replace(load_split(split_file), ids=others), split_file)
    save_folds(replace(load_folds(folds_file), ids=others), folds_file)
    with pytest.raises(ArtifactError, match=r"is of other images than data set d, .*delete it"):
        get_split(data, "paper", tmp_path)
    with pytest.raises(ArtifactError, match=r"is of other images than data set d, .*delete it"):
        get_folds(data, split, tmp_path)


def test_damaged_files_are_never_taken_for_others(data: Dataset, tmp_path: Path) -> None:
    split = get_split(data, "paper", tmp_path)
    folds = get_folds(data, split, tmp_path)
    random = np.random.RandomState(0)
    for path in (*files(tmp_path, "splits"), *files(tmp_path, "folds")):
        whole = path.read_bytes()
        for position in random.randint(0, len(whole), 30):
            damaged = bytearray(whole)
            damaged[position] ^= random.randint(1, 256)
            path.write_bytes(damaged)
            try:
                assert get_split(data, "paper", tmp_path).digest == split.digest
                assert get_folds(data, split, tmp_path).digest == folds.digest
            except ArtifactError as error:
                message = str(error)
            else:
                continue
            assert "make it again" in message
        path.write_bytes(whole)


def test_too_few_images_are_said_not_kept(data: Dataset, tmp_path: Path) -> None:
    split = get_split(data, "paper", tmp_path)
    with pytest.raises(UsageError, match="whole number from 2"):
        get_folds(data, split, tmp_path, k=1)
    with pytest.raises(DataError, match="cannot fill 37 folds"):
        get_folds(data, split, tmp_path, k=37)
    assert not (tmp_path / "datasets" / "d" / "folds").exists()
