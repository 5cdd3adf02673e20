"""Phase a: does a GPU compute what a processor computes, and does a run survive what happens."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.gpu_phases import Found, Record
from bench.gpu_setup import BACKBONES, OTHERS, ROOT, STAND_IN, Setting

COSINE = {"fp32": 0.99999, "fp16": 0.999, "bf16": 0.999}
HALF = "fp16"  # that a GPU embeds in
_IMAGES = 48
_HEADS = 1e-3


def run(setting: Setting, record: Record) -> None:
    """Take the steps, the most telling first."""
    first, *others = (STAND_IN,) if setting.small else (*BACKBONES, *OTHERS)
    record.step(f"embed {first}", lambda: embeddings(setting, first), limit=40)
    record.step("heads", lambda: heads(setting), limit=25)
    record.step("fine-tuning step", lambda: training_step(setting), limit=20)
    record.step("fine-tuning graphs", lambda: training_graphs(setting), limit=20)
    record.step("memory runs out", lambda: out_of_memory(setting), limit=20)
    record.step("tests marked gpu", lambda: gpu_tests(setting), needs=10, limit=60)
    record.step("resume after a kill", lambda: resume(setting), needs=15, limit=60)
    record.step("rates of the machine", lambda: ceilings(setting), limit=10)
    for name in others:
        record.step(f"embed {name}", partial(embeddings, setting, name), needs=3, limit=15)


def ceilings(setting: Setting) -> Found:
    """Measure the two rates that bound everything: of copies and of matrix products."""
    import torch

    device = setting.torch_device
    side = 128 if setting.small else 8192
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    block = torch.randn((1 << 20) if setting.small else (1 << 29), device=device)
    other = torch.empty_like(block)
    product = seconds_each(setting, lambda: a @ b)
    copy = seconds_each(setting, lambda: other.copy_(block))
    tflops, gbytes = 2 * side**3 / product / 1e12, 2 * block.numel() * 4 / copy / 1e9
    return {
        "bf16_tflops": round(tflops, 2),
        "copy_gb_per_s": round(gbytes, 1),
        "line": f"bf16 product {tflops:.1f} TFLOP/s, copy {gbytes:.0f} GB/s read and written",
    }


def seconds_each(setting: Setting, work: Callable[[], object], budget: float = 0.8) -> float:
    """Return the median seconds of ``work``, of three rounds that take about ``budget`` together.

    It is warmed up first.
    """

    def timed(count: int) -> float:
        setting.wait()
        started = time.perf_counter()
        for _ in range(count):
            work()
        setting.wait()
        return (time.perf_counter() - started) / count

    work()
    count = min(100, max(1, round(budget / 3 / max(timed(1), 1e-6))))
    return float(np.median([timed(count) for _ in range(3)]))


def pixels_of(setting: Setting, backbone: Any, count: int) -> np.ndarray:
    """Return decoded photographs ``uint8 (count, size, size, 3)``."""
    from toolkit.images.feed import decode_group, decoding
    from toolkit.images.sources import Images

    dataset = setting.dataset
    images = Images(dataset.ids, dataset.files, dataset.digests, dataset.root)
    with decoding():
        part = [images[row] for row in range(min(count, len(images)))]
        return decode_group(part, backbone.preprocess)[1]


def loaded(setting: Setting, name: str) -> tuple[Any, Any]:
    """Return a backbone and its network, with weights where there are any."""
    from toolkit.features.backbones import BackboneSpec
    from toolkit.features.loading import load

    spec = BackboneSpec(name, setting.weights_of(name), size=setting.size_of(name))
    backbone, network, _ = load(spec)
    return backbone, network


def embeddings(setting: Setting, name: str) -> Found:
    """Compare rows of the device's engine with fp32 on the processor.

    Beside the cosine stands the deviation of rows without their mean, relative to their length: of
    a network with random weights all rows look alike, and their cosines say little.
    """
    import copy

    import torch

    from toolkit.features.embedder import embedder
    from toolkit.features.engines.torch import TorchEngine

    backbone, network = loaded(setting, name)
    pixels = pixels_of(setting, backbone, 8 if setting.small else _IMAGES)
    module = embedder(network, backbone, ("original",))
    with torch.inference_mode():
        wanted = module(torch.from_numpy(pixels)).numpy()
    found: Found = {"weights": backbone.weights, "images": len(pixels), "checks": {}, "targets": {}}
    for precision, least in COSINE.items():
        for graph in (False, True):
            engine = TorchEngine(
                copy.deepcopy(module), setting.device, precision, len(pixels), graph=graph
            )
            rows = np.full((3, *wanted.shape), np.nan, np.float32)
            for out in rows:  # more than once: the first pass of a graph is no replay
                engine.submit([pixels], out, lambda: None)
            engine.drain()
            cosine = min(float(cosines(out, wanted).min()) for out in rows)
            off = max(centred(out, wanted) for out in rows)
            key = f"{precision}{' graph' if graph else ''}"
            found[key] = {"cosine": round(cosine, 7), "centred_deviation": round(off, 6)}
            # nothing is embedded in bf16 here unless it is asked for
            told = "targets" if precision == "bf16" else "checks"
            found[told][f"{key} cosine at least {least}"] = cosine >= least
    found["line"] = ", ".join(
        f"{key} {found[key]['cosine']:.6f}"
        for key in (*COSINE, *(f"{precision} graph" for precision in COSINE))
    )
    found["line"] += f" ({backbone.weights} weights)"
    return found


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair of rows, NaN where a row is no number."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    found: np.ndarray = np.nan_to_num((a * b).sum(1) / lengths, nan=-1.0)
    return found


def centred(a: np.ndarray, b: np.ndarray) -> float:
    """Return how far rows lie from the right ones, relative to the spread of those."""
    spread = float(np.linalg.norm(b - b.mean(0)))
    return float(np.linalg.norm(a.astype(np.float64) - b)) / max(spread, 1e-12)


def trainer(setting: Setting, device: str, settings: Any, *, count: int = 256, **more: Any) -> Any:
    """Return a run of Lite0 (a stand-in on a processor) over some pictures of noise."""
    from toolkit.features.backbones import BackboneSpec
    from toolkit.features.loading import load
    from toolkit.finetuning.networks import classifier, seeded
    from toolkit.finetuning.source import Source
    from toolkit.finetuning.trainer import Trainer

    name = STAND_IN if setting.small else "efficientnet_lite0"
    weights = "none" if setting.small else setting.weights_of(name)
    side = 32 if setting.small else 128
    random = np.random.default_rng(0)
    Y = (random.random((count, 14)) < 0.2).astype(np.int8)
    X = random.integers(0, 256, (count, side, side, 3), np.uint8)
    X[:, :8, :8] = 255 * Y[:, :1, None, None].astype(np.uint8)

    def build() -> Any:
        backbone, trunk, _ = load(BackboneSpec(name, weights, crop="full"))
        return classifier(backbone, trunk, Y.shape[1], side)

    source = Source(lambda rows: X[rows], len(X), True, device, X[0].nbytes)
    at = np.arange(count)
    cut = count * 3 // 4
    return Trainer(
        seeded(build, 0)(), source, Y, at[:cut], at[cut:], settings, device=device, **more
    )


def training_step(setting: Setting) -> Found:
    """Compare the weights after a step of plain SGD, in fp32, with the processor's.

    Augmentation rounds colours, so that a last bit may move a pixel by a whole level.
    """
    from toolkit.finetuning.settings import Settings

    plain = Settings(
        epochs=1, batch_size=32, optimizer="sgd", momentum=0.0, weight_decay=0.0, warm_up=0.0,
        schedule="constant", learning_rate=0.1, trunk_rate=1.0, layer_decay=1.0,
    )  # fmt: skip
    found: Found = {"checks": {}}
    cases = {
        "plain": (plain, 1e-2),
        "augmented": (plain.changed({"trivial": True, "colour": 0.2, "rotate": 10.0}), 1e-1),
    }
    for name, (how, most) in cases.items():
        moved = []
        for device in ("cpu", setting.device):
            run = trainer(setting, device, how, precision="fp32", graph=False)
            before = flat(run.network)
            run.train_step()
            moved.append(flat(run.network) - before)
        off = float(np.linalg.norm(moved[1] - moved[0]) / np.linalg.norm(moved[0]))
        found[name] = off
        found["checks"][f"a step ({name}) in fp32 within {most:g}"] = off < most
    found["line"] = "off by " + ", ".join(f"{found[name]:.1e} ({name})" for name in cases)
    found["line"] += " of its length"
    return found


def training_graphs(setting: Setting) -> Found:
    """Compare some steps with and without captured graphs, which must be the same computation."""
    from toolkit.finetuning.settings import Settings

    how = Settings(epochs=2, batch_size=32, optimizer="sgd", learning_rate=0.05)
    weights, seconds, captured = [], [], False
    for graph in (False, True):
        run = trainer(setting, setting.device, how, precision="fp32", graph=graph)
        started = time.perf_counter()
        for _ in range(4):
            run.train_step()
        setting.wait()
        seconds.append(round(time.perf_counter() - started, 3))
        captured = run.captured.active
        weights.append(flat(run.network))
    start = flat(trainer(setting, "cpu", how, graph=False).network)
    off = float(np.linalg.norm(weights[1] - weights[0]) / np.linalg.norm(weights[0] - start))
    return {
        "captured": captured,
        "relative_deviation": off,
        "seconds": seconds,
        "checks": {
            "four steps with a graph within 5e-2": off < 5e-2,
            "a graph was captured": captured or not setting.device.startswith("cuda"),
        },
        "line": f"with graphs off by {off:.1e} of the way, captured: {captured}",
    }


def flat(network: Any) -> np.ndarray:
    """Return all weights in one row."""
    parts = [p.detach().float().cpu().numpy().ravel() for p in network.parameters()]
    return np.concatenate(parts).astype(np.float64)


def heads(setting: Setting) -> Found:
    """Compare scores of heads fitted on the device with those of heads fitted on a processor."""
    from toolkit.heads.linear import LinearHead
    from toolkit.heads.mlp import MLPHead
    from toolkit.heads.multitask import MultitaskHead

    count, width = (300, 32) if setting.small else (6000, 1280)
    random = np.random.default_rng(0)
    X = random.standard_normal((count, width)).astype(np.float32)
    Y = (X @ random.standard_normal((width, 14)) > 0.8 * np.sqrt(width)).astype(np.int8)
    cut = count * 2 // 3
    found: Found = {"checks": {}}
    on = setting.device if setting.device != "mps" else "cpu"
    makes: dict[str, Any] = {
        # until what is left is rounding: by default scores are known to 2e-3 on such rows
        "linear": lambda device: LinearHead(Cs=[0.01, 0.1], tol=1e-8, device=device),
        "mlp": lambda device: MLPHead(epochs=3, precision="fp32", device=device),
    }
    for name, make in makes.items():
        scores, seconds = [], []
        for device in ("cpu", on):
            started = time.perf_counter()
            head = make(device).fit(X[:cut], Y[:cut])
            seconds.append(round(time.perf_counter() - started, 3))
            scores.append(np.asarray(head.predict_proba(X[cut:])))
        off = float(np.abs(scores[1] - scores[0]).max())
        found[name] = {"largest_difference": off, "seconds": seconds}
        found["checks"][f"{name} scores within {_HEADS}"] = off < _HEADS
    # its dropout is drawn on the device: another one gives other masks
    MultitaskHead(epochs=2, tasks=("cardinality",), device=on).fit(X[:cut], Y[:cut])
    found["line"] = ", ".join(
        f"{name} off by {found[name]['largest_difference']:.1e}" for name in makes
    )
    return found


def out_of_memory(setting: Setting) -> Found:
    """Give the engine too little memory for its batch: it must halve it, and lose no row."""
    import copy

    import torch

    from toolkit.features.embedder import embedder
    from toolkit.features.engines.torch import TorchEngine

    name = STAND_IN if setting.small else "vgg16"
    backbone, network = loaded(setting, name)
    pixels = np.tile(pixels_of(setting, backbone, 8), (8 if setting.small else 32, 1, 1, 1))
    module = embedder(network, backbone, ("original",))
    wanted = np.empty((len(pixels), backbone.dim), np.float32)
    out = np.full_like(wanted, np.nan)
    device, cuda = setting.torch_device, setting.torch_device.type == "cuda"
    if cuda:  # a device without its number has no memory of its own to limit
        device = torch.empty(0, device=device).device
    plain = TorchEngine(copy.deepcopy(module), setting.device, HALF, 8, graph=False)
    for start in range(0, len(pixels), 8):
        plain.submit([pixels[start : start + 8]], wanted[start : start + 8], lambda: None)
    plain.drain()
    del plain
    taken = 0
    if cuda:
        taken = _memory_of(TorchEngine(copy.deepcopy(module), setting.device, HALF, len(pixels)))
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(device)
        whole = torch.cuda.get_device_properties(device).total_memory
        share = (before + 0.6 * taken) / whole
        torch.cuda.set_per_process_memory_fraction(share, device)
    else:
        module = _Greedy(module, most=10)
    try:
        engine = TorchEngine(module, setting.device, HALF, len(pixels))
        engine.submit([pixels], out, lambda: None)
        engine.drain()
    finally:
        if cuda:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
    cosine = float(cosines(out, wanted).min())
    return {
        "batch": [len(pixels), engine.slice],
        "gib_of_the_whole_batch": round(taken / 2**30, 2),
        "cosine": cosine,
        "checks": {
            "the batch was halved": engine.slice < len(pixels),
            "rows are as before": cosine >= COSINE[HALF],
        },
        "line": f"batches of {len(pixels)} became {engine.slice}, rows' cosine {cosine:.6f}",
    }


def _memory_of(engine: Any) -> int:
    """Return the bytes that a batch of an engine takes on a GPU, its network's among them."""
    import torch

    device = engine._device
    torch.cuda.reset_peak_memory_stats(device)
    network = sum(value.nbytes for value in engine._module.state_dict().values())
    before: int = torch.cuda.memory_allocated(device) - network
    side = 224
    engine._run(torch.zeros((engine.batch, side, side, 3), dtype=torch.uint8, device=device))
    peak: int = torch.cuda.max_memory_allocated(device)
    return peak - before


def _Greedy(module: Any, most: int) -> Any:  # noqa: N802
    """Return a module that needs more memory than there is for more than a few pictures."""
    import torch

    class Greedy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > most:
                raise torch.OutOfMemoryError("out of memory")
            found: torch.Tensor = module(x)
            return found

    return Greedy()


def resume(setting: Setting) -> Found:
    """Kill a training run, go on from its checkpoint, and compare with one that was not killed."""
    places = [setting.work / "resume" / name for name in ("whole", "killed")]
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    env = os.environ | {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # its products are deterministic then

    def started(place: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, __file__, *_arguments(setting), str(place)]
        running.append(subprocess.Popen(command, cwd=ROOT, env=env))
        return running[-1]

    running: list[subprocess.Popen[bytes]] = []
    kills = 0
    try:
        whole, killed = (started(place) for place in places)
        while killed.poll() is None and not kills:
            if (places[1] / "checkpoint").is_file():
                killed.kill()
                kills += killed.wait() == -signal.SIGKILL
            time.sleep(0.005)
        if kills:
            killed = started(places[1])
        for process in (whole, killed):
            if process.wait():
                raise RuntimeError(f"a run ended with exit code {process.returncode}")
    finally:
        for process in running:
            process.kill()
    scores = [np.load(place / "logits.npy") for place in places]
    off = float(np.abs(scores[1] - scores[0]).max())
    return {
        "kills": kills,
        "same_bits": bool((scores[0] == scores[1]).all()),
        "largest_difference_of_a_logit": off,
        "checks": {"killed once": kills == 1, "logits within 5e-2": off < 5e-2},
        "line": f"logits differ by {off:.1e} at most after {kills} kill",
    }


def _arguments(setting: Setting) -> list[str]:
    weights = "" if setting.weights is None else str(setting.weights)
    return [setting.device, weights, str(setting.work)]


def _train_to_the_end(device: str, weights: str, work: str, place: str) -> None:
    """Train with checkpoints after every step; for :func:`resume`."""
    import torch

    from toolkit.finetuning.callbacks import Callbacks
    from toolkit.finetuning.settings import Settings

    torch.use_deterministic_algorithms(True, warn_only=True)
    setting = Setting(device, 0, None, Path(weights) if weights else None, Path(work))
    how = replace(Settings(), epochs=2, batch_size=32)
    run = trainer(setting, device, how, precision="fp32", graph=False)
    network = run.run(Path(place) / "checkpoint", Callbacks(save_every=0.0))
    beside = Path(place) / "part.npy"
    np.save(beside, run.logits(np.arange(64), network))
    os.replace(beside, Path(place) / "logits.npy")


def gpu_tests(setting: Setting) -> Found:
    """Run the tests that are marked ``gpu``; without one they are skipped."""
    command = [
        *(sys.executable, "-m", "pytest", "-m", "gpu", "-o", "addopts=", "-q", "-W", "default"),
        *("--import-mode=importlib", "-p", "no:xdist", "-p", "no:cacheprovider", "tests/devices"),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    end = (ran.stdout.strip().splitlines() or [ran.stderr.strip()[-300:]])[-1]
    counted = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", end)}
    return {
        "counted": counted,
        "output": "" if ran.returncode == 0 else ran.stdout[-6000:] + ran.stderr[-2000:],
        "checks": {
            "no test failed": ran.returncode == 0,
            "tests ran": counted.get("passed", 0) > 0 or not setting.device.startswith("cuda"),
        },
        "line": end,
    }


if __name__ == "__main__":
    _train_to_the_end(*sys.argv[1:])
