"""Tars and columns that are broken: each is named by one error, and nothing is written."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import toolkit as tk
from tests.data.packed import Members, Packed, features, schema_of, write_tar
from toolkit.errors import DataError

PACKED = Packed()

Harm = Callable[[Path], None]


def tars_with(*change: tuple[str, str, bytes | None]) -> Harm:
    """Rename or replace members of the first tar: name, new name, new content."""

    def harm(place: Path) -> None:
        members = PACKED.members()[:30]
        for name, new, data in change:
            at = next(i for i, (own, _) in enumerate(members) if own.endswith(name))
            members[at] = (new.format(members[at][0].partition(".")[0]), data or members[at][1])
        write_tar(place / "000.tar", members)

    return harm


def everything_but(kind: str) -> Harm:
    def harm(place: Path) -> None:
        for at in (0, 1):
            part = PACKED.members()[30 * at : 30 * at + 30]
            write_tar(place / f"00{at}.tar", [each for each in part if not each[0].endswith(kind)])

    return harm


def compressed(place: Path) -> None:
    with tarfile.open(place / "002.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"), io.BytesIO(b""))


def cut_off(name: str, by: int) -> Harm:
    def harm(place: Path) -> None:
        data = (place / name).read_bytes()
        (place / name).write_bytes(data[:-by])

    return harm


def edited(name: str, **change: Any) -> Harm:
    def harm(place: Path) -> None:
        found = json.loads((place / name).read_text())
        (place / name).write_text(json.dumps(found | change))

    return harm


def arrow_with(schema: pa.Schema, **columns: Any) -> Harm:
    def harm(place: Path) -> None:
        images = [{"bytes": PACKED[row][1], "path": PACKED[row][0]} for row in range(4)]
        given = {"image": images, "labels": [[0], [1], [2], []]} | columns
        table = pa.table({name: given[name] for name in schema.names}, schema=schema)
        with (
            pa.OSFile(str(place / "data-00001-of-00002.arrow"), "wb") as file,
            pa.ipc.new_stream(file, schema) as stream,
        ):
            stream.write_table(table)

    return harm


def parquet_with(schema: pa.Schema, **columns: Any) -> Harm:
    def harm(place: Path) -> None:
        for old in (place / "data").iterdir():
            old.unlink()
        images = [{"bytes": PACKED[row][1], "path": PACKED[row][0]} for row in range(4)]
        given = {"image": images, "labels": [[0], [1], [2], []]} | columns
        table = pa.table({name: given[name] for name in schema.names}, schema=schema)
        pq.write_table(table, place / "data" / "train-00000-of-00001.parquet")

    return harm


def gone(name: str) -> Harm:
    return lambda place: (place / name).unlink()


def garbled(name: str) -> Harm:
    def harm(place: Path) -> None:
        (place / name).write_bytes(b"\x00garbage")

    return harm


def added(members: Members) -> Harm:
    def harm(place: Path) -> None:
        write_tar(place / "002.tar", members)

    return harm


OTHER_NAMES = features() | {"labels": {"feature": {"names": ["a", "b", "c"], "_type": "ClassLabel"},
                                       "_type": "Sequence"}}  # fmt: skip
TWICE = features() | {"labels": {"feature": {"names": ["a", "b", "a"], "_type": "ClassLabel"},
                                 "_type": "Sequence"}}  # fmt: skip
IMAGE = schema_of(None).field(0).type
BAD = pa.schema([("image", IMAGE), ("labels", pa.list_(pa.int64()))],
                metadata={"huggingface": "{"})  # fmt: skip
TWO = features() | {"more": features()["labels"]}
BOTH = pa.schema(
    [("image", IMAGE), ("tagged", pa.list_(pa.int64())), ("more", pa.list_(pa.int64()))],
    metadata={"huggingface": json.dumps({"info": {"features": TWO | {"tagged": TWO["more"]}}})},
)
ALL = schema_of(features())
NULL_BYTES = [{"bytes": None, "path": "/elsewhere/im1.jpg"}] * 4

BROKEN: dict[str, tuple[Callable[[Path], Path], Harm, str]] = {
    # WebDataset
    "tar cut off": (PACKED.tars, cut_off("000.tar", 30_000), "000.tar.*is no whole tar"),
    "tar is no tar": (PACKED.tars, garbled("000.tar"), "is no whole tar"),
    "tar compressed": (PACKED.tars, compressed, "is compressed"),
    "no labels": (PACKED.tars, everything_but("json"), "expected labels in .json, .cls or .txt"),
    "no images": (PACKED.tars, everything_but("jpg"), "expected samples with images"),
    "one without labels": (
        PACKED.tars, tars_with((".json", "{}.note", None)), "1 sample without labels"),
    "one without an image": (
        PACKED.tars, tars_with((".jpg", "{}.bin", None)), "1 sample without an image"),
    "two images": (PACKED.tars, tars_with((".json", "{}.png", None)), "has 2 images"),
    "twice in a tar": (PACKED.tars, tars_with((".json", "{}.jpg", None)), "stands twice"),
    "in two tars": (
        PACKED.tars,
        added(PACKED.members()[:2]),
        "is in 000.tar and in 002.tar",
    ),
    "JSON broken": (PACKED.tars, tars_with((".json", "{}.json", b"{")), "no JSON"),
    "JSON a list": (PACKED.tars, tars_with((".json", "{}.json", b"[1]")), "expected an object"),
    "JSON not UTF-8": (PACKED.tars, tars_with((".json", "{}.json", b"\xff")), "not UTF-8"),
    "JSON without labels": (
        PACKED.tars, tars_with((".json", "{}.json", b"{}")), "1 sample without labels"),
    "no class": (
        lambda place: PACKED.tars(place, "cls"),
        added([("z.jpg", b"x"), ("z.cls", b" ")]),
        "expected a class, found nothing",
    ),
    # what datasets saves
    "shard gone": (PACKED.arrow, gone("data-00001-of-00002.arrow"), "00001.*cannot be read"),
    "shard cut at its end": (
        PACKED.arrow, cut_off("data-00001-of-00002.arrow", 8), "was cut off"),
    "shard cut": (PACKED.arrow, cut_off("data-00001-of-00002.arrow", 999), "cut off|no whole"),
    "shard is none": (PACKED.arrow, garbled("data-00000-of-00002.arrow"), "cut off|no whole"),
    "state is no JSON": (PACKED.arrow, garbled("state.json"), "cannot be read as JSON"),
    "state names nothing": (
        PACKED.arrow, edited("state.json", _data_files=[]), "expected _data_files"),
    "state leads outside": (
        PACKED.arrow, edited("state.json", _data_files=[{"filename": "../x.arrow"}]),
        "expected files of its folder"),
    "classes of other names": (
        PACKED.arrow, arrow_with(schema_of(OTHER_NAMES)), "not of one data set"),
    "class out of range": (
        PACKED.arrow, arrow_with(ALL, labels=[[0], [3], [], []]),
        "row 1, column 'labels': expected a class from 0 to 2, found 3"),
    "rows without labels": (
        PACKED.arrow, arrow_with(ALL, labels=[[0], None, [], []]), "1 sample without labels"),
    "rows without bytes": (
        PACKED.arrow, arrow_with(ALL, image=NULL_BYTES), "4 samples without an image"),
    "column gone": (
        PACKED.arrow, arrow_with(pa.schema([ALL.field(0)], metadata=ALL.metadata)),
        r"\(labels\): they are not of one data set"),
    # Parquet
    "Parquet cut off": (
        PACKED.hub, cut_off("data/train-00001-of-00002.parquet", 9), "00001.*no whole Parquet"),
    "Parquet is none": (
        PACKED.hub, garbled("data/train-00001-of-00002.parquet"), "no whole Parquet"),
    "two of one class": (PACKED.hub, parquet_with(schema_of(TWICE)), "two classes named 'a'"),
    "metadata broken": (PACKED.hub, parquet_with(BAD), "metadata 'huggingface' has no features"),
    "no labels in it": (
        PACKED.hub, parquet_with(pa.schema([ALL.field(0)], metadata=ALL.metadata)),
        "no column is of labels"),
    "two columns of labels": (
        PACKED.hub, parquet_with(BOTH, tagged=[[0]] * 4, more=[[1]] * 4),
        "tagged, more may all be labels"),
    "Parquet without labels": (
        PACKED.hub, parquet_with(ALL, labels=[[0], None, None, [1]]), "2 samples without labels"),
    "Parquet without bytes": (
        PACKED.hub, parquet_with(ALL, image=NULL_BYTES), "4 samples without an image"),
    "Parquet without rows": (
        PACKED.hub, parquet_with(ALL, image=[], labels=[]), "holds no rows"),
    "Parquet, class out of range": (
        PACKED.hub, parquet_with(ALL, labels=[[-1], [0], [], []]), "expected a class from 0 to 2"),
    "classes without names": (
        PACKED.hub,
        parquet_with(schema_of(features() | {"labels": {"names": [1, 2], "_type": "ClassLabel"}})),
        "expected names of classes"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_named_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    write, harm, message = BROKEN[name]
    place = write(tmp_path / "set")
    harm(place)
    kept = tmp_path / "kept"
    with pytest.raises(DataError, match=message) as caught:
        tk.import_data(place, "set", artifacts=kept, progress=False)
    assert any(word in str(caught.value) for word in (str(tmp_path), "000.tar"))
    assert len(str(caught.value)) < 700
    assert not list(kept.rglob("*.parquet"))
