"""Phase b: images a second of embedding, from files to rows, and what bounds them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import gpu_first
from bench.gpu_correct import HALF, loaded, pixels_of, seconds_each
from bench.gpu_phases import Found, Record
from bench.gpu_setup import BACKBONES, ROOT, STAND_IN, Setting

_MOST, _SECONDS = 24_000, 2.0
_STORED, _PLAIN = 4_000, 4_000


def run(setting: Setting, record: Record) -> None:
    """Measure one backbone after another, the toolkit's own first in full."""
    if not many(setting).is_dir():
        record.forget("files")
    record.step("files", partial(files, setting), limit=25)
    record.step("decoding alone", partial(decoding_rate, setting), needs=3, limit=10)
    names = (STAND_IN,) if setting.small else BACKBONES
    for variant in gpu_first.VARIANTS:
        step = partial(first_passes, setting, names[0], variant)
        record.step(f"first passes {variant}", step, needs=5, limit=30)
    for name in names:
        bare = record.step(f"bare {name}", partial(bare_rates, setting, name), needs=4, limit=25)
        if bare is None:
            continue
        for what, work in (("jpegs", from_files), ("store", from_store), ("plain", plain)):
            step = partial(work, setting, name, bare)
            record.step(f"{what} {name}", step, needs=4, limit=20)


@lru_cache(maxsize=1)
def ready(setting: Setting, name: str) -> tuple[Any, Any]:
    """Return a backbone and its network; the last is kept, and nothing here changes it."""
    return loaded(setting, name)


def many(setting: Setting) -> Path:
    """Return the folder of the files that rates are measured on."""
    return setting.work / "many"


def files(setting: Setting) -> Found:
    """Write each photograph several times, told apart by bytes after its end."""
    dataset, folder = setting.dataset, many(setting)
    wanted = len(dataset) if setting.small else _MOST
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    contents = [Path(path).read_bytes() for path in dataset.paths]

    def write(number: int) -> None:
        end = b"" if number < len(contents) else number.to_bytes(4, "little")
        (folder / f"{number:06}.jpg").write_bytes(contents[number % len(contents)] + end)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(wanted)))
    mean = sum(map(len, contents)) / len(contents)
    told = f"{wanted:,} files of {len(contents):,} photographs, {mean:.0f} bytes each"
    return {"files": wanted, "line": told}


def images_of(setting: Setting, count: int) -> Any:
    """Return the first of those files as the library takes them."""
    from toolkit.images.sources import Image, Images
    from toolkit.storage.files import digest_bytes

    paths = sorted(many(setting).glob("*.jpg"))[:count]
    return Images.of(Image(p.stem, str(p), digest_bytes(p.read_bytes())) for p in paths)


def first_passes(setting: Setting, name: str, variant: str) -> Found:
    """Time what a process waits for before its first rows, and before its first training step."""
    command = [
        *(sys.executable, gpu_first.__file__, variant, name),
        *(setting.device, "none" if setting.small else setting.weights_of(name)),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    if ran.returncode:
        raise RuntimeError(ran.stderr[-1500:])
    found: Found = json.loads(ran.stdout.splitlines()[-1])
    found["line"] = ", ".join(
        f"{what}: {each['first']:.1f} s, then {each['images_per_second']:,.0f} images/s"
        for what, each in found.items()
    )
    return found


def bare_rates(setting: Setting, name: str) -> Found:
    """Time forward passes on pictures that lie on the device, in fp16, channels last.

    Beside a captured pass of 256 stands one in bf16.
    """
    import torch

    from toolkit.features.embedder import embedder
    from toolkit.features.engines.captured import Captured

    backbone, network = ready(setting, name)
    module: Any = embedder(network, backbone, ("original",))
    module = module.to(setting.torch_device, memory_format=torch.channels_last)
    kind, cuda = setting.torch_device.type, setting.torch_device.type == "cuda"
    rates: dict[str, float] = {}
    memory: dict[str, float] = {}

    def forward(pixels: Any, half: Any = torch.float16) -> Any:
        with torch.autocast(kind, half, cache_enabled=False):
            return module(pixels).float()

    some = torch.from_numpy(pixels_of(setting, backbone, 4)).to(setting.torch_device)
    with torch.inference_mode():
        for batch in (4,) if setting.small else (64, 256, 512):
            pixels = some.repeat(-(-batch // 4), 1, 1, 1)[:batch]
            if cuda:
                torch.cuda.reset_peak_memory_stats(setting.torch_device)
            try:
                forward(pixels)
                if cuda:
                    peak = torch.cuda.max_memory_allocated(setting.torch_device)
                    memory[str(batch)] = round(peak / 2**30, 2)
                if batch == 512:
                    continue  # no engine takes so many: its memory alone is asked
                each = seconds_each(setting, partial(forward, pixels))
                rates[f"eager {batch}"] = round(batch / each, 1)
                halves = {"": torch.float16} | ({" bf16": torch.bfloat16} if batch == 256 else {})
                for named, half in halves.items() if cuda else ():
                    graph = Captured(partial(forward, half=half), pixels)
                    each = seconds_each(setting, partial(graph, pixels))
                    rates[f"graph {batch}{named}"] = round(batch / each, 1)
                    del graph
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
    best = max(rates, key=lambda key: rates[key])
    return {
        "rates": rates,
        "best": rates[best],
        "memory_gib": memory,
        "weights": backbone.weights,
        "line": f"{rates[best]:,.0f} images/s bare ({best})",
    }


def count_for(bare: Found, least: int = 2_000) -> int:
    """Return how many images keep the device busy for a few seconds."""
    return int(min(_MOST, max(least, _SECONDS * bare["best"])))


def with_share(found: Found, bare: Found, target: float) -> Found:
    """Add the share of the bare rate, and what was aimed at."""
    found["of_bare"] = round(found["rate"] / bare["best"], 3)
    alike = max(rate for how, rate in bare["rates"].items() if "bf16" not in how)
    found[f"of_bare_{HALF}"] = round(found["rate"] / alike, 3)
    found["targets"] = {f"at least {target} of bare": found["of_bare"] >= target}
    found["line"] = f"{found['rate']:,.0f} images/s, {found['of_bare']:.2f} of bare"
    found["line"] += f" ({found['rate'] / alike:.2f} of bare in {HALF})"
    return found


def from_files(setting: Setting, name: str, bare: Found) -> Found:
    """Time ``toolkit embed`` from JPEG files to rows on disk; the second of two passes counts."""
    from toolkit.features.fill import fill_store
    from toolkit.features.key import CacheKey

    work = setting.work / "embed"
    given = ready(setting, name)
    key = CacheKey(given[0], precision="fp32" if setting.small else HALF)
    images = images_of(setting, 64 if setting.small else count_for(bare))
    seconds = []
    for part in (images_of(setting, 32 if setting.small else 1024), images):
        shutil.rmtree(work / "embeddings", ignore_errors=True)
        started = time.perf_counter()
        filled = fill_store(part, key, lambda: given, work, engine="torch", device=setting.device)
        seconds.append(time.perf_counter() - started)
    shutil.rmtree(work / "embeddings", ignore_errors=True)
    found: Found = {"images": filled.computed, "seconds": [round(s, 3) for s in seconds]}
    found["rate"] = round(filled.computed / seconds[-1], 1)
    return with_share(found, bare, 0.7)


def from_store(setting: Setting, name: str, bare: Found) -> Found:
    """Time the engine from the pixel store to rows in one file; decoding is timed apart."""
    from toolkit.features.embedder import embedder
    from toolkit.features.engines.torch import TorchEngine
    from toolkit.images.pixel_store import PixelKey, PixelStore

    backbone, network = ready(setting, name)
    store = PixelStore(setting.work / "pixels", PixelKey.of(backbone.preprocess))
    images = images_of(setting, 64 if setting.small else min(_STORED, count_for(bare)))
    started = time.perf_counter()
    decoded = store.fill(images)
    decoding = time.perf_counter() - started
    places = store.find(images.digests)
    size = backbone.preprocess.size
    engine = TorchEngine(
        embedder(network, backbone, ("original",)), setting.device, HALF, size=size
    )
    rounds = 1 if setting.small else max(1, count_for(bare) // len(places))

    def embedded(places: np.ndarray) -> None:
        rows = np.empty((len(places), backbone.dim), np.float32)
        for start, pixels in blocks(lambda at: store.read(places[at]), len(places), engine.batch):
            engine.submit([pixels], rows[start : start + len(pixels)], lambda: None)
        engine.drain()
        np.save(setting.work / "rows.npy", rows)

    embedded(places)
    started = time.perf_counter()
    embedded(np.tile(places, rounds))  # one sweep, as over a store that holds as many
    seconds = time.perf_counter() - started
    found: Found = {
        "images": len(places),
        "rounds": rounds,
        "batch": engine.batch,
        "seconds": round(seconds, 3),
        "decoded": decoded,
        "decoding_seconds": round(decoding, 3),
        "rate": round(rounds * len(places) / seconds, 1),
    }
    return with_share(found, bare, 0.9)


def blocks(
    read: Callable[[np.ndarray], np.ndarray], count: int, batch: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Read batches in threads, a few ahead of their use."""
    starts = range(0, count, batch)
    with ThreadPoolExecutor(8) as threads:
        reads = [np.arange(start, min(start + batch, count)) for start in starts]
        ahead = [threads.submit(read, rows) for rows in reads[:12]]
        for number, start in enumerate(starts):
            yield start, ahead.pop(0).result()
            if number + 12 < len(reads):
                ahead.append(threads.submit(read, reads[number + 12]))


def plain(setting: Setting, name: str, bare: Found) -> Found:
    """Time what a careful user would write: a DataLoader with a worker a core, bf16 autocast.

    Workers are running and the network is warm when the clock starts; the best batch counts.
    """
    import torch
    from torch.utils.data import DataLoader

    from bench.plain_files import Files
    from toolkit.runtime.processor import cores

    backbone, network = ready(setting, name)
    module: Any = network.to(setting.torch_device, memory_format=torch.channels_last)
    paths = [str(path) for path in sorted(many(setting).glob("*.jpg"))]
    paths = paths[: 32 if setting.small else _PLAIN]
    rates = {}
    first = name == BACKBONES[0]
    for batch in (8,) if setting.small else (64, 256) if first else (256,):
        loader = DataLoader(
            Files(paths, backbone.preprocess),
            batch_size=batch,
            num_workers=cores(),
            pin_memory=setting.torch_device.type == "cuda",
        )
        rows, warm = [], 2
        with torch.inference_mode():
            for number, pixels in enumerate(loader):
                if number == warm:
                    setting.wait()
                    started = time.perf_counter()
                there = pixels.to(setting.torch_device, non_blocking=True)
                there = there.contiguous(memory_format=torch.channels_last)
                with torch.autocast(setting.torch_device.type, torch.bfloat16):
                    rows.append(module(there).float().cpu())
        rates[batch] = round((len(paths) - warm * batch) / (time.perf_counter() - started), 1)
    best = max(rates, key=lambda key: rates[key])
    return {
        "rates": rates,
        "best": rates[best],
        "of_bare": round(rates[best] / bare["best"], 3),
        "line": f"{rates[best]:,.0f} images/s by a plain script (batch {best}, {cores()} workers)",
    }


def decoding_rate(setting: Setting) -> Found:
    """Time reading, decoding and resizing alone: by a thread a core, and by a process a core."""
    from toolkit.images.feed import batches
    from toolkit.images.pixel_store import PixelKey
    from toolkit.runtime.processor import cores

    images = images_of(setting, 64 if setting.small else 12_000)
    preprocess, every = PixelKey(224, 256, "bicubic").preprocess, np.arange(len(images))
    rates = {}
    for name, processes in (("threads", 0), ("processes", cores())):
        for part in (every[:32], every):
            started = time.perf_counter()
            for _ in batches(images, part, 256, 512, preprocess, 2048, processes=processes):
                pass
        rates[name] = round(len(every) / (time.perf_counter() - started), 1)
    told = ", ".join(f"{rate:,.0f} by {name}" for name, rate in rates.items())
    return {"rates": rates, "line": f"{told}: images/s read, decoded and resized"}
