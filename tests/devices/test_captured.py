"""A forward pass is captured on the GPU that its batch is on, and on the stream it warmed up on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from toolkit.features.engines import captured
from toolkit.features.engines.captured import Captured
from toolkit.runtime.transfers import exact_products


class FakeCuda:
    """Notes in which GPU, stream and graph each operation is."""

    def __init__(self) -> None:
        self.device, self.streams, self.graph_on = 0, {0: "main 0", 1: "main 1"}, ""
        self.told: list[str] = []

    def Stream(self, device: Any) -> Any:  # noqa: N802
        return _Stream(self, torch.device("cuda:1").index)

    def current_stream(self, device: Any) -> Any:
        return _Stream(self, 1, self.streams[1])

    def CUDAGraph(self) -> Any:  # noqa: N802
        class Graph:
            def replay(_) -> None:  # noqa: N805
                self.told.append("replayed")

        return Graph()

    @contextmanager
    def on_device(self, device: Any) -> Iterator[None]:
        before, self.device = self.device, 1
        yield
        self.device = before

    @contextmanager
    def on(self, stream: Any) -> Iterator[None]:
        before, self.streams[stream.device] = self.streams[stream.device], stream.name
        yield
        self.streams[stream.device] = before

    @contextmanager
    def graph(self, graph: Any, stream: Any = None, **_: Any) -> Iterator[None]:
        stream = stream or _Stream(self, 0)  # as torch: on the first GPU
        with self.on(stream):
            self.graph_on = f"{stream.device} {stream.name}"
            yield
            self.graph_on = ""


class _Stream:
    def __init__(self, cuda: FakeCuda, device: int, name: str = "aside") -> None:
        self.cuda, self.device, self.name = cuda, device, name

    def wait_stream(self, other: Any) -> None:
        self.cuda.told.append(f"{self.name} waits for {other.name}")


def test_capturing_stays_on_the_gpu_and_the_stream_of_its_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = FakeCuda()
    for name in ("Stream", "current_stream", "CUDAGraph", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    monkeypatch.setattr(torch.cuda, "device", cuda.on_device)
    monkeypatch.setattr(torch.cuda, "stream", cuda.on)
    monkeypatch.setattr(captured, "_WARM_UPS", 2)

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        cuda.told.append(f"{cuda.device} {cuda.streams[1]} {cuda.graph_on}".strip())
        return pixels.sum(1)

    made = Captured(forward, torch.ones(2, 3))
    assert cuda.told == [
        *("aside waits for main 1", "1 aside", "1 aside", "main 1 waits for aside"),
        "1 aside 1 aside",  # captured by the stream that it ran on
    ]
    made(torch.full((2, 3), 5.0))
    assert cuda.told[-1] == "replayed"
    assert made._given.tolist() == [[5.0] * 3] * 2
    assert (cuda.device, cuda.streams[1]) == (0, "main 1")


def test_what_a_process_has_set_holds_while_products_are_exact() -> None:
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    device = torch.device("cuda")

    def settings() -> list[Any]:
        return [
            *(cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32),
            *(torch.get_float32_matmul_precision(), products.allow_tf32),
            products.allow_fp16_reduced_precision_reduction,
        ]

    try:
        with cudnn.flags(True, True, deterministic=True):
            torch.set_float32_matmul_precision("high")
            before = settings()
            with exact_products(device, "fp32"):
                assert settings() == [True, True, False, "highest", False, True]
            assert settings() == before == [True, True, True, "high", True, True]
            with exact_products(device, "fp16"):
                assert settings() == [*before[:-1], False]
            with exact_products(device, "bf16"):
                assert settings() == before
            assert settings() == before
    finally:
        torch.set_float32_matmul_precision("highest")
