"""Training throughput: our loop against the published loop's structure, interleaved.

    python bench/finetune.py --data NAME [--artifacts DIR] [--size 128] [--batches 20] [--rounds 3]

Theirs decodes each image with Pillow and transforms it in a DataLoader with two workers, and trains
in float32 with plain SGD. Ours reads the pixel store and augments batches on the device. Both train
the same backbone at the same size and batch. Beside them stands the ceiling: forward and backward
on one batch that never changes, at our precision. Each has a process of its own, ours and the
ceiling's with the heap that ``toolkit finetune`` sets up; one works at a time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from toolkit.data.dataset import Dataset
from toolkit.data.dataset_store import load_dataset
from toolkit.data.split_store import get_split
from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.features.loading import load
from toolkit.finetuning.depthwise import MixedDepthwise
from toolkit.finetuning.networks import Classifier, classifier
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.finetuning.trainer import Trainer
from toolkit.images.pixel_store import PixelKey, PixelStore
from toolkit.images.sources import Images
from toolkit.runtime.device import choose_device, choose_precision
from toolkit.runtime.heap import keep_freed_memory


class Files(TorchDataset[tuple[torch.Tensor, torch.Tensor]]):
    """Images decoded one by one, as the published loop's structure has it."""

    def __init__(self, dataset: Dataset, rows: np.ndarray, backbone: Backbone, size: int) -> None:
        self.paths = [dataset.paths[row] for row in rows]
        self.Y = torch.from_numpy(dataset.Y[rows].astype(np.float32))
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(size, scale=(0.5, 1.0)),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(backbone.preprocess.mean, backbone.preprocess.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        with Image.open(self.paths[row]) as image:
            pixels: torch.Tensor = self.transform(image.convert("RGB"))
        return pixels, self.Y[row]


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.device = choose_device(options.device)
        self.precision = choose_precision(options.precision, self.device)
        self.dataset = load_dataset(options.artifacts, options.data)
        train = get_split(self.dataset, "paper", options.artifacts).train
        random = np.random.default_rng(0)
        self.rows = random.permutation(train)[: options.batch_size * options.batches]
        self.backbone = self.network()[0]
        preprocess = replace(self.backbone.preprocess, resize=self.backbone.preprocess.size)
        self.store = PixelStore(options.artifacts, PixelKey.of(preprocess, options.size))
        images = Images(self.dataset.ids, self.dataset.paths, self.dataset.digests)
        started = time.perf_counter()
        self.decoded = self.store.fill(images)
        self.decoding = time.perf_counter() - started

    def network(self) -> tuple[Backbone, Classifier]:
        request = BackboneSpec(self.options.backbone, self.options.weights, crop="whole")
        backbone, trunk, _ = load(request)
        labels = len(self.dataset.labels)
        return backbone, classifier(backbone, trunk, labels, self.options.size)

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def ours(self) -> float:
        places = self.store.find(self.dataset.digests)
        how = Settings(
            epochs=1, batch_size=self.options.batch_size, compile=self.options.compile, views=False
        )
        training = Trainer(
            self.network()[1],
            Source.of_pixels(self.store, places, self.device),
            self.dataset.Y,
            self.rows,
            self.rows[:0],
            how,
            precision=self.precision,
            device=self.device,
        )
        # ours is timed as theirs is: with all that an epoch brings along
        return self.rate(lambda: training.run())

    def theirs(self) -> float:
        network = self.network()[1]
        trunk = nn.Sequential(network.trunk, network.head).to(self.device).train()
        optimizer = torch.optim.SGD(trunk.parameters(), lr=0.001)
        files = Files(self.dataset, self.rows, self.backbone, self.options.size)
        loader = DataLoader(files, self.options.batch_size, shuffle=True, num_workers=2)
        criterion = nn.BCEWithLogitsLoss()

        def epoch() -> None:
            for pixels, targets in loader:
                logits = trunk(pixels.to(self.device))
                loss = criterion(logits, targets.to(self.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        return self.rate(epoch)

    def ceiling(self) -> float:
        network = self.network()[1].to(self.device).train()
        network = network.to(memory_format=torch.channels_last)
        shape = (self.options.batch_size, 3, self.options.size, self.options.size)
        pixels = (torch.rand(shape) * 255).to(self.device)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        enabled = self.precision == "bf16"

        def passes() -> None:
            for _ in range(self.options.batches):
                network.zero_grad(set_to_none=True)
                cpu = self.device == "cpu" and enabled
                mixed = MixedDepthwise() if cpu else nullcontext()
                with torch.autocast(self.device, torch.bfloat16, enabled=enabled), mixed:
                    loss = network(pixels).float().square().mean()
                loss.backward()

        return self.rate(passes)

    def rate(self, work: Callable[[], object]) -> float:
        self.wait()
        started = time.perf_counter()
        work()
        self.wait()
        return len(self.rows) / (time.perf_counter() - started)


_bench: list[Bench] = []


def set_up(options: argparse.Namespace, keep: bool) -> None:
    """Make a process ready to measure one side."""
    if keep:
        keep_freed_memory()
    _bench.append(Bench(options))


def measured(side: str) -> float:
    """Return one side's images a second, in its process."""
    found: float = getattr(_bench[0], side)()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    bench = Bench(options)
    found: dict[str, list[float]] = {"ours": [], "theirs": [], "ceiling": []}
    context = multiprocessing.get_context("spawn")
    processes = {
        name: ProcessPoolExecutor(1, context, set_up, (options, name != "theirs")) for name in found
    }
    for number in range(options.rounds + 1):
        for name, values in found.items():
            value = processes[name].submit(measured, name).result()
            if number:  # the first round warms up
                values.append(value)
    for process in processes.values():
        process.shutdown()
    median = {name: statistics.median(values) for name, values in found.items()}
    document: dict[str, Any] = {
        "backbone": options.backbone,
        "size": options.size,
        "batch_size": options.batch_size,
        "batches": options.batches,
        "rounds": options.rounds,
        "device": bench.device,
        "precision": bench.precision,
        "compile": options.compile,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "images_decoded_before": bench.decoded,
        "seconds_decoding_before": round(bench.decoding, 2),
        "images_per_second": {name: round(value, 1) for name, value in median.items()},
        "all": {name: [round(value, 1) for value in values] for name, values in found.items()},
        "ratio": round(median["ours"] / median["theirs"], 2),
        "of_ceiling": round(median["ours"] / median["ceiling"], 3),
    }
    print(f"{'':10}{'images/s':>10}{'x theirs':>10}")
    for name, value in median.items():
        print(f"{name:10}{value:>10.1f}{value / median['theirs']:>10.2f}")
    print(json.dumps(document, indent=1))
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
