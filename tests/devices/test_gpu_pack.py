"""What travels to a GPU machine comes back as it was packed, and within its limit."""

from __future__ import annotations

import lzma
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save

from bench import gpu, gpu_pack
from bench.gpu_setup import Setting, expand_weights, unpack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures in the course's layout, of which the first six carry the one label."""
    random = np.random.default_rng(0)
    images = tmp_path / "photos" / "images"
    images.mkdir(parents=True)
    for number in range(1, 13):
        pixels = random.integers(0, 256, (140 + number, 170, 3), np.uint8)
        Image.fromarray(pixels).save(images / f"im{number}.jpg", quality=90)
    (tmp_path / "photos" / "annotations").mkdir()
    lines = "".join(f"{number}\n" for number in (3, 1, 2, 6, 5, 4))
    (tmp_path / "photos" / "annotations" / "baby.txt").write_text(lines)
    return tmp_path / "photos"


def setting(tmp_path: Path, **changed: Any) -> Setting:
    given: dict[str, Any] = {"images": 0, "archive": None, "weights": None}
    return Setting(device="cpu", work=tmp_path / "work", **(given | changed))


@pytest.mark.parametrize("wanted", [0, 7])
def test_photographs_come_back_with_their_labels(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: int
) -> None:
    monkeypatch.setattr(gpu_pack, "_BLOCK", 5)
    archive = tmp_path / "photographs.tar.xz"
    assert gpu_pack.photographs(folder, archive, 10**7) == (12, 12)
    there = setting(tmp_path, images=wanted, archive=archive)
    assert unpack(there, archive)["line"] == f"{wanted or 12} photographs"
    found = there.dataset
    assert found.labels == ("baby",)
    carries = {
        int("".join(filter(str.isdigit, name))) for name in np.array(found.ids)[found.Y[:, 0] == 1]
    }
    numbers = {int("".join(filter(str.isdigit, name))) for name in found.ids}
    assert carries == numbers & {1, 2, 3, 4, 5, 6}
    assert found.shapes.min() == 128
    assert unpack(there, tmp_path / "gone")["line"] == f"{wanted or 12} photographs"  # as it is


def test_there_are_as_many_as_there_is_room_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_pack, "_BLOCK", 2)
    archive = tmp_path / "photographs.tar.xz"
    gpu_pack.photographs(folder, archive, 10**7)
    whole = archive.stat().st_size
    count, of = gpu_pack.photographs(folder, archive, whole // 2)
    assert (of, 4 <= count <= 6, archive.stat().st_size <= whole // 2 + 200) == (12, True, True)
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    assert len([name for name in names if name.startswith("images/")]) == count
    assert names[-1] == "annotations/baby.txt"


def test_weights_that_travelled_in_half_precision_are_single_again(tmp_path: Path) -> None:
    state = {"a.weight": torch.randn(3, 4).half(), "a.bias": torch.randn(3)}
    packed = tmp_path / "weights"
    packed.mkdir()
    (packed / "net.safetensors.xz").write_bytes(lzma.compress(save(state)))
    there = setting(tmp_path, weights=packed)
    assert expand_weights(there)["line"] == "of net"
    found = load_file(there.weights_of("net"))
    assert {value.dtype for value in found.values()} == {torch.float32}
    for name, value in state.items():
        torch.testing.assert_close(found[name], value.float())


def test_what_travels_is_counted_as_a_tar_has_it(tmp_path: Path) -> None:
    for name, size in (("empty", 0), ("one", 1), ("full", 512), ("more", 513)):
        (tmp_path / name).write_bytes(b"x" * size)
    assert gpu_pack.travelling(sorted(tmp_path.iterdir())) == 512 * (1 + 2 + 2 + 3)


def test_all_phases_and_what_goes_before_take_less_than_nine_minutes() -> None:
    phases = sum(seconds for _, seconds in gpu.PHASES.values())
    assert phases + 30 <= gpu._WHOLE <= 530


def test_packed_weights_are_those_that_networks_take(tmp_path: Path) -> None:
    gpu_pack.weights(tmp_path / "weights", ["0"], None)
    found = expand_weights(setting(tmp_path, weights=tmp_path / "weights"))
    assert found["checks"] == {"efficientnet_lite0 takes its weights": True}
