"""The pixel store: each content decoded once, whole or absent, never another image's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.features.feature_fakes import GREY, write_images
from toolkit.errors import ArtifactError
from toolkit.images.feed import decode_group
from toolkit.images.pixel_store import CHUNK, PixelKey, PixelStore
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Images

KEY = PixelKey(8, 8)


def filled(tmp_path: Path, count: int = 5, key: PixelKey = KEY) -> tuple[PixelStore, Images]:
    images = Images.of(write_images(tmp_path / "images", count, broken=(1,)))
    store = PixelStore(tmp_path, key)
    store.fill(images)
    return store, images


def test_each_image_gets_its_own_pixels_and_is_decoded_once(tmp_path: Path) -> None:
    store, images = filled(tmp_path)
    places = store.find(images.digests)
    assert places[1] == -1
    assert list(store.skipped()) == [images.digests[1].tobytes().hex()]
    for row in (0, 2, 3, 4):
        own = decode_group([images[row]], KEY.preprocess)[1][0]
        np.testing.assert_array_equal(store.read(places[[row]])[0], own)
    assert store.fill(images) == 0
    again = PixelStore(tmp_path, KEY)
    np.testing.assert_array_equal(again.find(images.digests), places)


def test_a_copy_under_another_name_is_not_decoded_again(tmp_path: Path) -> None:
    store, images = filled(tmp_path)
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "new.jpg").write_bytes((tmp_path / "images" / "im0.jpg").read_bytes())
    moved = Images(["new"], ["moved/new.jpg"], images.digests[:1], tmp_path)
    assert store.fill(moved) == 0


@pytest.mark.parametrize("file", ["rows.bin", "index.bin"])
def test_a_kill_costs_only_what_was_in_flight(tmp_path: Path, file: str) -> None:
    store, _ = filled(tmp_path)
    before = store.read(np.arange(len(store)))
    with (store.folder / file).open("ab") as handle:
        handle.write(b"half a row")
    again = PixelStore(tmp_path, KEY)
    assert len(again) == len(store)
    more = Images.of(write_images(tmp_path / "more", 7, broken=(1,)))
    assert again.fill(more) == 2
    np.testing.assert_array_equal(again.read(np.arange(4)), before)
    fresh = PixelStore(tmp_path / "other", KEY)
    fresh.fill(more)
    assert (again.folder / "rows.bin").read_bytes() == (fresh.folder / "rows.bin").read_bytes()
    assert (again.folder / "index.bin").read_bytes() == (fresh.folder / "index.bin").read_bytes()


def test_damage_is_found(tmp_path: Path) -> None:
    store, _ = filled(tmp_path)
    rows = store.folder / "rows.bin"
    data = bytearray(rows.read_bytes())
    data[8 * 8 * 3 + 5] ^= 1
    rows.write_bytes(data)
    store.read(np.array([0]))
    with pytest.raises(ArtifactError, match="has 1 damaged row"):
        store.read(np.array([1]))
    rows.write_bytes(data[:-1])
    with pytest.raises(ArtifactError, match="has 4 index entries but only 3 rows: delete"):
        PixelStore(tmp_path, KEY)


def test_what_shapes_pixels_names_the_store() -> None:
    assert CHUNK > 1
    own = Preprocess(224, 256, "bicubic", GREY, GREY)
    other = Preprocess(224, 256, "bicubic", (0.1, 0.2, 0.3), GREY)
    assert PixelKey.of(own) == PixelKey.of(other)  # mean and deviation are not in the pixels
    keys = [KEY, PixelKey(9, 9), PixelKey(8, 9), PixelKey(8, 8, "bicubic")]
    keys += [PixelKey(8, 8, squash=True), PixelKey(8, 8, invert=True)]
    assert len({key.hex for key in keys}) == len(keys)


def test_inverted_colours_are_those_of_the_published_code(tmp_path: Path) -> None:
    """x -> (256 - x) mod 256, which is what a float 0..255 times 255 cast to a byte gives."""
    values = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).repeat(3, 1, 1)
    inverted = Preprocess(16, 16, "bilinear", GREY, GREY, invert=True).batch([values])[0]
    cast = (values.double() * 255).long() % 256
    np.testing.assert_array_equal(inverted, cast.permute(1, 2, 0).numpy())
    np.testing.assert_array_equal(
        inverted, (256 - values.permute(1, 2, 0).numpy().astype(int)) % 256
    )
    plain, images = filled(tmp_path)
    store = PixelStore(tmp_path, PixelKey(8, 8, invert=True))
    store.fill(images)
    assert (store.read(np.arange(2)) != plain.read(np.arange(2))).mean() > 0.9


def test_the_switch_leaves_earlier_keys_as_they_were() -> None:
    own = Preprocess(224, 256, "bicubic", GREY, GREY)
    assert "invert" not in own.facts()
    turned = Preprocess(224, 256, "bicubic", GREY, GREY, invert=True)
    assert Preprocess.from_facts(turned.facts()) == turned
    assert Preprocess.from_facts(own.facts()) == own
