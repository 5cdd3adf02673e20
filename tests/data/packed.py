"""One set of images in every container, written by the formats' published descriptions."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

LABELS = ("cat", "dog", "sea")
Members = list[tuple[str, bytes]]


class Packed:
    """Some painted images: each label paints a channel, so that a head can learn it."""

    def __init__(self, count: int = 40, side: int = 32) -> None:
        rng = np.random.default_rng(3)
        self.Y = (rng.random((count, 3)) < 0.4).astype(np.int8)
        self.Y[:3] = np.eye(3)
        self.files: dict[str, bytes] = {}
        for number, row in enumerate(self.Y, 1):
            ground = 40 + 150 * row.astype(int) + rng.integers(0, 40, (side, side, 3))
            file = io.BytesIO()
            Image.fromarray(ground.astype(np.uint8)).save(file, "JPEG", quality=95)
            self.files[f"im{number}.jpg"] = file.getvalue()
        self.order = rng.permutation(count).tolist()  # none of the containers is in order

    def given(self, row: int) -> list[str]:
        return [label for label, yes in zip(LABELS, self.Y[row], strict=True) if yes]

    def __getitem__(self, row: int) -> tuple[str, bytes]:
        return list(self.files.items())[row]

    def folder(self, place: Path) -> Path:
        """Write the course's layout."""
        (place / "images").mkdir(parents=True)
        (place / "annotations").mkdir()
        for name, data in self.files.items():
            (place / "images" / name).write_bytes(data)
        for j, label in enumerate(LABELS):
            numbers = np.flatnonzero(self.Y[:, j]) + 1
            (place / "annotations" / f"{label}.txt").write_text("\n".join(map(str, numbers)))
        return place

    def members(self, kind: str = "json") -> Members:
        """Return names and contents of a tar's files, samples in a shuffled order."""
        found: Members = []
        for row in self.order:
            name, data = self[row]
            stem = name.removesuffix(".jpg")
            own = self.given(row)
            content = {
                "json": json.dumps({"labels": own, "width": 32}),
                "keys": json.dumps(dict(zip(LABELS, self.Y[row].tolist(), strict=True))),
                "cls": " ".join(str(LABELS.index(label)) for label in own) or "none",
                "txt": "\n".join(own),
            }[kind]
            found += [(name, data), (f"{stem}.{kind.replace('keys', 'json')}", content.encode())]
        return found

    def tars(self, place: Path, kind: str = "json") -> Path:
        """Write two shards."""
        place.mkdir(parents=True)
        members = self.members(kind)
        write_tar(place / "000.tar", members[:30])
        write_tar(place / "001.tar", members[30:])
        return place

    def table(self, rows: Sequence[int], schema: pa.Schema, **columns: Any) -> pa.Table:
        """Return rows with images as structures, and labels as ``schema`` has them."""
        images = [{"bytes": self[row][1], "path": self[row][0]} for row in rows]
        numbers = pa.types.is_integer(getattr(schema.field("labels").type, "value_type", None))
        labels = [
            [LABELS.index(label) if numbers else label for label in self.given(row)] for row in rows
        ]
        return pa.table({"image": images, "labels": labels, **columns}, schema=schema)

    def arrow(self, place: Path, splits: Mapping[str, Sequence[int]] | None = None) -> Path:
        """Write what ``datasets`` saves: one folder, or one for each split."""
        schema = schema_of(features())
        for split, rows in (splits or {"": self.order}).items():
            folder = place / split
            folder.mkdir(parents=True)
            half = len(rows) // 2
            names = [f"data-{at:05}-of-00002.arrow" for at in range(2)]
            for name, part in zip(names, (rows[:half], rows[half:]), strict=True):
                with (
                    pa.OSFile(str(folder / name), "wb") as file,
                    pa.ipc.new_stream(file, schema) as stream,
                ):
                    stream.write_table(self.table(part, schema), max_chunksize=7)
            state = {"_data_files": [{"filename": name} for name in names], "_split": split or None}
            (folder / "state.json").write_text(json.dumps(state))
            (folder / "dataset_info.json").write_text(json.dumps({"features": features()}))
        if splits:
            (place / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
        return place

    def hub(self, place: Path) -> Path:
        """Write Parquet shards as on the hub."""
        (place / "data").mkdir(parents=True)
        schema = schema_of(features())
        for at, part in enumerate((self.order[:25], self.order[25:])):
            file = place / "data" / f"train-{at:05}-of-00002.parquet"
            pq.write_table(self.table(part, schema), file, row_group_size=6)
        return place

    def parquet(self, place: Path) -> Path:
        """Write one table with a column of bare bytes and a column per label."""
        place.mkdir(parents=True)
        names = [self[row][0] for row in self.order]
        columns = {label: self.Y[self.order, j] for j, label in enumerate(LABELS)}
        images = [self[row][1] for row in self.order]
        table = pa.table({"picture": images, "name": names, **columns})
        pq.write_table(table, place / "photos.parquet", row_group_size=9)
        return place / "photos.parquet"

    def addresses(self, place: Path, before: str = "memory://packed/set") -> Path:
        """Write a table of addresses, and put the images where those of ``memory://`` lead."""
        import fsspec

        place.mkdir(parents=True)
        if before.startswith("memory://"):
            memory = fsspec.filesystem("memory")
            for name, data in self.files.items():
                memory.pipe_file(f"{before.removeprefix('memory:/')}/{name}", data)
        frame = pd.DataFrame({"image": [f"{before}/{name}" for name in self.files]})
        for j, label in enumerate(LABELS):
            frame[label] = self.Y[:, j]
        frame.iloc[self.order].to_csv(place / "photos.csv", index=False)
        return place / "photos.csv"


def features(kind: str = "Sequence") -> dict[str, Any]:
    """Return features as ``datasets`` describes them; newer ones call a Sequence List."""
    names = {"names": list(LABELS), "_type": "ClassLabel"}
    return {"image": {"_type": "Image"}, "labels": {"feature": names, "_type": kind}}


def schema_of(known: dict[str, Any] | None, labels: Any = None) -> pa.Schema:
    """Return a schema with features in its metadata."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    own = pa.list_(pa.int64()) if labels is None else labels
    metadata = {"huggingface": json.dumps({"info": {"features": known}})} if known else None
    return pa.schema([("image", kind), ("labels", own)], metadata=metadata)


def write_tar(file: Path, members: Members) -> Path:
    """Write a tar of files."""
    with tarfile.open(file, "w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file
