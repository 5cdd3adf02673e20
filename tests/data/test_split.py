from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data.split import (
    TEST,
    TRAIN,
    VALIDATION,
    Folds,
    Split,
    file_split,
    load_folds,
    load_split,
    make_folds,
    paper_split,
    save_folds,
    save_split,
    stratified_split,
)
from toolkit.errors import ArtifactError, DataError, UsageError
from toolkit.storage.tables import read_table, write_table

# the same examples on every run, and no time limit on a busy machine
steady = settings(derandomize=True, deadline=None, database=None, max_examples=40)


def image_ids(n: int) -> tuple[str, ...]:
    return tuple(f"im{number}" for number in range(1, n + 1))


seeds = st.integers(0, 2**16)


def test_folds_keep_groups_together() -> None:
    Y = np.repeat(np.random.RandomState(5).randint(0, 2, (50, 3)), 2, axis=0)
    groups = np.repeat(np.arange(50), 2)
    folds = make_folds(Split("s", image_ids(100), np.zeros(100)), Y, groups=groups)
    assert (folds.fold[::2] == folds.fold[1::2]).all()


@steady
@given(seeds, st.integers(2, 5))
def test_a_split_by_groups_tears_none_apart_and_nor_do_its_folds(seed: int, k: int) -> None:
    random = np.random.RandomState(seed)
    Y = random.randint(0, 2, (120, 4))
    groups = random.randint(0, 60, 120)
    split = stratified_split(image_ids(120), Y, seed, groups)
    assert split.name == "grouped"
    folds = make_folds(split, Y, k, seed)
    for group in np.unique(groups):
        assert len(set(split.part[groups == group])) == 1
        assert len(set(folds.fold[groups == group])) == 1
    assert split.digest != Split("grouped", split.ids, split.part).digest


def test_a_split_that_tears_groups_apart_is_refused() -> None:
    with pytest.raises(DataError, match="tears groups apart"):
        Split("grouped", image_ids(4), np.array([0, 1, 2, 0]), np.array([0, 0, 1, 2]))
    with pytest.raises(DataError, match="integers from 0"):
        Split("grouped", image_ids(4), np.array([0, 1, 2, 0]), np.array([-1, 0, 1, 2]))


@pytest.mark.parametrize("most", [1, 2], ids=["no labels", "labels"])
def test_a_seed_decides_split_and_folds(most: int) -> None:
    ids, Y = image_ids(60), np.random.RandomState(0).randint(0, most, (60, 4))
    first = stratified_split(ids, Y, seed=1)
    assert first.digest == stratified_split(ids, Y, seed=1).digest
    assert first.digest != stratified_split(ids, Y, seed=2).digest
    folds = make_folds(first, Y, seed=1)
    assert folds.digest == make_folds(first, Y, seed=1).digest
    assert folds.digest != make_folds(first, Y, seed=2).digest


@pytest.mark.parametrize("kind", [np.uint8, np.bool_, np.int64, np.float64])
def test_the_type_of_the_labels_changes_nothing(kind: type) -> None:
    Y = (np.random.RandomState(0).random_sample((50, 4)) < (0.1, 0.4, 0.7, 0.9)).astype(np.uint8)
    split = stratified_split(image_ids(50), Y.astype(kind))
    assert split.digest == stratified_split(image_ids(50), Y).digest


def test_labels_with_one_positive_or_all() -> None:
    Y = np.zeros((50, 3), np.uint8)
    Y[17, 0] = 1
    Y[:, 1] = 1
    split = stratified_split(image_ids(50), Y)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [40, 5, 5]
    assert split.part[17] == TRAIN  # where a single positive is of use
    folds = make_folds(split, Y)
    assert np.bincount(folds.fold[split.development]).tolist() == [9] * 5


def test_parts_partition_the_rows() -> None:
    split = stratified_split(image_ids(101), np.eye(101, 3, dtype=np.uint8))
    parts = [split.train, split.validation, split.test]
    assert np.sort(np.concatenate(parts)).tolist() == list(range(101))
    assert np.sort(np.concatenate(parts[:2])).tolist() == split.development.tolist()


@steady
@given(n=st.integers(20, 90), width=st.integers(1, 5), k=st.integers(2, 6), seed=seeds)
def test_folds_hold_out_each_development_row_once_and_no_test_row(
    n: int, width: int, k: int, seed: int
) -> None:
    Y = np.random.RandomState(seed).randint(0, 2, (n, width))
    split = stratified_split(image_ids(len(Y)), Y, seed)
    folds = make_folds(split, Y, k, seed)
    held_rows = []
    for number, fit, held in folds:
        assert (folds.fold[held] == number).all()
        assert np.sort(np.concatenate([fit, held])).tolist() == split.development.tolist()
        held_rows.append(held)
    assert len(held_rows) == k
    assert np.sort(np.concatenate(held_rows)).tolist() == split.development.tolist()
    assert (folds.fold[split.test] == -1).all()
    lengths = [len(held) for held in held_rows]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("n", [18_000, 20_000])
def test_paper_split_is_the_published_formula(n: int) -> None:
    split = paper_split(image_ids(n))
    order = np.random.RandomState(42).permutation(n)
    count = int(n * 0.1)
    assert set(split.validation) == set(order[:count])
    assert set(split.test) == set(order[count : 2 * count])
    assert set(split.train) == set(order[2 * count :])
    assert split.part.dtype == np.int8


@steady
@given(n=st.integers(0, 10**7))
def test_a_tenth_by_integers_is_the_tenth_of_the_formula(n: int) -> None:
    assert n // 10 == int(n * 0.1)


@pytest.mark.parametrize("swapped", [("im10", "im2"), ("im2", "im2")])
def test_paper_split_refuses_ids_out_of_order(swapped: tuple[str, str]) -> None:
    ids = [*image_ids(20)[:1], *swapped, *image_ids(20)[10:]]
    with pytest.raises(DataError, match="natural order"):
        paper_split(ids)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(DataError, match="at least 10"):
        paper_split(image_ids(9))
    with pytest.raises(DataError, match="at least 10"):
        stratified_split(image_ids(9), np.ones((9, 1)))
    ten = paper_split(image_ids(10))
    with pytest.raises(DataError, match="9 development images cannot fill 10 folds"):
        make_folds(ten, np.ones((10, 1)), k=10)
    with pytest.raises(DataError, match="2 development groups of images cannot fill 3 folds"):
        make_folds(ten, np.ones((10, 1)), k=3, groups=np.arange(10) // 5)
    with pytest.raises(UsageError, match="2 or more"):
        make_folds(ten, np.ones((10, 1)), k=1)


def test_one_huge_group_cannot_fill_three_parts() -> None:
    with pytest.raises(DataError, match="without groups"):
        stratified_split(image_ids(20), np.ones((20, 1)), groups=np.zeros(20, int))


@pytest.mark.parametrize(
    "Y",
    [np.ones((19, 2)), np.ones(20), np.full((20, 2), 2), np.full((20, 2), np.nan)],
    ids=["short", "flat", "two", "nan"],
)
def test_labels_of_a_wrong_shape_or_value_are_refused(Y: np.ndarray) -> None:
    with pytest.raises(DataError, match="20 rows of 0, 1 and -1"):
        stratified_split(image_ids(20), Y)
    with pytest.raises(DataError, match="20 rows of 0, 1 and -1"):
        make_folds(paper_split(image_ids(20)), Y)


@pytest.mark.parametrize(
    "groups",
    [np.full(20, -1), np.zeros(19, int), np.zeros(20)],
    ids=["negative", "short", "float"],
)
def test_groups_that_are_no_groups_are_refused(groups: np.ndarray) -> None:
    with pytest.raises(DataError, match="integers from 0"):
        stratified_split(image_ids(20), np.ones((20, 1)), groups=groups)
    with pytest.raises(DataError, match="integers from 0"):
        make_folds(paper_split(image_ids(20)), np.ones((20, 1)), groups=groups)


@pytest.mark.parametrize("part", [[0, 1, 3], [0, 1, 256], [0, 1], [0, 1, 0.5]])
def test_a_split_refuses_codes_that_are_none(part: list[float]) -> None:
    with pytest.raises(DataError):
        Split("file", image_ids(3), np.array(part))
    with pytest.raises(DataError, match="repeat"):
        Split("file", ("a", "a", "b"), np.array([0, 1, 2]))


def test_folds_refuse_an_empty_fold_and_arrays_cannot_be_written() -> None:
    with pytest.raises(DataError, match="fewer folds"):
        Folds(image_ids(3), "paper", np.array([0, 2, -1]), 3, 0)
    source = np.array([0, 1, 2])
    split = Split("file", image_ids(3), source)
    source[0] = 2
    assert split.part.tolist() == [TRAIN, VALIDATION, TEST]
    with pytest.raises(ValueError, match="read-only"):
        split.part[0] = 1


def split_file(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "split.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_file_split_reads_what_spreadsheets_write(tmp_path: Path) -> None:
    text = " SPLIT ,Note,Image\r\nTrain,,im1\r\nval,,im2.JPG\r\n\r\nValidation,,3\r\nTEST,,im4\r\n"
    split = file_split(split_file(tmp_path, text, "utf-8-sig"), image_ids(4))
    assert split.name == "file"
    assert split.part.tolist() == [TRAIN, VALIDATION, VALIDATION, TEST]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("im1,train\nim9,test\nim2,test\nim3,val", "line 3: 'im9'"),
        ("im1,train\nim2,test\nim3,holdout", "line 4: expected .*'im3 holdout'"),
        ("im1,train\nim2,test\nim3,val\nim1.jpg,train", "line 5: 'im1.jpg'"),
        ("im1,train\nim3,test", r"leaves images out \(1: im2\)"),
        ("im1,train\nim2,train\nim3,val", "leaves test without images"),
        ("im1,train\nim2\nim3,test", "line 3, has 1 cell where"),
        ("im1,train\nim2,val,0\nim3,test", "line 3, has 3 cells where"),
        ('im1,train\n"im2,val', "cannot be read as a CSV"),
    ],
)
def test_file_split_says_which_line_is_wrong(tmp_path: Path, body: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        file_split(split_file(tmp_path, f"image,split\n{body}\n"), image_ids(3))


def test_file_split_lists_only_the_first_few(tmp_path: Path) -> None:
    body = "".join(f"dog{number},train\n" for number in range(500))
    with pytest.raises(DataError, match="and 497 more") as caught:
        file_split(split_file(tmp_path, f"image,split\n{body}"), image_ids(3))
    assert "ids look like 'im1'" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("header", ["", "image,parts,x", "image,split,Split", "a,b,c"])
def test_file_split_needs_its_columns(tmp_path: Path, header: str) -> None:
    with pytest.raises(DataError, match="one column 'image' and one 'split'"):
        file_split(split_file(tmp_path, f"{header}\nim1,train,x\n"), image_ids(3))


def test_file_split_that_is_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        file_split(tmp_path / "absent.csv", image_ids(3))
    with pytest.raises(DataError, match="UTF-8"):
        file_split(split_file(tmp_path, "image,split\nimé,train", "latin-1"), image_ids(3))


def test_split_and_folds_survive_the_disk(tmp_path: Path) -> None:
    Y = np.random.RandomState(0).randint(0, 2, (40, 3))
    split = stratified_split(image_ids(40), Y, seed=3)
    folds = make_folds(split, Y, k=4, seed=3)
    save_split(split, tmp_path / "split.parquet")
    save_folds(folds, tmp_path / "folds.parquet")
    again, folds_again = (
        load_split(tmp_path / "split.parquet"),
        load_folds(tmp_path / "folds.parquet"),
    )
    assert (again.name, again.ids, again.digest) == (split.name, split.ids, split.digest)
    assert (folds_again.split, folds_again.k, folds_again.seed) == ("stratified", 4, 3)
    assert folds_again.digest == folds.digest
    assert folds_again.fold.dtype == np.int16
    assert {file.name for file in tmp_path.iterdir()} == {"split.parquet", "folds.parquet"}


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    split = paper_split(image_ids(40))
    path = tmp_path / "split.parquet"
    save_split(split, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError):
        load_split(path)
    path.unlink()
    with pytest.raises(ArtifactError, match="not there"):
        load_split(path)


def test_a_table_that_is_whole_but_not_the_split_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.parquet"
    save_split(paper_split(image_ids(40)), path)
    columns, meta = read_table(path, "split")
    swapped = columns["part"][::-1].copy()
    for part, change in (
        (swapped, {}),
        (columns["part"], {"format": 0}),
        (columns["part"] + np.int8(1), {}),
    ):
        write_table(path, {"image": columns["image"], "part": part}, {**meta, **change})
        with pytest.raises(ArtifactError, match="whole split"):
            load_split(path)
    with pytest.raises(ArtifactError, match="whole folds"):
        load_folds(path)
