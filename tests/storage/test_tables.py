from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from toolkit.errors import ArtifactError
from toolkit.storage.tables import read_table, table_digest, write_table

steady = settings(derandomize=True, deadline=None, database=None, max_examples=60)

COLUMNS: dict[str, Any] = {
    "image": ("im1", "im2", "imé\n"),
    "digest": np.arange(48, dtype=np.uint8).reshape(3, 16),
    "bytes": np.array([1, 2**62, -5]),
    "score.a b/..": np.array([0.25, np.nan, 1e-40], np.float32),
    "label.cat": np.array([0, 1, 0], np.uint8),
}
META = {"format": 1, "labels": ["cat"], "root": "/é \udcff", "nothing": None}


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(found) == list(expected)
    for name, column in expected.items():
        if isinstance(column, np.ndarray):
            assert found[name].dtype == column.dtype
            np.testing.assert_array_equal(found[name], column)
        else:
            assert found[name] == tuple(column)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
kinds = st.sampled_from(["u1", "i1", "i2", "i4", "i8", "f4", "f8"])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    n = draw(st.integers(0, 5))
    text = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=n, max_size=n)
    numbers = kinds.flatmap(lambda kind: hnp.arrays(kind, n))
    digests = hnp.arrays(np.uint8, (n, 16))
    return draw(st.dictionaries(names, text | numbers | digests, min_size=1, max_size=4))


@given(columns=tables(), meta=st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
@steady
def test_a_table_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, Any], meta: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "table.parquet"
    digest = write_table(path, columns, meta)
    found, found_meta = read_table(path, "the table")
    assert_same(found, columns)
    assert found_meta == meta
    assert table_digest(found, found_meta) == digest


def test_meta_comes_back_as_json_has_it(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, {"x": np.arange(3)}, {"folds": {2: "b", 10: "a"}, "shape": (1, 2)})
    assert read_table(path, "t")[1] == {"folds": {"2": "b", "10": "a"}, "shape": [1, 2]}


def test_text_in_an_array_is_text(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, {"image": np.array(["a", "bcd"])}, {})
    assert read_table(path, "t")[0] == {"image": ("a", "bcd")}


@pytest.mark.parametrize(
    "column",
    [
        np.zeros((3, 2), np.float32),
        np.zeros((3, 2), np.int64),
        np.zeros((3, 2, 2), np.uint8),
        np.array([None, "a", 1]),
        np.zeros(3, "datetime64[s]"),
        np.zeros(3, ">i4"),
        np.zeros(3, complex),
    ],
    ids=["floats", "wide numbers", "cube", "objects", "times", "big-endian", "complex"],
)
def test_a_column_that_would_not_come_back_is_refused(tmp_path: Path, column: np.ndarray) -> None:
    with pytest.raises(TypeError, match=r"column 'x' .* cannot be kept"):
        write_table(tmp_path / "t.parquet", {"x": column}, {})
    assert os.listdir(tmp_path) == []


def test_pandas_reads_it_in_one_call(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", COLUMNS, META)
    frame = pd.read_parquet(tmp_path / "t.parquet")
    assert list(frame.columns) == list(COLUMNS)
    assert frame["image"].tolist() == list(COLUMNS["image"])
    assert frame["digest"][1] == bytes(range(16, 32))
    assert frame["label.cat"].dtype == np.uint8


def test_the_digest_tells_every_difference() -> None:
    a = np.array([0, 1, 2], np.uint8)
    variants: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"x": a}, {}),
        ({"y": a}, {}),
        ({"x": a[::-1]}, {}),
        ({"x": a[:2]}, {}),
        ({"x": a.astype(np.int8)}, {}),
        ({"x": a.astype(np.int16)}, {}),
        ({"x": ("0", "1", "2")}, {}),
        ({"x": ("01", "2")}, {}),
        ({"x": a, "y": a}, {}),
        ({"y": a, "x": a}, {}),
        ({"x": a}, {"k": 1}),
        ({"x": a}, {"k": "1"}),
    ]
    assert len({table_digest(*variant) for variant in variants}) == len(variants)
    assert table_digest({"x": a[::2]}, {}) == table_digest({"x": a[::2].copy()}, {})
    assert table_digest({}, {"a": 1, "b": 2}) == table_digest({}, {"b": 2, "a": 1})


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    write_table(tmp_path / "t.parquet", COLUMNS, META)
    return (tmp_path / "t.parquet").read_bytes()


def assert_refused_or_right(path: Path, content: bytes | bytearray) -> bool:
    """Return whether it was refused; what loads must be what was written."""
    path.write_bytes(content)
    try:
        found, meta = read_table(path, "the table")
    except ArtifactError as error:
        message = str(error)
    else:
        assert_same(found, COLUMNS)
        assert meta == META
        return False
    assert message.startswith("the table is damaged: ")
    assert str(path) in message
    assert "\n" not in message
    return True


def test_flipped_bytes_are_refused_or_change_nothing(tmp_path: Path, whole: bytes) -> None:
    random = np.random.RandomState(0)
    refused = 0
    positions = np.unique(np.r_[:4, 4 : len(whole) : 9, len(whole) - 12 : len(whole)])
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= random.randint(1, 256)
        refused += assert_refused_or_right(tmp_path / "t.parquet", damaged)
    assert refused > len(positions) / 2


def test_a_cut_or_lengthened_file_is_refused(tmp_path: Path, whole: bytes) -> None:
    for length in [*range(0, len(whole), 61), len(whole) - 1]:
        assert assert_refused_or_right(tmp_path / "t.parquet", whole[:length])
    assert assert_refused_or_right(tmp_path / "t.parquet", whole + b"x")
    assert assert_refused_or_right(tmp_path / "t.parquet", b"PAR1" * 8)


def edited(path: Path, name: str, column: pa.Array) -> None:
    """Change a column by other software, metadata and checksums of pages kept right."""
    table = pq.read_table(path)
    place = table.schema.get_field_index(name)
    pq.write_table(table.set_column(place, name, column), path, write_page_checksum=True)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("label.cat", pa.array(np.array([1, 1, 0], np.uint8))),
        ("label.cat", pa.array([0, 1, None], pa.uint8())),
        ("label.cat", pa.array([0, 1, 0], pa.int64())),
        ("image", pa.array(["im2", "im1", "imé\n"])),
        ("image", pa.array([None, "im2", "imé\n"], pa.string())),
        ("image", pa.array([b"im1", b"im2", b"\xff"])),
        ("digest", pa.array([b"x" * 16, None, b"x" * 16], pa.binary(16))),
        ("digest", pa.array([b"x" * 15] * 3, pa.binary(15))),
        ("bytes", pa.array([[1], [2], [3]])),
    ],
)
def test_a_column_changed_by_other_software_is_refused(
    tmp_path: Path, whole: bytes, name: str, column: pa.Array
) -> None:
    path = tmp_path / "t.parquet"
    edited(path, name, column)
    with pytest.raises(ArtifactError, match="the table is damaged"):
        read_table(path, "the table")


@pytest.mark.parametrize("head", [None, b"", b"[]", b"null", b"{}", b'{"digest": "x"}', b"\xff"])
def test_parquet_that_this_toolkit_did_not_write_is_refused(
    tmp_path: Path, head: bytes | None
) -> None:
    table = pa.table({"image": ["a"]})
    if head is not None:
        table = table.replace_schema_metadata({b"toolkit": head})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(ArtifactError, match="the table is damaged"):
        read_table(tmp_path / "t.parquet", "the table")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.parquet"):
        with pytest.raises(ArtifactError, match="the table is not there: no file"):
            read_table(path, "the table")


def test_a_file_may_move_and_folder_names_mean_nothing(tmp_path: Path, whole: bytes) -> None:
    # Arrow takes folders named key=value for columns of a partitioned table
    place = tmp_path / "image=3" / "_x=é" / "t"
    place.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "t.parquet", place)
    assert_same(read_table(place, "t")[0], COLUMNS)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, whole: bytes) -> None:
    with pytest.raises(pa.ArrowInvalid):
        write_table(tmp_path / "t.parquet", {"a": ("x",), "b": np.arange(2)}, {})
    assert os.listdir(tmp_path) == ["t.parquet"]
    assert (tmp_path / "t.parquet").read_bytes() == whole
