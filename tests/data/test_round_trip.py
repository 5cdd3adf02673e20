"""Every format that labels go out in, times every kind of place that images lie at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import toolkit as tk
from tests.data.packed import LABELS, Packed, write_tar
from toolkit.data.writers.registry import WRITERS
from toolkit.errors import DataError

PACKED = Packed(32)
METADATA = ("camera", "split", "id", "labels", "cat", "license")  # named as other columns are
QUIET: dict[str, Any] = {"progress": False}


def frame(paths: list[str]) -> tk.Dataset:
    """Return the data set of a table in memory."""
    columns = dict(zip(LABELS, PACKED.Y.T, strict=True))
    return tk.Dataset.from_frame(pd.DataFrame({"path": paths, **columns}), image="path", **QUIET)


def of_folder(place: Path) -> tk.Dataset:
    return tk.Dataset.read(PACKED.folder(place), **QUIET)


def of_tars(place: Path) -> tk.Dataset:
    PACKED.tars(place / "shards" / "train")
    return tk.Dataset.read(place / "shards", **QUIET)


def of_hub(place: Path) -> tk.Dataset:
    return tk.Dataset.read(PACKED.hub(place), **QUIET)


def of_arrow(place: Path) -> tk.Dataset:
    rows = {"train": PACKED.order[:7], "test": PACKED.order[7:]}
    return tk.Dataset.read(PACKED.arrow(place, rows), **QUIET)


def of_row_numbers(place: Path) -> tk.Dataset:
    return tk.Dataset.read(PACKED.parquet(place), **QUIET)


def frame_of_one_tar(place: Path) -> tk.Dataset:
    place.mkdir()
    tar = write_tar(place / "x.tar", [(f"in/{name}", data) for name, data in PACKED.files.items()])
    return frame([f"{tar}/in/{name}" for name in PACKED.files])


def frame_of_one_parquet(place: Path) -> tk.Dataset:
    file = PACKED.parquet(place)
    return frame([f"{file}/picture/{row}" for row in range(32)])


def frame_of_addresses(place: Path) -> tk.Dataset:
    place.mkdir()
    PACKED.addresses(place / "set", "memory://round/trip")
    return frame([f"memory://round/trip/{name}" for name in PACKED.files])


def of_tars_elsewhere(place: Path) -> tk.Dataset:
    return tk.Dataset.read(elsewhere(PACKED.tars(place / "here"), "tars"), **QUIET)


def of_hub_elsewhere(place: Path) -> tk.Dataset:
    return tk.Dataset.read(elsewhere(PACKED.hub(place / "here"), "hub"), **QUIET)


def elsewhere(folder: Path, name: str) -> str:
    """Put a folder's files where ``memory://`` leads."""
    import fsspec

    for file in [each for each in folder.rglob("*") if each.is_file()]:
        at = f"/round-trip-{name}/{file.relative_to(folder).as_posix()}"
        fsspec.filesystem("memory").pipe_file(at, file.read_bytes())
    return f"memory://round-trip-{name}"


def frame_of_odd_names(place: Path) -> tk.Dataset:
    """Names without ending, hidden ones, and one ending in a folder of that very name."""
    place.mkdir()
    paths = [place / "in" / f"{at}" / ("blob", ".a.jpg", "im1.jpg")[at % 3] for at in range(32)]
    paths[5] = place / "in" / place.name / "in" / "5.jpg"
    for path, data in zip(paths, PACKED.files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return frame([str(path) for path in paths])


def frame_of_all_kinds(place: Path) -> tk.Dataset:
    PACKED.folder(place)
    PACKED.addresses(place / "set", "memory://round/all")
    tar = write_tar(place / "deep" / "x.tar", list(PACKED.files.items())) if _made(place) else ""
    parquet = PACKED.parquet(place / "table")
    kinds = [
        lambda at, name: str(place / "images" / name),
        lambda at, name: f"{tar}/{name}",
        lambda at, name: f"memory://round/all/{name}",
        lambda at, name: f"{parquet}/picture/{PACKED.order.index(at)}",
    ]
    return frame([kinds[at % 4](at, name) for at, name in enumerate(PACKED.files)])


def _made(place: Path) -> bool:
    (place / "deep").mkdir()
    return True


SOURCES: list[Callable[[Path], tk.Dataset]] = [
    *(of_folder, of_tars, of_hub, of_arrow, of_row_numbers),
    *(frame_of_one_tar, frame_of_one_parquet, frame_of_addresses, frame_of_odd_names),
    *(frame_of_all_kinds, of_tars_elsewhere, of_hub_elsewhere),
]
HELD = {each.__name__ for each in SOURCES} - {"of_folder", "frame_of_addresses"}
HELD -= {"frame_of_odd_names"}  # what lies in containers


@pytest.mark.parametrize("above", [False, True], ids=["own root", "a folder above"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
@pytest.mark.parametrize("format", WRITERS)
def test_what_goes_out_comes_in_again_wherever_images_lie(
    format: str, source: Callable[[Path], tk.Dataset], above: bool, tmp_path: Path
) -> None:
    found = source(tmp_path / "set")
    Y = found.Y.copy()
    Y.ravel()[::5] = -1
    Y[3] = -1
    parts = tuple(("train", "validation", "test")[at % 3] for at in range(len(found)))
    facts = {name: tuple(f"{name} {at % 5}" for at in range(len(Y))) for name in METADATA}
    before = replace(found, Y=Y, parts=parts, metadata=facts)
    out = tmp_path / "elsewhere" / f"labels{WRITERS[format].endings[0]}"
    out.parent.mkdir()
    options: dict[str, Any] = {"format": format, "artifacts": tmp_path / "kept", **QUIET}
    options |= {"root": tmp_path} if above else {}
    if format == "hf" and source.__name__ in HELD:
        with pytest.raises(DataError, match=r"no path that datasets could open .*images='bytes'"):
            before.export(out, **options)
        assert not list(out.parent.iterdir())
        options["images"] = "bytes"
    done = before.export(out, **options)
    root = {} if options.get("images") == "bytes" else {"root": done.root}
    after = tk.Dataset.read(out, "x", **root, **QUIET)
    assert (after.ids, after.labels, after.parts) == (before.ids, before.labels, before.parts)
    assert after.metadata == before.metadata
    np.testing.assert_array_equal(after.Y, before.Y)
    assert after.digest == before.digest


def test_ids_that_are_carried_must_be_one_for_each_image(tmp_path: Path) -> None:
    PACKED.folder(tmp_path / "set")
    for ids, message in ((("a", "a"), "stand twice"), (("a", ""), "found blanks")):
        lines = [f"im{at}.jpg,{each},1" for at, each in enumerate(ids, 1)]
        (tmp_path / "set" / "t.csv").write_text("\n".join(["image,toolkit_id,cat", *lines]))
        with pytest.raises(DataError, match=message):
            tk.Dataset.read(tmp_path / "set" / "t.csv", **QUIET)


def test_ids_go_along_only_where_paths_do_not_give_them(tmp_path: Path) -> None:
    before = of_folder(tmp_path / "set")
    before.export(tmp_path / "a.csv", artifacts=tmp_path / "kept")
    assert (tmp_path / "a.csv").read_text().startswith('"image","cat","dog","sea"\n')
