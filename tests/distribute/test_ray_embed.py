"""A store filled by the workers of a cluster is the store that one process fills, come what may."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.data.packed import write_tar
from tests.distribute.cluster_fakes import KillerImages, Maker
from tests.distribute.conftest import Machines
from tests.features.feature_fakes import KEY, FakeEngine, no_network, write_images
from tests.images.served import served
from toolkit.errors import DataError
from toolkit.features.fill import Filled, fill_store
from toolkit.features.key import store_folder
from toolkit.images.sources import Image, Images
from toolkit.images.tars import RemoteTar

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT, CHUNK = 96, 8
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    return write_images(tmp_path_factory.mktemp("images"), COUNT, broken=(0, 17, 40))


@pytest.fixture(scope="module")
def whole(images: list[Image], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of the store that one process makes."""
    artifacts = tmp_path_factory.mktemp("here")
    fill(images, artifacts, FakeEngine.maker())
    return content(artifacts)


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    (tmp_path / "notes").mkdir()
    return Maker(tmp_path / "notes", pause=0.05)


def fill(images: list[Image] | Images, artifacts: Path, make: Any, **options: Any) -> Filled:
    table = images if isinstance(images, Images) else Images.of(images)
    return fill_store(table, KEY, no_network, artifacts, make=make, chunk=CHUNK, **options)


def content(artifacts: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store_folder(artifacts, KEY).iterdir()}


def test_the_same_store_byte_for_byte_and_a_second_run_finds_all(
    ray_on: str, images: list[Image], whole: dict[str, bytes], maker: Maker, tmp_path: Path
) -> None:
    part = fill(images[:30], tmp_path, FakeEngine.maker())  # begun here, enlarged there
    done = fill(images, tmp_path, maker, on=ray_on)
    assert content(tmp_path) == whole
    assert (done.computed, done.reused, done.engine) == (COUNT - 3 - part.computed, 28, "fake")
    assert [each["image"] for each in done.skipped] == ["im0", "im17", "im40"]
    assert 1 <= len(maker.pids) <= 2
    again = fill(images, tmp_path, None, on=ray_on)
    assert (again.computed, again.engine) == (0, "none")


def test_a_killed_worker(
    ray_on: str, images: list[Image], whole: dict[str, bytes], maker: Maker, tmp_path: Path
) -> None:
    killed: list[int] = []

    def strike(count: int) -> None:
        if not killed:
            killed.append(maker.pids[0])
            os.kill(killed[0], signal.SIGKILL)

    done = fill(images, tmp_path, maker, on=ray_on, on_progress=strike)
    assert killed
    assert content(tmp_path) == whole
    assert done.computed == COUNT - 3


def test_a_killed_machine(
    ray_on: str,
    machines: Machines,
    images: list[Image],
    whole: dict[str, bytes],
    maker: Maker,
    tmp_path: Path,
) -> None:
    second = machines.cluster.worker_nodes.copy().pop()
    lost: list[Any] = []

    def strike(count: int) -> None:
        if not lost:
            lost.append(second)
            machines.lose(second)

    try:
        done = fill(images, tmp_path, maker, on=ray_on, on_progress=strike)
    finally:
        machines.add()
    assert lost
    assert content(tmp_path) == whole
    assert done.computed == COUNT - 3


DRIVER = """
import sys
from pathlib import Path
from tests.data.packed import write_tar
from tests.distribute.cluster_fakes import Maker
from tests.distribute.test_ray_embed import COUNT, fill
from tests.features.feature_fakes import write_images
work = Path(sys.argv[1])
images = write_images(work / "images", COUNT, broken=(0, 17, 40))
fill(images, work, Maker(work / "notes", pause=0.2), on="ray")
"""


def test_a_killed_driver(
    ray_on: str, whole: dict[str, bytes], maker: Maker, tmp_path: Path
) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], cwd=ROOT)
    index = store_folder(tmp_path, KEY) / "index.bin"
    until = time.monotonic() + 120
    while not (index.is_file() and index.stat().st_size) and time.monotonic() < until:
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    images = write_images(tmp_path / "images", COUNT, broken=(0, 17, 40))
    done = fill(images, tmp_path, maker, on=ray_on)
    assert 0 < done.computed < COUNT - 3
    assert content(tmp_path) == whole


def test_a_worker_whose_disk_is_full(
    ray_on: str, images: list[Image], whole: dict[str, bytes], maker: Maker, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        fill(images, tmp_path, Maker(maker.notes, full=True), on=ray_on)
    assert caught.value.errno == 28
    assert not store_folder(tmp_path, KEY).exists()
    fill(images, tmp_path, maker, on=ray_on)
    assert content(tmp_path) == whole


def test_an_image_that_kills_the_decoder_is_skipped_and_listed(
    ray_on: str, images: list[Image], maker: Maker, tmp_path: Path
) -> None:
    table = KillerImages.of(images[44:60])
    assert isinstance(table, KillerImages)
    table.fatal = "im50"
    done = fill(table, tmp_path, maker, on=ray_on)
    assert done.skipped == [{"image": "im50", "reason": "decoding it ended the process"}]
    assert done.computed == 15
    assert fill(images[44:60], tmp_path, None, on=ray_on).skipped == done.skipped


def test_an_image_that_changed_is_the_error_it_is_here(
    ray_on: str, images: list[Image], maker: Maker, tmp_path: Path
) -> None:
    changed = Image("changed", images[1].path, images[2].digest)
    with pytest.raises(DataError, match="changed after it was imported"):
        fill([*images[3:30], changed], tmp_path, maker, on=ray_on)


def test_images_in_tars_at_addresses(
    ray_on: str, images: list[Image], whole: dict[str, bytes], maker: Maker, tmp_path: Path
) -> None:
    """Each worker reads the ranges of bytes that the places carry, and lists no tar."""
    write_tar(tmp_path / "a.tar", [(f"{i.id}.jpg", Path(i.path).read_bytes()) for i in images])
    with served() as known:
        known.files["/a.tar"] = (tmp_path / "a.tar").read_bytes()
        tar = RemoteTar(f"{known.home}/a.tar")
        far = [replace(each, path=tar.place(f"{each.id}.jpg")) for each in images]
        before = known.sent
        fill(far, tmp_path / "far", maker, on=ray_on)
        assert content(tmp_path / "far") == whole
        assert known.sent - before < 8 * len(known.files["/a.tar"])
