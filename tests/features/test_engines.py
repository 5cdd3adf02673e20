from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from tests.features.feature_fakes import BACKBONE, GREY, no_network
from toolkit.errors import UsageError
from toolkit.features.backbones import Backbone
from toolkit.features.embedder import Embedder, embedder
from toolkit.features.engines.base import Engine
from toolkit.features.engines.choose import make_engine
from toolkit.features.engines.converted import FILES, MOST, finish, give, take
from toolkit.features.engines.openvino import OpenVINOEngine
from toolkit.features.engines.torch import TorchEngine
from toolkit.images.preprocess import Preprocess


@pytest.fixture(autouse=True, scope="module")
def alone() -> Iterator[None]:
    """Find nothing that another artifacts folder has converted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOLKIT_CACHE", "")
        yield


SIZE, DIM = 16, 5
TINY = replace(BACKBONE, preprocess=Preprocess(SIZE, SIZE, "bilinear", GREY, GREY), dim=DIM)
PLAIN, BOTH = ("original",), ("original", "hflip")


class Network(nn.Module):
    """A convolution, a pooling, a linear layer; ``extra`` may misbehave."""

    def __init__(self, extra: Callable[[torch.Tensor], torch.Tensor] | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 8, 3)
            self.linear = nn.Linear(8, DIM)
        self.extra = extra

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = torch.relu(self.conv(x)).mean((2, 3))
        out: torch.Tensor = self.linear(pooled)
        return self.extra(out) if self.extra else out


def pixels(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def run(engine: Engine, batch: np.ndarray) -> np.ndarray:
    out = np.full((len(batch), DIM), np.nan, np.float32)
    done: list[int] = []
    for start in range(0, len(batch), engine.batch):
        part = slice(start, start + engine.batch)
        engine.submit([batch[part]], out[part], lambda: done.append(1))
    engine.drain()
    assert len(done) == -(-len(batch) // engine.batch)
    return out


def plainly(batch: np.ndarray, network: nn.Module | None = None) -> np.ndarray:
    """Compute the features as their definition says: scaled to [0, 1], normalised, forward."""
    x = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        features: np.ndarray = (network or Network())((x - 0.5) / 0.5).numpy()
    return features


def torch_engine(network: nn.Module | None = None, **options: Any) -> TorchEngine:
    module = embedder(network or Network(), TINY, PLAIN)
    given: dict[str, Any] = {"device": "cpu", "precision": "fp32", "batch": 8} | options
    return TorchEngine(module, **given)


def test_the_embedder_normalises_as_the_transform_would() -> None:
    module = Embedder(Network(), TINY.preprocess)
    with torch.inference_mode():
        got = module(torch.from_numpy(pixels(4))).numpy()
    assert np.allclose(got, plainly(pixels(4)), atol=1e-6)


def test_two_views_are_the_mean_of_the_image_and_its_mirror_image() -> None:
    batch = pixels(4)
    with torch.inference_mode():
        got = embedder(Network(), TINY, BOTH)(torch.from_numpy(batch)).numpy()
    mirrored = plainly(np.ascontiguousarray(batch[:, :, ::-1]))
    assert np.allclose(got, (plainly(batch) + mirrored) / 2, atol=1e-6)
    assert not np.allclose(mirrored, plainly(batch), atol=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_torch_gives_a_row_whatever_its_place_and_company(precision: str) -> None:
    batch = pixels(8)
    engine = torch_engine(precision=precision)
    together = run(engine, batch)
    order = np.random.default_rng(1).permutation(8)
    assert (run(engine, batch[order]) == together[order]).all()
    for n in range(8):
        assert (run(engine, batch[n : n + 1]) == together[n]).all()
    tolerance = 1e-5 if precision == "fp32" else 2e-2
    assert np.allclose(together, plainly(batch), atol=tolerance)


class Greedy(nn.Module):
    """Needs more memory than there is for more than a few images at once."""

    def __init__(self, most: int, told: str | None = None) -> None:
        super().__init__()
        self.network = Network()
        self.most, self.told = most, told
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("none") if self.told is None else RuntimeError(self.told)
        features: torch.Tensor = self.network(x)
        return features


def test_out_of_memory_halves_the_batch_once_and_for_all(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.features.engines.torch.cores", lambda: 1)
    greedy = Greedy(most=3)
    engine = torch_engine(greedy, batch=12)
    with caplog.at_level(logging.WARNING):
        got = run(engine, pixels(24))
    assert np.allclose(got, plainly(pixels(24)), atol=1e-5)
    assert greedy.sizes == [12, 6, 3, 3, 3, 3, 3, 3, 3, 3]
    assert [record.getMessage() for record in caplog.records] == [
        "memory ran out: batches of 6 from here on",
        "memory ran out: batches of 3 from here on",
    ]


def test_out_of_memory_for_a_single_image_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        run(torch_engine(Greedy(most=0)), pixels(3))


@pytest.mark.parametrize(
    "library", ["cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUDA out of memory"]
)
def test_a_library_s_own_words_for_too_little_memory_count(library: str) -> None:
    greedy = Greedy(most=3, told=library)
    assert np.allclose(run(torch_engine(greedy, batch=6), pixels(6)), plainly(pixels(6)), atol=1e-5)
    assert greedy.sizes == [6, 3, 3]
    other = Greedy(most=3, told="expected all tensors on one device")
    with pytest.raises(RuntimeError, match="on one device"):
        run(torch_engine(other, batch=6), pixels(6))
    assert other.sizes == [6]


def test_torch_runs_several_batches_at_once_and_puts_each_row_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("toolkit.features.engines.torch.cores", lambda: 4)
    threads = torch.get_num_threads()
    got = run(torch_engine(batch=2), pixels(61))
    assert np.allclose(got, plainly(pixels(61)), atol=1e-5)
    assert torch.get_num_threads() == threads


def openvino(
    folder: Path,
    network: nn.Module | None = None,
    views: tuple[str, ...] = PLAIN,
    precision: str = "fp32",
    backbone: Backbone = TINY,
) -> OpenVINOEngine:
    return OpenVINOEngine(
        backbone, lambda: (backbone, network or Network()), views, precision, folder
    )


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    for precision in ("fp32", "bf16"):
        openvino(folder, precision=precision)
    return folder


def test_openvino_gives_what_torch_gives_whatever_the_place_and_company(converted: Path) -> None:
    batch = pixels(21)
    engine = openvino(converted)
    together = run(engine, batch)
    assert np.allclose(together, plainly(batch), atol=1e-5)
    order = np.random.default_rng(1).permutation(21)
    assert (run(engine, batch[order]) == together[order]).all()
    assert (run(engine, batch[3:4])[0] == together[3]).all()
    low = run(openvino(converted, precision="bf16"), batch)
    assert np.allclose(low, together, atol=3e-2)


def test_the_paper_s_own_network_converts(tmp_path: Path) -> None:
    """Small: at 224 pixels its first linear layer has 187 million weights, here 2 million."""
    from toolkit.features.basic_cnn import BasicCNN

    torch.manual_seed(0)
    network = BasicCNN(size=64).eval()
    network.classifier = nn.Identity()  # type: ignore[assignment]
    size = Preprocess(64, 64, "bilinear", GREY, GREY)
    backbone = replace(TINY, name="basic_cnn", preprocess=size, dim=1000)
    batch = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    expected = plainly(batch, network)
    for precision, least in (("fp32", 0.99999), ("bf16", 0.999)):
        engine = openvino(tmp_path, network, precision=precision, backbone=backbone)
        out = np.empty((8, 1000), np.float32)
        engine.submit([batch], out, lambda: None)
        engine.drain()
        norms = np.linalg.norm(out, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((out * expected).sum(axis=1) / norms).min() > least


def test_a_converted_network_is_kept_by_what_it_is_of(converted: Path) -> None:
    renamed = replace(TINY, weights="renamed.pth")
    for precision in ("fp32", "bf16"):
        OpenVINOEngine(renamed, no_network, PLAIN, precision, converted)
    with pytest.raises(AssertionError, match="a network was loaded"):
        OpenVINOEngine(replace(TINY, digest="1" * 64), no_network, PLAIN, "fp32", converted)
    with pytest.raises(AssertionError, match="a network was loaded"):
        OpenVINOEngine(TINY, no_network, BOTH, "fp32", converted)


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "engine.json"])
def test_a_damaged_converted_network_is_converted_again(
    converted: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(converted, tmp_path, dirs_exist_ok=True)
    for precision in ("fp32", "bf16"):
        OpenVINOEngine(TINY, no_network, PLAIN, precision, tmp_path)
    for place in (each for each in tmp_path.iterdir() if each.is_dir()):
        data = bytearray((place / name).read_bytes())
        data[-3] ^= 0xFF
        (place / name).write_bytes(bytes(data))
    for precision in ("fp32", "bf16"):
        with pytest.raises(AssertionError, match="a network was loaded"):
            OpenVINOEngine(TINY, no_network, PLAIN, precision, tmp_path)


def test_a_batch_that_fails_is_never_called_done(converted: Path) -> None:
    engine = openvino(converted)
    done: list[int] = []
    engine.submit([pixels(8)], np.empty((8, DIM + 1), np.float32), lambda: done.append(1))
    with pytest.raises(ValueError, match="broadcast"):
        engine.drain()
    with pytest.raises(ValueError, match="broadcast"):
        engine.submit([pixels(8)], np.empty((8, DIM), np.float32), lambda: done.append(2))
    assert done == []


def is_tracing() -> bool:
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def untraceable(x: torch.Tensor) -> torch.Tensor:
    if is_tracing():
        raise NotImplementedError("this cannot be traced")
    return x


def changed_by_tracing(x: torch.Tensor) -> torch.Tensor:
    return x * 1.5 if is_tracing() else x


@pytest.mark.parametrize(
    ("extra", "reason"),
    [(untraceable, "this cannot be traced"), (changed_by_tracing, "its features come out .*% off")],
)
def test_a_network_that_does_not_convert_well_falls_back_to_torch(
    tmp_path: Path,
    extra: Callable[[torch.Tensor], torch.Tensor],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = Network(extra)
    with caplog.at_level(logging.WARNING):
        engine = make(tmp_path, network=network)
    assert engine.name == "torch"
    assert re.search(rf"cannot be converted to OpenVINO \({reason}\)", caplog.text)
    assert not [each for each in tmp_path.iterdir() if each.is_dir()]
    assert np.allclose(run(engine, pixels(3)), plainly(pixels(3)), atol=1e-5)


HALF = ("fp16", "fp32")


def make(folder: Path, network: nn.Module | None = None, **options: str) -> Engine:
    given = {"engine": "auto", "device": "cpu", "precision": "fp32"} | options
    load = cast(Any, lambda: (TINY, network or Network()))
    return make_engine(TINY, load, views=PLAIN, folder=folder, **given)


def test_the_engine_is_chosen_by_device_and_request(converted: Path) -> None:
    assert make(converted).name == "openvino"
    assert make(converted, engine="torch").name == "torch"
    for engine in ("auto", "torch"):  # a member's features that a GPU computed in fp16
        rows, exact = (run(make(converted, engine=engine, precision=p), pixels(3)) for p in HALF)
        np.testing.assert_array_equal(rows, exact)
    with pytest.raises(UsageError, match="engine: expected auto, torch or openvino, found 'onnx'"):
        make(converted, engine="onnx")
    with pytest.raises(UsageError, match="engine: openvino runs on the processor"):
        make(converted, engine="openvino", device="cuda")


def test_nothing_reports_its_use_over_the_network() -> None:
    import openvino.tools.ovc  # noqa: F401

    assert sys.modules["openvino_telemetry"] is None


def test_another_artifacts_folder_finds_what_one_has_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "cache"))
    options: dict[str, Any] = {"views": PLAIN, "precision": "fp32"}
    batch = pixels(9)
    first = OpenVINOEngine(TINY, lambda: (TINY, Network()), folder=tmp_path / "a", **options)
    second = OpenVINOEngine(TINY, no_network, folder=tmp_path / "b", **options)
    np.testing.assert_array_equal(run(second, batch), run(first, batch))
    kept = tmp_path / "cache" / "networks"
    (weights,) = kept.glob("*/model.bin")
    weights.write_bytes(b"\1" + weights.read_bytes()[1:])
    made: list[int] = []

    def load() -> tuple[Backbone, nn.Module]:
        made.append(1)
        return TINY, Network()

    third = OpenVINOEngine(TINY, load, folder=tmp_path / "c", **options)
    assert made == [1]
    np.testing.assert_array_equal(run(third, batch), run(first, batch))
    OpenVINOEngine(TINY, no_network, folder=tmp_path / "d", **options)  # the damaged one is gone
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "a" / "file" / "below"))
    (tmp_path / "a" / "file").write_text("")
    OpenVINOEngine(TINY, load, folder=tmp_path / "e", **options)
    assert made == [1, 1]


def test_the_networks_used_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path))
    for at in range(MOST + 2):
        place = tmp_path / "artifacts" / f"network-{at}"
        building = place.with_name("building")
        building.mkdir(parents=True)
        for name in FILES:
            (building / name).write_text(str(at))
        finish(building, place, {})
        give(place)
        os.utime(tmp_path / "networks" / place.name, (at, at))
        if at == 10:
            assert take(tmp_path / "elsewhere" / "network-0")  # its time is now
    left = {each.name for each in (tmp_path / "networks").iterdir()}
    assert left == {f"network-{at}" for at in range(MOST + 2)} - {
        "network-1",
        "network-2",
    }
    assert not take(tmp_path / "elsewhere" / "network-1")
