"""Peak memory of embedding many images with a fake backbone, which leaves only our own.

    python bench/memory.py [--rows 20000 200000] [--out docs/results/memory.json]

Writes that many distinct 16x16 images, then, each in a process of its own, embeds them to rows of
1280 features (``fill``) and asks for them again (``hit``). The images' ids and file names are held
in lists, as a data set holds them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from toolkit.features.backbones import Backbone
from toolkit.features.fill import fill_store
from toolkit.features.key import CacheKey
from toolkit.images.feed import joined
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Images
from toolkit.storage.files import digest_bytes

SIDE, DIM = 16, 1280
GREY = (0.5, 0.5, 0.5)
PREPROCESS = Preprocess(SIDE, SIDE, "bilinear", GREY, GREY)
KEY = CacheKey(Backbone("fake", "none", "0" * 64, PREPROCESS, "default", DIM))


class Repeater:
    """An engine that repeats an image's pixels until the row is full."""

    name = "fake"
    batch = 8

    def submit(
        self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
    ) -> None:
        pixels = joined(blocks)
        flat = pixels.reshape(len(pixels), -1)
        out[...] = np.tile(flat, (1, -(-DIM // flat.shape[1])))[:, :DIM]
        done()

    def drain(self) -> None:
        """Nothing is ever under way."""


def bitmap(number: int) -> bytes:
    """Return a 24-bit BMP file whose first pixels spell a number."""
    pixels = struct.pack("<Q", number).ljust(SIDE * SIDE * 3, b"\x80")
    size = 54 + len(pixels)
    head = struct.pack("<2sIHHI", b"BM", size, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0) + pixels


def write_images(folder: Path, count: int) -> None:
    for number in range(count):
        place = folder / f"{number // 1000:04}"
        if number % 1000 == 0:
            place.mkdir()
        (place / f"im{number}.bmp").write_bytes(bitmap(number))


def no_network() -> NoReturn:
    raise RuntimeError("the fake backbone has no network")


def child(folder: Path, artifacts: Path, rows: int) -> dict[str, Any]:
    """Embed in this process and return what it took."""
    ids = [f"im{number}" for number in range(rows)]
    files = [f"{number // 1000:04}/im{number}.bmp" for number in range(rows)]
    digests = np.empty((rows, 16), np.uint8)
    for number in range(rows):
        digests[number] = np.frombuffer(digest_bytes(bitmap(number)), np.uint8)
    images = Images(ids, files, digests, root=folder)
    started = time.perf_counter()
    result = fill_store(images, KEY, no_network, artifacts, make=lambda *_, **__: Repeater())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "computed": result.computed,
        "reused": result.reused,
        "seconds": round(time.perf_counter() - started, 2),
        "peak_mib": round(peak / (1 << 20 if platform.system() == "Darwin" else 1 << 10), 1),
    }


def measure(rows: list[int]) -> dict[str, Any]:
    passes: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as name:
        work = Path(name)
        (work / "images").mkdir()
        write_images(work / "images", max(rows))
        for count in rows:
            for what in ("fill", "hit"):
                command = [sys.executable, __file__, "--child", str(work), "--rows", str(count)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                passes.setdefault(what, {})[str(count)] = json.loads(done.stdout)
    ratios = {
        what: round(
            max(each["peak_mib"] for each in by_rows.values())
            / min(each["peak_mib"] for each in by_rows.values()),
            3,
        )
        for what, by_rows in passes.items()
    }
    return {
        "dim": DIM,
        "store": KEY.dtype,
        "passes": passes,
        "largest_over_smallest_peak": ratios,
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        rows = options.rows[0]
        folder, artifacts = options.child / "images", options.child / f"artifacts-{rows}"
        print(json.dumps(child(folder, artifacts, rows)))
        return
    text = json.dumps(measure(options.rows), indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
