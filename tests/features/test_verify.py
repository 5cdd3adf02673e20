from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.features.feature_fakes import KEY, FakeEngine, no_network, row_of, write_images
from toolkit.errors import ArtifactError
from toolkit.features.cache import EmbeddingCache
from toolkit.features.fill import fill_store
from toolkit.features.key import store_folder
from toolkit.features.verify import Verified, verify_store
from toolkit.images.feed import joined
from toolkit.images.sources import Image, Images


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    return write_images(tmp_path_factory.mktemp("images"), 20, broken=(3,))


def check(images: list[Image], artifacts: Path, **options: Any) -> Verified:
    given: dict[str, Any] = {"make": FakeEngine.maker()} | options
    return verify_store(Images.of(images), KEY, no_network, artifacts, **given)


def test_a_sound_store_agrees(images: list[Image], tmp_path: Path) -> None:
    fill_store(Images.of(images), KEY, no_network, tmp_path, make=FakeEngine.maker())
    found = check(images, tmp_path)
    assert (found.sampled, found.agrees, found.engine) == (19, True, "fake")
    assert found.smallest_cosine is not None
    assert found.smallest_cosine > 0.99999
    assert check(images, tmp_path, sample=5).sampled == 5
    assert found.facts()["agrees"] is True


def test_rows_of_other_images_are_named_worst_first(images: list[Image], tmp_path: Path) -> None:
    """Three images have each other's rows: every checksum is right, yet the rows are wrong."""
    cache = EmbeddingCache(store_folder(tmp_path, KEY), KEY)
    there = [image for image in images if image.id != "im3"]
    rows = np.stack([row_of(image) for image in there])
    rows[[0, 1, 2]] = rows[[1, 2, 0]]
    cache.append([image.digest for image in there], rows)
    found = check(images, tmp_path)
    assert not found.agrees
    assert {each["image"] for each in found.differing} == {"im0", "im1", "im2"}
    cosines = [each["cosine"] for each in found.differing]
    assert cosines == sorted(cosines)
    assert found.smallest_cosine == cosines[0] < 0.999


def test_the_draw_depends_on_the_seed_alone(images: list[Image], tmp_path: Path) -> None:
    fill_store(Images.of(images), KEY, no_network, tmp_path, make=FakeEngine.maker())
    drawn: list[list[int]] = []

    class Noting(FakeEngine):
        def submit(
            self, blocks: Sequence[np.ndarray], out: np.ndarray, done: Callable[[], None]
        ) -> None:
            pixels = joined(blocks)
            drawn[-1] += pixels.sum(axis=(1, 2, 3)).tolist()
            super().submit(blocks, out, done)

    for seed in (0, 0, 1):
        drawn.append([])
        check(images, tmp_path, sample=6, seed=seed, make=Noting.maker())
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 6


def test_an_image_that_cannot_be_decoded_any_more_is_named(
    images: list[Image], tmp_path: Path
) -> None:
    cache = EmbeddingCache(store_folder(tmp_path, KEY), KEY)
    cache.append([image.digest for image in images[2:5]], np.ones((3, 6), np.float32))
    found = check(images, tmp_path, least=-1.0)
    assert [each["image"] for each in found.differing] == ["im3"]
    assert "truncated" in found.differing[0]["reason"].lower()


def test_an_empty_store_cannot_be_verified(images: list[Image], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nothing to verify"):
        check(images, tmp_path)
