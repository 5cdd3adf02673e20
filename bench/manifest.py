"""A store of a hundred million rows, simulated; resuming a million; what one writer takes.

    uv run python -m bench.manifest --out docs/results/manifest.json

Each part runs in a process of its own, so that its peak memory is its own.

- ``open``: the index of so many rows is written with random digests (checksums only of the entries
  that are asked for: opening does not look at the others), its sorted index built, the store
  opened, and 1,000 random ids asked for, once with the files' pages dropped from memory first.
  ``rows.bin`` is a hole of the right length.
- ``resume``: a store of a million rows is made; a run that asks for all of them finds them.
- ``write``: the process that alone writes takes a million rows in chunks as workers hand them over.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from toolkit.features.backbones import Backbone
from toolkit.features.cache import EmbeddingCache
from toolkit.features.fill import CHUNK, fill_store
from toolkit.features.fill_pieces import Embedded, Writer
from toolkit.features.key import CacheKey, store_folder
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Images
from toolkit.storage.row_files import ENTRY, INDEX, ROWS, entry_crcs
from toolkit.storage.sorted_index import HEADS, PLACES, SortedIndex

ASKED, BLOCK = 1000, 1 << 20
GREY = (0.5, 0.5, 0.5)
BACKBONE = Backbone("fake", "none", "0" * 64, Preprocess(8, 8, "bilinear", GREY, GREY), "avg", 1280)


def key_of(dim: int) -> CacheKey:
    return CacheKey(replace(BACKBONE, dim=dim))


def digests(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 16), np.uint8)


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def simulate(folder: Path, count: int) -> dict[str, Any]:
    """Write the index of a store that nobody could make here, and its sorted index."""
    key = key_of(1280)
    cache = EmbeddingCache(folder, key)
    with cache.lock():
        folder.mkdir(parents=True, exist_ok=True)
        cache.begin()
        asked = np.sort(np.random.default_rng(1).choice(count, ASKED, replace=False))
        with (folder / INDEX).open("wb") as file:
            for start in range(0, count, BLOCK):
                entries = np.zeros(min(BLOCK, count - start), ENTRY)
                entries["digest"] = digests(len(entries), start).view("V16").ravel()
                mine = asked[(asked >= start) & (asked < start + len(entries))]
                some = entries[mine - start]
                some["entry_crc"] = entry_crcs(some, at=mine)
                entries[mine - start] = some
                file.write(entries.tobytes())
        with (folder / ROWS).open("wb") as file:
            file.truncate(count * key.row_bytes)
        started = time.perf_counter()
        SortedIndex.write(folder, np.memmap(folder / INDEX, ENTRY, "r"))
        return {"sort_seconds": round(time.perf_counter() - started, 1), "sort_peak_mb": peak_mb()}


def opening(folder: Path, count: int) -> dict[str, Any]:
    """Open the simulated store, and find some of its rows; then again with cold files."""
    asked = np.sort(np.random.default_rng(1).choice(count, ASKED, replace=False))
    entries = np.memmap(folder / INDEX, ENTRY, "r")
    wanted = np.ascontiguousarray(entries["digest"][asked]).view(np.uint8).reshape(-1, 16)
    absent = digests(ASKED, seed=2**31)
    found: dict[str, Any] = {}
    for state in ("cold", "warm"):
        if state == "cold":
            _drop(folder)
        started, begun = time.perf_counter(), time.process_time()
        cache = EmbeddingCache(folder, key_of(1280))
        opened = time.perf_counter()
        rows = cache.find(wanted)
        sought, ended = time.perf_counter(), time.process_time()
        assert (rows == asked).all()
        assert (cache.find(absent) == -1).all()
        found[state] = {
            "open_seconds": round(opened - started, 3),
            f"find_{ASKED}_seconds": round(sought - opened, 3),
            "both_core_seconds": round(ended - begun, 3),
        }
    size = sum((folder / name).stat().st_size for name in (INDEX, HEADS, PLACES))
    return {**found, "peak_mb": peak_mb(), "manifest_gb": round(size / 1e9, 2), "rows": count}


def resume(work: Path, count: int) -> dict[str, Any]:
    """Ask for a million rows that are there."""
    known, key = digests(count), key_of(64)
    ids = [f"im{number}" for number in range(count)]
    images = Images(ids, [f"images/{name}.jpg" for name in ids], known, "/photographs")
    before, started, begun = peak_mb(), time.perf_counter(), time.process_time()
    done = fill_store(images, key, _nothing, work, on="here")
    seconds, used = time.perf_counter() - started, time.process_time() - begun
    assert (done.computed, done.reused) == (0, count)
    facts: dict[str, Any] = {"rows": count, "seconds": round(seconds, 2), "peak_mb": peak_mb()}
    facts["core_seconds"] = round(used, 2)
    return facts | {"peak_mb_before": before}


def write(work: Path, count: int, dim: int) -> dict[str, Any]:
    """Write rows as the driver does; in the order in which they come from 16 workers."""
    known, key = digests(count), key_of(dim)
    rows = np.random.default_rng(0).normal(size=(CHUNK, dim)).astype(np.float16)
    starts = range(0, count, CHUNK)
    mixed = [n for at in range(0, len(starts), 16) for n in reversed(starts[at : at + 16])]
    cache = EmbeddingCache(store_folder(work, key), key)
    before, started, begun = peak_mb(), time.perf_counter(), time.process_time()
    with cache.filling(known) as missing:
        assert len(missing) == count
        writer = Writer(cache, starts, None)
        for at in mixed:
            part = [digest.tobytes() for digest in known[at : at + CHUNK]]
            writer.take(at, Embedded(part, rows[: len(part)].copy(), {}, "fake"))
        writer.finish()
        written, used = time.perf_counter() - started, time.process_time() - begun
    assert (EmbeddingCache(cache.folder, key).digests == known).all()
    return {
        "rows": count,
        "dim": dim,
        "rows_per_second": round(count / written),
        "rows_per_core_second": round(count / used),
        "peak_mb": peak_mb(),
        "peak_mb_before": before,
    }


def _nothing() -> NoReturn:
    raise AssertionError("a network was loaded")


def _drop(folder: Path) -> None:
    """Ask the system to forget what it holds of the files."""
    for name in (INDEX, HEADS, PLACES):
        handle = os.open(folder / name, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def apart(part: str, *more: object) -> Any:
    """Run a part in a process of its own."""
    command = [sys.executable, "-m", "bench.manifest", "--part", part, *map(str, more)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main() -> None:
    """Measure, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--resumed", type=int, default=1_000_000)
    parser.add_argument(
        "--work", type=Path, help="where to put 6 GB; by default a temporary folder"
    )
    parser.add_argument("--part", choices=("simulate", "open", "resume", "write"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.part:
        work = options.work
        print(
            json.dumps(
                {
                    "simulate": lambda: simulate(work / "large", options.rows),
                    "open": lambda: opening(work / "large", options.rows),
                    "resume": lambda: resume(work, options.resumed),
                    "write": lambda: write(work, options.resumed, 64),
                }[options.part]()
            )
        )
        return
    with tempfile.TemporaryDirectory(prefix="bench-manifest-", dir=options.work) as name:
        where = ("--work", name, "--rows", options.rows, "--resumed", options.resumed)
        found = {
            "write": apart("write", *where),
            "resume": apart("resume", *where),
            "simulate": apart("simulate", *where),
            "open": apart("open", *where),
            "processors": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
        }
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
