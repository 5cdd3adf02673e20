"""Images per second on Ray workers against one process, on the same cores, interleaved.

    uv run --extra ray python -m bench.ray_embed FOLDER [--images 1500] [--rounds 3] [--out JSON]

One cluster of one machine with all cores here is up for all rounds; each round embeds the images
into a new store. Seconds count from the first chunk that is written to the last, so that the start
of workers, and of threads here, stands aside.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.features.backbones import BackboneSpec
from toolkit.features.fill import fill_store
from toolkit.features.key import CacheKey, store_folder
from toolkit.features.resolve import resolve
from toolkit.images.sources import Images
from toolkit.runtime.device import choose_precision
from toolkit.runtime.processor import cores, processor_name
from toolkit.storage.files import digest_file
from toolkit.storage.row_files import INDEX, ROWS

CHUNK = 128
STORE = 200 << 20


def read(folder: Path, count: int) -> Images:
    """Return so many images of a folder."""
    files = sorted(file for file in folder.rglob("*.jpg"))[:count]
    joined = np.frombuffer(b"".join(map(digest_file, files)), np.uint8).reshape(-1, 16)
    return Images([file.stem for file in files], [str(file) for file in files], joined)


def once(images: Images, artifacts: Path, on: str) -> tuple[float, bytes]:
    """Embed into a new store; return images a second, start aside, and what the store holds."""
    known, load = resolve(BackboneSpec("efficientnet_lite0"), artifacts)
    key = CacheKey(known, ("original",), choose_precision("auto", "cpu"))
    folder = store_folder(artifacts, key)
    for name in (INDEX, ROWS):
        (folder / name).unlink(missing_ok=True)
    heard: list[tuple[float, int]] = []

    def hear(count: int) -> None:
        heard.append((time.perf_counter(), count))

    fill_store(images, key, load, artifacts, on=on, on_progress=hear, chunk=CHUNK)
    seconds = heard[-1][0] - heard[0][0]
    content = (folder / ROWS).read_bytes() + (folder / INDEX).read_bytes()
    return sum(count for _, count in heard[1:]) / seconds, content


def main() -> None:
    """Measure, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    images = read(options.folder, options.images)
    rates: dict[str, list[float]] = {"here": [], "ray": []}
    how: dict[str, Any] = {"num_cpus": cores(), "object_store_memory": STORE}
    ray.init("local", include_dashboard=False, log_to_driver=False, **how)
    with tempfile.TemporaryDirectory(prefix="bench-ray-") as name:
        contents = set()
        once(read(options.folder, CHUNK * 2), Path(name), "here")  # the network is converted once
        for number in range(options.rounds):
            for on in ("here", "ray") if number % 2 == 0 else ("ray", "here"):
                rate, content = once(images, Path(name), on)
                rates[on].append(round(rate, 1))
                contents.add(content)
    ray.shutdown()
    middle = {on: statistics.median(found) for on, found in rates.items()}
    found: dict[str, Any] = {
        "images": len(images),
        "chunk": CHUNK,
        "images_per_second": rates,
        "ray_over_here": round(middle["ray"] / middle["here"], 3),
        "same_files_byte_for_byte": len(contents) == 1,
        "processor": processor_name(),
        "load": round(os.getloadavg()[0], 1),
        "ray": ray.__version__,
    }
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
