"""Large JPEGs: decoded in full, at four times, and (toolkit's way) at twice the wanted size.

    python bench/large.py FOLDER_OF_IMAGES [--images 48] [--rounds 3] [--out FILE]

Pictures of 12 megapixels are mosaics of the folder's images, each image at its own resolution, so
that there is detail down to the pixel; saved as JPEG at quality 90. For each way: images a second
of decoding and resizing with as many threads as cores (all ways in turn, medians over rounds), and
the cosine of EfficientNet-Lite0's fp32 features to those of the picture decoded in full.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from toolkit.features.backbones import BackboneSpec
from toolkit.features.embedder import embedder
from toolkit.features.resolve import resolve
from toolkit.images.decode import decode, fast_jpeg_decoder
from toolkit.images.preprocess import Preprocess
from toolkit.runtime.processor import cores

TALL, WIDE = 3000, 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    files = mosaics(sorted(options.folder.glob("*.jpg")), options.images)
    with TemporaryDirectory() as work:
        backbone, load = resolve(BackboneSpec(), Path(work))
        network = embedder(load()[1], backbone, ("original",))
    how = backbone.preprocess
    ways: dict[str, Callable[[bytes], torch.Tensor]] = {
        "full": full,
        "four times": lambda data: at_least(data, 4 * how.resize),
        "twice (toolkit)": lambda data: decode(data, how.resize),
    }
    pixels = {name: [prepared(way, how, data) for data in files] for name, way in ways.items()}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    torch.set_num_threads(1)
    for _ in range(options.rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            with ThreadPoolExecutor(cores(), initializer=lambda: torch.set_num_threads(1)) as pool:
                list(pool.map(lambda data, way=way: prepared(way, how, data), files))
            rates[name].append(len(files) / (time.perf_counter() - began))
    with torch.inference_mode():
        features = {
            name: network(torch.from_numpy(np.stack(each))).numpy().astype(np.float64)
            for name, each in pixels.items()
        }
    exact = features["full"]
    document: dict[str, Any] = {
        "pictures": {
            "count": len(files),
            "pixels": [WIDE, TALL],
            "megabytes": round(statistics.mean(map(len, files)) / 1e6, 2),
        }
    }
    for name, found in features.items():
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
        cosine = (found * exact).sum(1) / norms
        document[name] = {
            "images_per_second": round(statistics.median(rates[name]), 1),
            "smallest_cosine": round(float(cosine.min()), 6),
            "median_cosine": round(float(np.median(cosine)), 6),
        }
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def mosaics(paths: list[Path], count: int) -> list[bytes]:
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        canvas = Image.new("RGB", (WIDE, TALL))
        top = 0
        while top < TALL:
            left, tallest = 0, 1
            while left < WIDE:
                tile = Image.open(paths[random.integers(len(paths))]).convert("RGB")
                canvas.paste(tile, (left, top))
                left, tallest = left + tile.width, max(tallest, tile.height)
            top += tallest
        file = io.BytesIO()
        canvas.save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def full(data: bytes) -> torch.Tensor:
    decoder = fast_jpeg_decoder()
    assert decoder is not None
    return decoder(torch.frombuffer(bytearray(data), dtype=torch.uint8))


def at_least(data: bytes, side: int) -> torch.Tensor:
    with Image.open(io.BytesIO(data)) as image:
        short = min(image.size)
        image.draft("RGB", (image.width * side // short, image.height * side // short))
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def prepared(way: Callable[[bytes], torch.Tensor], how: Preprocess, data: bytes) -> np.ndarray:
    pixels: np.ndarray = how.batch([way(data)])[0]
    return pixels


if __name__ == "__main__":
    main()
