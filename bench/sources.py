"""Seconds to import, and images per second to read and to embed, of one set in eight places.

    python bench/sources.py FOLDER [--images 2000] [--rounds 3] [--out FILE]

FOLDER is in the course's layout. Its first images are copied to a folder, tars of 1,000, Parquet
with row groups of 100 and of 1,000, and an Arrow stream, in a shuffled order; the folder's files,
the tars and the first Parquet file are also served by HTTP, by a process of this machine. In every
round each is imported, read once as an embedding reads, and embedded into an empty cache with the
default backbone, in an order of the round's own. Medians are kept, and the medians of each round's
ratios to the folder: where a machine is shared, these and the processor's seconds say more than
seconds do. All files are in the system's cache: what is compared is the way through the library.
"""

from __future__ import annotations

import argparse
import http.server
import io
import json
import multiprocessing
import os
import re
import shutil
import statistics
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import toolkit as tk
from toolkit.data.readers.base import Options
from toolkit.data.readers.folder import FOLDER
from toolkit.images.containers import forget_addresses
from toolkit.images.places import connections, read_place, reading_order
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
    with tempfile.TemporaryDirectory(prefix="sources-") as place, served(Path(place)) as home:
        base = Path(place)
        sets = make(chosen.folder, chosen.images, base)
        sets |= elsewhere(base, home)
        found: dict[str, dict[str, list[float]]] = {name: {} for name in sets}
        embed = not chosen.no_embedding
        measure(next(iter(sets.values())), "folder", base, embed)  # converts the network
        rng = np.random.default_rng(0)
        for _ in range(chosen.rounds):
            for name in rng.permutation(list(sets)).tolist():
                for what, value in measure(sets[name], name, base, embed).items():
                    found[name].setdefault(what, []).append(round(value, 2))
    medians = {
        name: {what: round(statistics.median(values), 2) for what, values in each.items()}
        for name, each in found.items()
    }
    rates = [what for what in found["folder"] if "per" in what]
    ratios = {
        name: {
            what: round(
                statistics.median(
                    own / plain
                    for own, plain in zip(each[what], found["folder"][what], strict=True)
                ),
                3,
            )
            for what in rates
        }
        for name, each in found.items()
    }
    document = {
        "processor": processor_name(),
        "images": chosen.images,
        "rounds": chosen.rounds,
        "load": round(os.getloadavg()[1], 1),
        "medians": medians,
        "ratios_to_folder": ratios,
        "all": found,
    }
    text = json.dumps(document, indent=1)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n")


def make(folder: Path, images: int, base: Path) -> dict[str, Path | str]:
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


def elsewhere(base: Path, home: str) -> dict[str, Path | str]:
    """Return the addresses of what is served, and a table of single images among it."""
    from toolkit.data.readers.webdataset import WEBDATASET

    whole = WEBDATASET.read(base / "tar", Options())
    table = ["image,labels"]
    for name, row in zip(whole.ids, whole.Y, strict=True):
        given = "|".join(n for n, yes in zip(whole.labels, row, strict=True) if yes == 1)
        table.append(f"{home}/folder/images/{name}.jpg,{given}")
    (base / "photos.csv").write_text("\n".join(table))
    tars = f"{home}/tar/{{000..{len(list((base / 'tar').iterdir())) - 1:03}}}.tar"
    return {
        "http, files": base / "photos.csv",
        "http, tar": tars,
        "http, parquet, groups of 100": f"{home}/rows100.parquet",
    }


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder's files, whole and in parts, by a process; give its address."""
    ports: Any = multiprocessing.Queue()
    process = multiprocessing.Process(target=serve, args=(folder, ports), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=60)}"
    finally:
        process.terminate()
        process.join()


def serve(folder: Path, ports: Any) -> None:
    """Answer HEAD and GET, with ranges, until the end of the process."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(False)

        def do_GET(self) -> None:
            self.answer(True)

        def answer(self, content: bool) -> None:
            file = folder / self.path.lstrip("/")
            size = file.stat().st_size
            part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            start, stop = (int(part[1]), min(size, int(part[2]) + 1)) if part else (0, size)
            self.send_response(206 if part else 200)
            self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            if content:
                with file.open("rb") as opened:
                    opened.seek(start)
                    self.wfile.write(opened.read(stop - start))

        def log_message(self, *_: Any) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ports.put(running.server_address[1])
    running.serve_forever()


def measure(path: Path | str, name: str, base: Path, embed: bool) -> dict[str, float]:
    """Import, read and embed once; seconds of the processor too, for a busy machine."""
    started, used = time.perf_counter(), time.process_time()
    photos = tk.Dataset.read(path, "set", progress=False)
    found = {
        "import_seconds": time.perf_counter() - started,
        "import_processor_seconds": time.process_time() - used,
    }
    forget_addresses()
    started, used = time.perf_counter(), time.process_time()
    order = [photos.paths[row] for row in reading_order(photos.paths).tolist()]
    with ThreadPoolExecutor(connections(order, 1)) as readers:
        assert all(readers.map(read_place, order))
    found["read_images_per_second"] = len(photos) / (time.perf_counter() - started)
    found["read_images_per_processor_second"] = len(photos) / (time.process_time() - used)
    forget_addresses()
    if not embed:
        return found
    artifacts = Path(tempfile.mkdtemp(prefix="artifacts-", dir=base))
    used = time.process_time()
    embedded: Any = tk.embed(photos, artifacts=artifacts, progress=False)
    used = time.process_time() - used
    facts = embedded.facts()
    assert facts["computed"] == len(photos), name
    shutil.rmtree(artifacts)
    found["embed_images_per_second"] = facts["images_per_second"]
    found["embed_images_per_processor_second"] = len(photos) / used
    return found


if __name__ == "__main__":
    main()
