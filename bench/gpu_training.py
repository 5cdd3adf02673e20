"""Phase e: images a second of fine-tuning, beside two plain loops and the bare passes."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np

from bench.gpu_correct import loaded, seconds_each
from bench.gpu_phases import Found, Record
from bench.gpu_setup import STAND_IN, Setting


def run(setting: Setting, record: Record) -> None:
    """Measure Lite0 at two sizes, then a network of another kind."""
    cases = [("efficientnet_lite0", 128, 64), ("efficientnet_lite0", 224, 64)]
    cases += [("resnet50", 224, 64)]
    if setting.small:
        cases = [(STAND_IN, 32, 16)]
    for name, side, batch in cases:
        case = f"{name} {side}"
        bare = record.step(
            f"bare {case}", partial(passes, setting, name, side, batch), needs=5, limit=15
        )
        if bare is None:
            continue
        record.step(
            f"ours {case}", partial(ours, setting, name, side, batch, bare), needs=5, limit=20
        )
        for loop in ("good", "published"):
            step = partial(plain, setting, name, side, batch, loop)
            record.step(f"{loop} loop {case}", step, needs=8, limit=20)


def network_of(setting: Setting, name: str, side: int) -> tuple[Any, Any]:
    """Return a backbone's facts, and it with a new output layer."""
    from toolkit.finetuning.networks import classifier

    backbone, trunk = loaded(setting, name)
    return backbone, classifier(backbone, trunk, len(setting.dataset.labels), side)


def passes(setting: Setting, name: str, side: int, batch: int) -> Found:
    """Time forward and backward passes on one batch, eager and captured."""
    import torch

    from toolkit.finetuning.captured import captured

    _, network = network_of(setting, name, side)
    network = network.to(setting.torch_device, memory_format=torch.channels_last).train()
    pixels = torch.rand((batch, 3, side, side), device=setting.torch_device) * 255
    pixels = pixels.contiguous(memory_format=torch.channels_last)

    def eager() -> None:
        network.zero_grad(set_to_none=True)
        with torch.autocast(setting.torch_device.type, torch.bfloat16):
            loss = network(pixels).float().square().mean()
        loss.backward()

    rates = {"eager": round(batch / seconds_each(setting, eager), 1)}
    if setting.torch_device.type == "cuda":
        at_once = captured(network, pixels, "bf16")
        if at_once is not None:

            def replayed() -> None:
                network.zero_grad(set_to_none=True)
                at_once(pixels).square().mean().backward()  # type: ignore[no-untyped-call]

            rates["captured"] = round(batch / seconds_each(setting, replayed), 1)
    best = max(rates, key=lambda key: rates[key])
    return {
        "rates": rates,
        "best": rates[best],
        "line": f"{rates[best]:,.0f} images/s of bare passes ({best}; eager {rates['eager']:,.0f})",
    }


def _rows(setting: Setting, batch: int) -> np.ndarray:
    count = min(len(setting.dataset), 4 * batch if setting.small else 60 * batch)
    return np.random.default_rng(0).permutation(len(setting.dataset))[:count]


def ours(setting: Setting, name: str, side: int, batch: int, bare: Found) -> Found:
    """Time an epoch of our loop from the pixel store, the second of two; and without graphs."""
    from toolkit.finetuning.settings import Settings
    from toolkit.finetuning.source import Source
    from toolkit.finetuning.trainer import Trainer
    from toolkit.images.pixel_store import PixelKey, PixelStore
    from toolkit.images.sources import Images

    dataset, rows = setting.dataset, np.sort(_rows(setting, batch))
    how = Settings(epochs=2, batch_size=batch, views=False)
    ids, files = ([part[row] for row in rows] for part in (dataset.ids, dataset.files))
    images = Images(ids, files, dataset.digests[rows], dataset.root)
    Y, at, rates = dataset.Y[rows], np.arange(len(rows)), {}
    for graph in (True, False):
        backbone, network = network_of(setting, name, side)
        store = PixelStore(setting.work / "pixels", PixelKey.of(backbone.preprocess, side))
        store.fill(images)
        source = Source.of_pixels(store, store.find(images.digests), setting.device)
        run = Trainer(
            network, source, Y, at, at[:0], how,
            precision="bf16", device=setting.device, graph=graph,
        )  # fmt: skip
        run.run()
        rates["graph" if graph else "eager"] = run.history[-1]["images_per_second"]
    share = round(max(rates.values()) / bare["best"], 3)
    told = f"{rates['graph']:,.0f} images/s (eager {rates['eager']:,.0f}), {share:.2f} of bare"
    return {
        "rates": rates,
        "of_bare": share,
        "targets": {"at least 0.85 of bare passes": share >= 0.85},
        "line": told,
    }


def plain(setting: Setting, name: str, side: int, batch: int, loop: str) -> Found:
    """Time a plain loop over a DataLoader; its workers run when the clock starts.

    ``published``: as the paper's code has it, two workers, fp32, SGD. ``good``: a worker a core,
    pinned memory, channels last, bf16, fused AdamW.
    """
    import torch
    from torch.utils.data import DataLoader

    from bench.plain_files import Learned
    from toolkit.runtime.processor import cores

    good, device = loop == "good", setting.torch_device
    backbone, network = network_of(setting, name, side)
    net = torch.nn.Sequential(network.trunk, network.head).to(device).train()
    if good:
        net = net.to(memory_format=torch.channels_last)
    rows = _rows(setting, batch)
    if not good and not setting.small:
        rows = rows[: 20 * batch]
    dataset = setting.dataset
    paths = [str(dataset.paths[row]) for row in rows]
    learned = Learned(
        paths, torch.from_numpy(dataset.Y[rows].astype(np.float32)), backbone.preprocess, side
    )
    loader = DataLoader(
        learned, batch, shuffle=True, num_workers=cores() if good else 2,
        pin_memory=good and device.type == "cuda", persistent_workers=True,
    )  # fmt: skip
    optimizer: torch.optim.Optimizer = (
        torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)
        if good
        else torch.optim.SGD(net.parameters(), lr=0.001)
    )
    criterion = torch.nn.BCEWithLogitsLoss()

    def epoch() -> None:
        for pixels, targets in loader:
            there = pixels.to(device, non_blocking=good)
            wanted = targets.to(device, non_blocking=good)
            if good:
                there = there.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=good):
                loss = criterion(net(there), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    epoch()  # warms up the workers and the network
    setting.wait()
    started = time.perf_counter()
    epoch()
    setting.wait()
    rate = len(rows) / (time.perf_counter() - started)
    return {"rate": round(rate, 1), "line": f"{rate:,.0f} images/s by the {loop} loop"}
