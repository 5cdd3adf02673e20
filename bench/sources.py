"""Seconds to import, and images per second to read and to embed, of one set in five containers.

    python bench/sources.py FOLDER [--images 2000] [--rounds 3] [--out FILE]

FOLDER is in the course's layout. Its first images are copied to a folder, tars of 1,000, Parquet
with row groups of 100 and of 1,000, and an Arrow stream, in a shuffled order. In every round each
is imported, read once in the order of reading, and embedded into an empty cache; medians are kept.
All files are in the system's cache by then: what is compared is the way through the library.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import toolkit as tk
from toolkit.data.readers.base import Options
from toolkit.data.readers.folder import FOLDER
from toolkit.images.places import read_place, reading_order
from toolkit.runtime.processor import processor_name


def main() -> None:
    """Make the containers, measure, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-embedding", action="store_true")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sources-") as place:
        base = Path(place)
        sets = make(chosen.folder, chosen.images, base)
        found: dict[str, dict[str, list[float]]] = {name: {} for name in sets}
        embed = not chosen.no_embedding
        measure(next(iter(sets.values())), "folder", base, embed)  # converts the network
        for _ in range(chosen.rounds):
            for name, path in sets.items():
                for what, value in measure(path, name, base, embed).items():
                    found[name].setdefault(what, []).append(round(value, 2))
    medians = {
        name: {what: round(statistics.median(values), 2) for what, values in each.items()}
        for name, each in found.items()
    }
    document = {
        "processor": processor_name(),
        "images": chosen.images,
        "rounds": chosen.rounds,
        "load": round(os.getloadavg()[1], 1),
        "medians": medians,
        "all": found,
    }
    text = json.dumps(document, indent=1)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n")


def make(folder: Path, images: int, base: Path) -> dict[str, Path]:
    """Write the containers; return the path of each."""
    whole = FOLDER.read(folder, Options())
    files = [whole.root / file for file in whole.files[:images]]
    labels = [
        [label for label, yes in zip(whole.labels, row, strict=True) if yes == 1]
        for row in whole.Y[:images]
    ]
    order = np.random.default_rng(0).permutation(images).tolist()
    (base / "folder" / "images").mkdir(parents=True)
    (base / "folder" / "annotations").mkdir()
    for file in files:
        shutil.copy(file, base / "folder" / "images" / file.name)
    for label in whole.labels:
        own = [f.stem for f, each in zip(files, labels, strict=True) if label in each]
        (base / "folder" / "annotations" / f"{label}.txt").write_text("\n".join(own))
    (base / "tar").mkdir()
    for start in range(0, images, 1000):
        with tarfile.open(base / "tar" / f"{start // 1000:03}.tar", "w") as tar:
            for row in order[start : start + 1000]:
                record = json.dumps({"labels": labels[row]}).encode()
                for name, data in (
                    (files[row].name, files[row].read_bytes()),
                    (f"{files[row].stem}.json", record),
                ):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    place = {label: at for at, label in enumerate(whole.labels)}
    classes = {"names": list(whole.labels), "_type": "ClassLabel"}
    features = {
        "image": {"_type": "Image"},
        "labels": {"feature": classes, "_type": "Sequence"},
    }
    known = {"huggingface": json.dumps({"info": {"features": features}})}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", kind), ("labels", pa.list_(pa.int64()))], metadata=known)
    table = pa.table(
        {
            "image": [{"bytes": files[r].read_bytes(), "path": files[r].name} for r in order],
            "labels": [[place[label] for label in labels[r]] for r in order],
        },
        schema=schema,
    )
    for rows in (100, 1000):
        pq.write_table(table, base / f"rows{rows}.parquet", row_group_size=rows)
    (base / "arrow").mkdir()
    shard = "data-00000-of-00001.arrow"
    with (
        pa.OSFile(str(base / "arrow" / shard), "wb") as file,
        pa.ipc.new_stream(file, schema) as stream,
    ):
        stream.write_table(table, max_chunksize=1000)
    (base / "arrow" / "state.json").write_text(json.dumps({"_data_files": [{"filename": shard}]}))
    (base / "arrow" / "dataset_info.json").write_text(json.dumps({"features": features}))
    return {
        "folder": base / "folder",
        "tar": base / "tar",
        "parquet, groups of 100": base / "rows100.parquet",
        "parquet, groups of 1000": base / "rows1000.parquet",
        "arrow": base / "arrow",
    }


def measure(path: Path, name: str, base: Path, embed: bool) -> dict[str, float]:
    """Import, read and embed once; seconds of the processor too, for a busy machine."""
    started, used = time.perf_counter(), time.process_time()
    photos = tk.Dataset.read(path, "set", progress=False)
    found = {
        "import_seconds": time.perf_counter() - started,
        "import_processor_seconds": time.process_time() - used,
    }
    started, used = time.perf_counter(), time.process_time()
    for row in reading_order(photos.paths).tolist():
        read_place(photos.paths[row])
    found["read_images_per_second"] = len(photos) / (time.perf_counter() - started)
    found["read_images_per_processor_second"] = len(photos) / (time.process_time() - used)
    if not embed:
        return found
    artifacts = Path(tempfile.mkdtemp(prefix="artifacts-", dir=base))
    embedded: Any = tk.embed(photos, artifacts=artifacts, progress=False)
    facts = embedded.facts()
    assert facts["computed"] == len(photos), name
    shutil.rmtree(artifacts)
    return found | {"embed_images_per_second": facts["images_per_second"]}


if __name__ == "__main__":
    main()
