"""How long a network's first passes take on a GPU, in a process of its own, and the later ones.

    python bench/gpu_first.py VARIANT BACKBONE DEVICE [WEIGHTS]      prints one line of JSON

cuDNN compiles some kernels when they are first used, depthwise convolutions' among them, anew in
every process (cudnn-frontend issue 1066, PyTorch pull request 170340). Variants: ``as-it-is``;
``precompiled`` asks torch for kernels that are not compiled at run time, where it can be asked;
``native`` gives depthwise convolutions to torch's own kernels.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = ("as-it-is", "precompiled", "native")
_ENV = "TORCH_CUDNN_V8_API_RTC_ENABLED"
_PASSES = 20


def main(variant: str, backbone: str, device: str, weights: str = "none") -> None:
    """Time both passes and print what was found."""
    if variant == "precompiled":
        os.environ[_ENV] = "0"
    import torch

    from toolkit.features.backbones import BackboneSpec
    from toolkit.features.embedder import embedder
    from toolkit.features.loading import load
    from toolkit.finetuning.networks import classifier

    if variant == "native":
        _without_cudnn()
    small = device == "cpu"
    spec, trunk, _ = load(BackboneSpec(backbone, weights))
    module: Any = embedder(trunk, spec, ("original",))
    module = module.to(device, memory_format=torch.channels_last)
    side = spec.preprocess.size
    some = torch.zeros((4 if small else 256, side, side, 3), dtype=torch.uint8, device=device)

    def embed() -> None:
        with torch.inference_mode(), torch.autocast(some.device.type, torch.float16):
            module(some)

    found = {"embed": timed(embed, some)}
    spec, trunk, _ = load(BackboneSpec(backbone, weights))
    side = 64 if small else 128
    network: Any = classifier(spec, trunk, 14, side)
    network = network.to(device, memory_format=torch.channels_last)
    pictures = torch.rand((4 if small else 64, 3, side, side), device=device) * 255
    pictures = pictures.contiguous(memory_format=torch.channels_last)

    def learn() -> None:
        network.zero_grad(set_to_none=True)
        with torch.autocast(pictures.device.type, torch.bfloat16):
            loss = network(pictures).float().square().mean()
        loss.backward()

    network.train()
    found["train"] = timed(learn, pictures)
    print(json.dumps(found))


def timed(work: Callable[[], None], batch: Any) -> dict[str, float]:
    """Return the seconds of the first call, and the images a second of later ones."""
    import torch

    def wait() -> None:
        if batch.device.type == "cuda":
            torch.cuda.synchronize(batch.device)

    seconds = []
    for calls in (1, 2, _PASSES if batch.device.type == "cuda" else 2):
        wait()
        started = time.perf_counter()
        for _ in range(calls):
            work()
        wait()
        seconds.append((time.perf_counter() - started) / calls)
    return {"first": round(seconds[0], 3), "images_per_second": round(len(batch) / seconds[-1], 1)}


def _without_cudnn() -> None:
    """Let depthwise convolutions, and no others, do without cuDNN."""
    import torch

    inner = torch.nn.Conv2d._conv_forward

    def forward(self: Any, x: Any, weight: Any, bias: Any) -> Any:
        if self.groups == 1 or self.groups != self.in_channels:
            return inner(self, x, weight, bias)
        with torch.backends.cudnn.flags(enabled=False):
            return inner(self, x, weight, bias)

    torch.nn.Conv2d._conv_forward = forward  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(*sys.argv[1:])
