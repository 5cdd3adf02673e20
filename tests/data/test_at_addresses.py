"""Data sets in tars and Parquet files at addresses: the same as on this machine, each byte once."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toolkit as tk
from tests.data.packed import LABELS, Packed, write_tar
from tests.features.feature_fakes import KEY, FakeEngine, no_network
from tests.images.served import Served, served
from toolkit.data.dataset_store import load_dataset, save_dataset
from toolkit.errors import DataError, UsageError
from toolkit.features.fill import fill_store
from toolkit.images import addresses, spans
from toolkit.images.addresses import addresses_of
from toolkit.images.places import read_place, reading_order
from toolkit.images.sources import Images
from toolkit.images.tars import ranged

PACKED = Packed()
QUIET: dict[str, Any] = {"progress": False}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(addresses, "PAUSE", 0.001)
    with served() as known:
        yield known


def put(server: Served, folder: Path) -> None:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            server.files[f"/{file.relative_to(folder).as_posix()}"] = file.read_bytes()


def in_memory(folder: Path, bucket: str) -> str:
    import fsspec

    memory = fsspec.filesystem("memory")
    if memory.exists(f"/{bucket}"):
        memory.rm(f"/{bucket}", recursive=True)
    for file in folder.rglob("*"):
        if file.is_file():
            memory.pipe_file(f"/{bucket}/{file.relative_to(folder)}", file.read_bytes())
    return f"memory://{bucket}"


def same(photos: tk.Dataset, local: tk.Dataset) -> None:
    assert photos.ids == local.ids
    assert photos.labels == local.labels == LABELS
    np.testing.assert_array_equal(photos.Y, local.Y)
    np.testing.assert_array_equal(photos.shapes, local.shapes)
    assert photos.modes == local.modes
    assert photos.parts == local.parts
    assert photos.digest == local.digest
    assert list(map(read_place, photos.paths)) == list(map(read_place, local.paths))


@pytest.mark.parametrize("kind", ["json", "txt"])
@pytest.mark.parametrize(
    "pattern", ["/{000..001}.tar", "/{000,001}.tar", "/*.tar", "", "/", "/0{00,01}.tar"]
)
def test_tars_at_addresses_are_those_of_a_folder(kind: str, pattern: str, tmp_path: Path) -> None:
    folder = PACKED.tars(tmp_path / "set", kind)
    bucket = in_memory(folder, "tars")
    photos = tk.Dataset.read(bucket + pattern, "set", **QUIET)
    same(photos, tk.Dataset.read(folder, "set", **QUIET))
    assert all(ranged(place) for place in photos.files)
    assert f"in {bucket}{pattern}" in repr(photos)


def test_files_of_many_parts(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members that lie across the ends of what is asked for at a time."""
    folder = PACKED.tars(tmp_path / "set")
    put(server, folder)
    monkeypatch.setattr(addresses, "READ", 1500)
    monkeypatch.setattr(spans, "BLOCK", 2900)
    monkeypatch.setattr(spans, "HELD", 3)
    local = tk.Dataset.read(folder, "set", **QUIET)
    same(tk.Dataset.read(f"{server.home}/{{000..001}}.tar", "set", **QUIET), local)
    assert server.asked["/000.tar"] > 20
    assert len(spans._blocks) <= 3


def test_parquet_at_addresses_is_that_of_a_folder(server: Served, tmp_path: Path) -> None:
    folder = PACKED.hub(tmp_path / "set")
    local = tk.Dataset.read(folder, "set", **QUIET)
    same(tk.Dataset.read(in_memory(folder, "hub"), "set", **QUIET), local)
    put(server, folder)
    pattern = f"{server.home}/data/train-{{00000..00001}}-of-00002.parquet"
    photos = tk.Dataset.read(pattern, "set", **QUIET)
    same(photos, local)
    assert photos.files[0].endswith(f"/image/{PACKED.order.index(0)}") or photos.files[0].endswith(
        f"/image/{PACKED.order.index(0) - 25}"
    )


def test_an_import_reads_each_byte_of_a_tar_once(server: Served, tmp_path: Path) -> None:
    put(server, PACKED.tars(tmp_path / "set"))
    whole = sum(map(len, server.files.values()))
    photos = tk.import_data(f"{server.home}/{{000..001}}.tar", "set", artifacts=tmp_path, **QUIET)
    assert server.sent == whole
    assert server.asked["/000.tar"] == server.asked["/001.tar"] == 1
    # then a few dozen neighbours share a request
    assert [photos.files[row] for row in reading_order(photos.files)] == sorted(
        photos.files, key=lambda file: (file[: file.find(".tar")], (ranged(file) or ("", 0, 0))[1])
    )
    for row in reading_order(photos.files).tolist():
        read_place(photos.paths[row])
    assert server.asked["/000.tar"] == server.asked["/001.tar"] == 2
    again = load_dataset(tmp_path, "set")
    assert again.files == photos.files
    assert again.changed_since_import() == []


def test_tables_name_files_in_tars_at_addresses(server: Served, tmp_path: Path) -> None:
    put(server, PACKED.tars(tmp_path / "tars"))
    rows = [f"{server.home}/000.tar/{name},1" for name, _ in PACKED.members()[:30:2]]
    (tmp_path / "t.csv").write_text("\n".join(["image,cat", *rows]))
    photos = tk.Dataset.read(tmp_path / "t.csv", **QUIET)
    assert server.asked == {"/000.tar": 1}
    assert set(photos.ids) == {name.removesuffix(".jpg") for name, _ in PACKED.members()[:30:2]}
    frame = photos.to_frame()
    again = tk.Dataset.from_frame(frame, **QUIET)
    assert (again.ids, again.files, again.digest) == (photos.ids, photos.files, photos.digest)
    again = tk.Dataset.from_frame(frame, image="path", labels=["cat"], **QUIET)
    assert again.ids == photos.ids
    (tmp_path / "t.csv").write_text(f"image,cat\n{server.home}/000.tar/no.jpg,1\n{rows[0]}")
    with pytest.raises(DataError, match=r"000.tar/no.jpg cannot be read: the tar holds no such"):
        tk.Dataset.read(tmp_path / "t.csv", **QUIET)
    photos = tk.Dataset.read(tmp_path / "t.csv", missing="skip", **QUIET)
    assert len(photos) == 1


def test_a_folder_named_like_a_tar_may_lie_at_an_address(tmp_path: Path) -> None:
    (tmp_path / "odd.tar").mkdir()
    (tmp_path / "odd.tar" / "im1.jpg").write_bytes(PACKED[0][1])
    bucket = in_memory(tmp_path, "folders")
    assert read_place(f"{bucket}/odd.tar/im1.jpg") == PACKED[0][1]
    frame = {"image": [f"{bucket}/odd.tar/im1.jpg"], "cat": [1]}
    import pandas as pd

    photos = tk.Dataset.from_frame(pd.DataFrame(frame), **QUIET)
    assert photos.files == (f"{bucket}/odd.tar/im1.jpg",)


def test_what_may_pass_is_tried_again(server: Served, tmp_path: Path) -> None:
    folder = PACKED.tars(tmp_path / "set")
    put(server, folder)
    server.refused = {"/000.tar": [503, "cut", 429], "/001.tar": ["cut"]}
    photos = tk.Dataset.read(f"{server.home}/{{000..001}}.tar", "set", **QUIET)
    assert server.asked == {"/000.tar": 4, "/001.tar": 2}
    server.refused = {"/000.tar": ["cut", 500, 503]}
    same(photos, tk.Dataset.read(folder, "set", **QUIET))
    server.dropped["/000.tar"] = 3
    assert len(tk.Dataset.read(f"{server.home}/000.tar", **QUIET)) == 15
    assert server.dropped["/000.tar"] < 0
    server.dropped["/001.tar"] = 99
    with pytest.raises(DataError, match=r"001\.tar cannot be read: Server disconnected, tried 4"):
        tk.Dataset.read(f"{server.home}/{{000..001}}.tar", **QUIET)
    server.dropped.clear()
    server.refused = {"/000.tar": ["cut"] * 4}
    with pytest.raises(DataError, match=r"000\.tar cannot be read: .*, tried 4 times"):
        tk.Dataset.read(f"{server.home}/{{000..001}}.tar", **QUIET)


def test_a_tar_that_changed_is_said_of_its_images(server: Served, tmp_path: Path) -> None:
    put(server, PACKED.tars(tmp_path / "set"))
    photos = tk.import_data(
        f"{server.home}/{{000..001}}.tar", "set", artifacts=tmp_path / "kept", **QUIET
    )
    server.files["/000.tar"] = server.files["/001.tar"]
    images = Images(photos.ids, photos.files, photos.digests)
    with pytest.raises(
        DataError, match=r"000\.tar/im\d+\.jpg#bytes=\d+-\d+ (changed after|cannot be read any)"
    ):
        fill_store(images, KEY, no_network, tmp_path, make=FakeEngine.maker())
    with pytest.raises(DataError, match="names must differ over all tars"):
        tk.Dataset.read(f"{server.home}/{{000..001}}.tar", **QUIET)


def test_who_gives_no_parts_of_files_is_refused(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, PACKED.hub(tmp_path / "hub"))
    put(server, PACKED.tars(tmp_path / "tars"))
    photos = tk.Dataset.read(f"{server.home}/000.tar", **QUIET)
    server.ranges = False
    monkeypatch.setattr(spans, "BLOCK", 4096)
    with pytest.raises(OSError, match="gives no parts of files, which are needed: download it"):
        read_place(photos.paths[0])
    with pytest.raises(DataError, match=r"parquet cannot be read: .*gives no parts of files"):
        tk.Dataset.read(f"{server.home}/data/train-00000-of-00002.parquet", **QUIET)


@pytest.mark.parametrize(
    ("pattern", "error", "message"),
    [
        ("/no.tar", DataError, r"no.tar cannot be read: nothing is there"),
        ("/no.parquet", DataError, r"no.parquet cannot be read: nothing is there"),
        ("/000.tar.gz", DataError, r"000.tar.gz is compressed.*unpack it to a plain .tar"),
        ("/photos.csv", DataError, "a table may name images by addresses"),
        ("/{000.tar,a.parquet}", DataError, "expected tars alone or Parquet files alone"),
        ("/{000..{1,2}}.tar", DataError, "expected braces such as"),
        ("/{9..1}.tar", DataError, "expected a number up to a larger one"),
        ("/{0..999999}.tar", DataError, "100,000 in all at most"),
        ("/broken.tar", DataError, "broken.tar cannot be read: it is no whole tar"),
        ("/broken.parquet", DataError, "broken.parquet cannot be read: it is no whole Parquet"),
    ],
)
def test_what_cannot_be_read_is_said(
    pattern: str, error: type[Exception], message: str, server: Served, tmp_path: Path
) -> None:
    put(server, PACKED.tars(tmp_path / "set"))
    server.files["/broken.tar"] = server.files["/000.tar"][:700]
    server.files["/broken.parquet"] = b"PAR1 and no more"
    with pytest.raises(error, match=message):
        tk.Dataset.read(server.home + pattern, **QUIET)


def test_other_formats_and_empty_folders_are_said(tmp_path: Path) -> None:
    bucket = in_memory(PACKED.tars(tmp_path / "set"), "said")
    with pytest.raises(UsageError, match="1 file of webdataset, found 'coco'"):
        tk.Dataset.read(f"{bucket}/000.tar", format="coco", **QUIET)
    for nothing in (f"{bucket}/no", f"{bucket}/*.parquet"):
        with pytest.raises(DataError, match="expected tars or Parquet files, found none"):
            tk.Dataset.read(nothing, **QUIET)
    with pytest.raises(DataError, match="nowhere:// is no kind of address"):
        tk.Dataset.read("nowhere://a/b.tar", **QUIET)


def test_a_file_address_is_a_path(tmp_path: Path) -> None:
    folder = PACKED.tars(tmp_path / "a set")
    photos = tk.Dataset.read(folder.as_uri(), "set", **QUIET)
    same(photos, tk.Dataset.read(folder, "set", **QUIET))
    assert photos.root == folder


def test_a_preview_says_what_an_import_finds(tmp_path: Path) -> None:
    bucket = in_memory(PACKED.tars(tmp_path / "set"), "seen")
    found = tk.preview_data(f"{bucket}/*.tar")
    assert (found.format, found.images, tuple(found.labels)) == ("webdataset", 40, LABELS)


def test_rows_without_bytes_and_members_without_a_range(tmp_path: Path) -> None:
    content = [("a.jpg", PACKED[0][1]), ("empty.jpg", b""), ("b/#bytes=0-9", b"odd")]
    write_tar(tmp_path / "a.tar", content)
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        link = tarfile.TarInfo("same.jpg")
        link.type, link.linkname = tarfile.LNKTYPE, "a.jpg"
        tar.addfile(link)
        large = tarfile.TarInfo("large.bin")
        large.size = spans.BLOCK
        tar.addfile(large, io.BytesIO(bytes(range(256)) * (spans.BLOCK // 256)))
    bucket = in_memory(tmp_path, "members")
    from toolkit.images.places import first_look
    from toolkit.images.tars import remote_tar

    assert remote_tar(f"{bucket}/a.tar").names == [n for n, _ in content] + [
        "same.jpg",
        "large.bin",
    ]
    for name, data in (*content[:2], ("same.jpg", content[0][1])):
        facts, place = first_look(f"{bucket}/a.tar/{name}")
        assert read_place(place) == read_place(f"{bucket}/a.tar/{name}") == data
        assert facts.size == len(data)
    place = first_look(f"{bucket}/a.tar/large.bin")[1]
    assert read_place(place) == bytes(range(256)) * (spans.BLOCK // 256)


def test_predict_takes_a_tar_at_an_address(server: Served, tmp_path: Path) -> None:
    from toolkit.inference.given import find_images

    put(server, PACKED.tars(tmp_path / "set"))
    found = list(find_images(f"{server.home}/000.tar"))
    assert [name for name, _ in found] == [n for n, _ in PACKED.members()[:30] if "jpg" in n]
    assert [read_place(str(place)) for _, place in found] == [
        data for name, data in PACKED.members()[:30] if "jpg" in name
    ]
    found = list(find_images(f"{server.home}/{{000..001}}.tar"))
    assert len(found) == 40
    assert found[0][0].startswith(f"{server.home}/000.tar/im")


def test_a_folder_may_have_a_point_in_its_name(tmp_path: Path) -> None:
    bucket = in_memory(PACKED.tars(tmp_path / "set"), "v1.0")
    assert addresses_of(f"{bucket}/") == [f"{bucket}/000.tar", f"{bucket}/001.tar"]


def test_given_places_keep_their_ranges(tmp_path: Path) -> None:
    from toolkit.images.given import given_images

    bucket = in_memory(PACKED.tars(tmp_path / "set"), "given")
    names = [name for name, _ in PACKED.members()[:30:2]]
    images = given_images([f"{bucket}/000.tar/{name}" for name in names])
    assert [image.id for image in images] == [f"{bucket}/000.tar/{name}" for name in names]
    assert all(ranged(image.path) for image in images)
    assert [image.read() for image in images] == [PACKED.files[name] for name in names]


def test_patterns_are_written_out() -> None:
    assert addresses_of("s3://b/{08..11}.tar") == [
        f"s3://b/{n}.tar" for n in ("08", "09", "10", "11")
    ]
    assert addresses_of("s3://{a/x,b/y}.tar") == ["s3://a/x.tar", "s3://b/y.tar"]
    assert addresses_of("s3://a/x.tar") == ["s3://a/x.tar"]


def test_a_saved_data_set_keeps_ranges(tmp_path: Path) -> None:
    bucket = in_memory(PACKED.tars(tmp_path / "set"), "saved")
    photos = tk.Dataset.read(bucket, "set", **QUIET)
    save_dataset(photos, tmp_path / "kept")
    assert load_dataset(tmp_path / "kept", "set").files == photos.files
    out = photos.export(tmp_path / "labels.csv", artifacts=tmp_path / "kept", progress=False)
    assert out is not None
    again = tk.Dataset.read(tmp_path / "labels.csv", "again", **QUIET)
    assert (again.ids, again.digest) == (photos.ids, photos.digest)
