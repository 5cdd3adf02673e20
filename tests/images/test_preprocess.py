from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from tests.features.feature_fakes import GREY, picture
from toolkit.images.preprocess import LONGEST, Preprocess

FILTERS = {"bilinear": Pillow.Resampling.BILINEAR, "bicubic": Pillow.Resampling.BICUBIC}


def tensor(image: Pillow.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


def reference(image: Pillow.Image, p: Preprocess) -> np.ndarray:
    """Resize and crop as torchvision and timm do it: Pillow's resize, then a centre crop."""
    wide, tall = image.size
    if p.squash:
        size = (p.resize, p.resize)
    elif wide <= tall:
        size = (p.resize, int(p.resize * tall / wide))
    else:
        size = (int(p.resize * wide / tall), p.resize)
    resized = image.resize(size, FILTERS[p.interpolation])
    left, top = (round((side - p.size) / 2) for side in resized.size)
    return np.asarray(resized.crop((left, top, left + p.size, top + p.size)))


def gap(image: Pillow.Image, p: Preprocess) -> np.ndarray:
    off: np.ndarray = np.abs(p.batch([tensor(image)])[0].astype(int) - reference(image, p))
    return off


SIDES = st.integers(1, 300)


@settings(max_examples=50, deadline=None)
@given(SIDES, SIDES, st.sampled_from(sorted(FILTERS)), st.booleans(), st.integers(0, 9))
def test_values_are_those_of_pillow_within_the_stated_bounds(
    width: int, height: int, interpolation: str, squash: bool, seed: int
) -> None:
    assume(max(width, height) <= LONGEST * min(width, height))
    p = Preprocess(56, 64, interpolation, GREY, GREY, squash)
    off = gap(picture(seed, width, height), p)
    assert off.max() <= 6
    assert off.mean() < 0.35


def test_the_usual_photograph_comes_out_within_two_of_255() -> None:
    for interpolation in FILTERS:
        for size in ((128, 128), (500, 333), (640, 480), (300, 300)):
            off = gap(picture(4, *size), Preprocess(224, 256, interpolation, GREY, GREY))
            assert off.max() <= 2
            assert off.mean() < 0.1


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 60), (60, 1), (500, 10), (10, 500)])
@pytest.mark.parametrize("interpolation", sorted(FILTERS))
def test_tiny_images_and_extreme_aspect_ratios(size: tuple[int, int], interpolation: str) -> None:
    assert gap(picture(1, *size), Preprocess(56, 64, interpolation, GREY, GREY)).max() <= 2


def test_an_image_that_needs_no_resizing_is_only_cropped() -> None:
    image = picture(2, 64, 80)
    p = Preprocess(56, 64, "bicubic", GREY, GREY)
    assert (p.batch([tensor(image)])[0] == np.asarray(image)[12:68, 4:60]).all()


def test_of_a_very_long_strip_the_middle_is_taken_at_bounded_cost() -> None:
    p = Preprocess(56, 64, "bilinear", GREY, GREY)
    ramp = np.linspace(0, 255, 40_000).astype(np.uint8)
    for axis in (0, 1):
        strip = np.repeat(np.expand_dims(ramp, axis), 2, axis)
        got = p.batch([torch.from_numpy(np.stack([strip] * 3))])[0]
        assert np.abs(got.astype(int) - 127).max() <= 2
    assert p.resized(2 * LONGEST, 2)[1] <= LONGEST * p.resize


def test_images_of_mixed_sizes_keep_their_places_and_values() -> None:
    p = Preprocess(24, 32, "bicubic", GREY, GREY)
    sizes = [(40, 30), (64, 64), (40, 30), (30, 40), (64, 64), (7, 9)]
    images = [tensor(picture(seed, *size)) for seed, size in enumerate(sizes)]
    together = p.batch(images)
    assert together.shape == (6, 24, 24, 3)
    for image, row in zip(images, together, strict=True):
        assert (p.batch([image])[0] == row).all()
    assert p.batch([]).shape == (0, 24, 24, 3)


def test_a_crop_larger_than_the_image_is_padded_with_black_as_torchvision_does() -> None:
    image = picture(3, 21, 30)
    p = Preprocess(32, 21, "bicubic", GREY, GREY)
    got = p.batch([tensor(image)])[0]
    assert (got[1:31, 5:26] == np.asarray(image)).all()
    assert got.sum() == np.asarray(image).sum()


def test_facts_rebuild_the_transform() -> None:
    p = Preprocess(24, 32, "bicubic", (0.1, 0.2, 0.3), GREY, squash=True)
    assert Preprocess.from_facts(p.facts()) == p
