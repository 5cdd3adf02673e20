"""Images per second of embedding: ours end to end, a plain script, and the engine's ceiling.

All three run in one process, interleaved, several rounds; medians are reported.

    python -m bench.embed FOLDER_OF_IMAGES [--backbone efficientnet_lite0] [--weights default]

(a) naive   the script a user would write first: the torch model in fp32, Pillow, timm's or
            torchvision's evaluation transform, a DataLoader with two workers, batches of 32;
(b) ours    toolkit.features.embed on the same files, decoding, storing and syncing included;
(c) ceiling our engine alone on a batch of pixels that is already in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from bench.plain_files import Files
from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.features.cache import EmbeddingCache
from toolkit.features.engines.choose import make_engine
from toolkit.features.fill import fill_store
from toolkit.features.key import CacheKey, store_folder
from toolkit.features.resolve import resolve
from toolkit.images.feed import decode_group, decoding
from toolkit.images.sources import Image, Images
from toolkit.runtime.device import choose_precision
from toolkit.runtime.processor import processor_name
from toolkit.storage.files import digest_bytes


def naive(paths: list[Path], backbone: Backbone, network: torch.nn.Module) -> np.ndarray:
    files = Files([str(path) for path in paths], backbone.preprocess)
    loader = DataLoader(files, batch_size=32, num_workers=2)
    with torch.inference_mode():
        return torch.cat([network(batch) for batch in loader]).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--naive-images", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()

    work = Path(tempfile.mkdtemp(prefix="bench-embed-"))
    try:
        document = measure(options, work)
    finally:
        shutil.rmtree(work)
    print(json.dumps(document, indent=1))
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    show(document)


def measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    paths = sorted(options.folder.glob("*.jpg"))[: options.images]
    images = [Image(p.stem, str(p), digest_bytes(p.read_bytes())) for p in paths]
    backbone, load = resolve(BackboneSpec(options.backbone, options.weights), work)
    precision = choose_precision(options.precision, "cpu")
    key = CacheKey(backbone, precision=precision)
    network = load()[1]
    engine = make_engine(
        backbone,
        load,
        views=("original",),
        engine="auto",
        device="cpu",
        precision=precision,
        folder=work / "embeddings" / "engines",
    )
    _, pixels, _ = decode_group(images[: engine.batch], backbone.preprocess)
    store = store_folder(work, key)

    def run_naive() -> int:
        few = paths[: options.naive_images]
        naive(few, backbone, network)
        return len(few)

    def run_ours() -> int:
        shutil.rmtree(store, ignore_errors=True)
        return fill_store(Images.of(images), key, load, work).computed

    def run_ceiling() -> int:
        out = np.empty((engine.batch, backbone.dim), np.float32)
        count = len(images) // engine.batch
        for _ in range(count):
            engine.submit([pixels], out, lambda: None)
        engine.drain()
        return count * engine.batch

    runs: dict[str, Callable[[], int]] = {
        "naive": run_naive,
        "ours": run_ours,
        "ceiling": run_ceiling,
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(options.rounds + 1):
        for name, each in runs.items():
            started = time.perf_counter()
            count = each()
            if round_:  # the first round warms up
                rates[name].append(count / (time.perf_counter() - started))
    few = paths[: options.naive_images]
    reference = naive(few, backbone, network)
    digests = np.frombuffer(b"".join(i.digest for i in images[: len(few)]), np.uint8)
    cache = EmbeddingCache(store, key)
    ours = cache.read(cache.find(digests.reshape(-1, 16)))
    cosine = (ours * reference).sum(1) / (
        np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1)
    )
    median = {name: statistics.median(each) for name, each in rates.items()}
    return {
        "backbone": backbone.title,
        "weights": backbone.weights,
        "size": backbone.preprocess.size,
        "engine": engine.name,
        "precision": precision,
        "images": len(images),
        "naive_images": options.naive_images,
        "rounds": options.rounds,
        "images_per_second": {name: round(rate, 1) for name, rate in median.items()},
        "spread": {name: [round(min(r), 1), round(max(r), 1)] for name, r in rates.items()},
        "ours_over_naive": round(median["ours"] / median["naive"], 2),
        "ours_over_ceiling": round(median["ours"] / median["ceiling"], 3),
        "core_ms_per_image": core_ms(images[:256], backbone),
        "smallest_cosine_to_fp32": round(float(cosine.min()), 6),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "processor": processor_name(),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
    }


def core_ms(images: list[Image], backbone: Backbone) -> dict[str, float]:
    """Return what reading, decoding and resizing cost one core, in milliseconds an image."""
    from toolkit.images.decode import decode

    with decoding():
        torch.set_num_threads(1)
        started = time.perf_counter()
        data = [Path(image.path).read_bytes() for image in images]
        read = time.perf_counter()
        tensors = [decode(each, backbone.preprocess.resize) for each in data]
        decoded = time.perf_counter()
        for at in range(0, len(tensors), 8):
            backbone.preprocess.batch(tensors[at : at + 8])
        resized = time.perf_counter()
    n = len(images) / 1000
    return {
        "read": round((read - started) / n, 3),
        "decode": round((decoded - read) / n, 3),
        "resize_and_crop": round((resized - decoded) / n, 3),
    }


def show(document: dict[str, Any]) -> None:
    table = Table("", "images/s", "low - high", title=document["backbone"])
    for name, rate in document["images_per_second"].items():
        low, high = document["spread"][name]
        table.add_row(name, f"{rate:,.1f}", f"{low:,.1f} - {high:,.1f}")
    console = Console(stderr=True)
    console.print(table)
    console.print(
        f"ours/naive {document['ours_over_naive']}, ours/ceiling {document['ours_over_ceiling']}, "
        f"smallest cosine to fp32 {document['smallest_cosine_to_fp32']}"
    )


if __name__ == "__main__":
    main()
