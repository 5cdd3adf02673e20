"""Augmentation: pure, deterministic, and each operation what its name says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from toolkit.finetuning import augment
from toolkit.finetuning.augment import Augmentation, Batch

ALL = Augmentation(crop=0.4, flip=True, rotate=25.0, colour=0.3, trivial=True)


def pixels(count: int = 6, side: int = 12) -> torch.Tensor:
    y, x = np.mgrid[:side, :side]
    planes = [20 * y, 20 * x, 10 * (x + y)]
    base = np.stack(planes, -1) % 256
    shifted = [(base + 31 * n) % 256 for n in range(count)]
    return torch.from_numpy(np.stack(shifted).astype(np.uint8))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("how", [ALL, Augmentation(trivial=True), Augmentation(crop=0.5)])
def test_the_same_seed_gives_the_same_batch_and_input_is_left_alone(how: Augmentation) -> None:
    given = pixels()
    kept = given.clone()
    state = torch.random.get_rng_state()
    one, again, other = (how(given, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)  # nothing global is drawn from
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(given, kept)
    assert one.shape == (6, 3, 12, 12)
    assert one.min() >= 0
    assert one.max() <= 255 + 1e-3


def test_nothing_asked_for_is_nothing_done() -> None:
    plain = pixels().permute(0, 3, 1, 2).float()
    assert torch.equal(Augmentation()(pixels(), generator()), plain)
    torch.testing.assert_close(augment.warp(plain, augment.identity(6)), plain, atol=1e-2, rtol=0)


def test_flip_mirrors_some_pictures_whole() -> None:
    plain = pixels(64).permute(0, 3, 1, 2).float()
    flipped = augment.flip(plain, generator())
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(flipped, plain, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(flipped, plain, strict=True)]
    assert [m != s for m, s in zip(mirrored, same, strict=True)] == [True] * 64
    assert 16 < sum(mirrored) < 48


def test_a_crop_lies_within_the_picture_and_keeps_its_share() -> None:
    maps = augment.crop_maps(500, generator(), least=0.3, ratio=1.5)
    wide, tall = maps[:, 0, 0], maps[:, 1, 1]
    assert (maps[:, 0, 2].abs() + wide <= 1 + 1e-6).all()
    assert (maps[:, 1, 2].abs() + tall <= 1 + 1e-6).all()
    assert (wide * tall).min() > 0.2
    assert wide.max() <= 1
    # a crop shows a part of the picture, enlarged: of a ramp, a smaller range of values
    ramp = torch.linspace(0, 255, 32).expand(1, 3, 32, 32)
    narrow = augment.warp(ramp, torch.tensor([[[0.5, 0, 0], [0, 0.5, 0]]]))
    assert 60 < narrow.min() < narrow.max() < 195


def test_a_rotation_keeps_the_centre_and_turns_the_rest() -> None:
    quarter = augment.rotation_maps(400, generator(), 25.0)
    angle = torch.atan2(quarter[:, 1, 0], quarter[:, 0, 0]) * 180 / torch.pi
    assert -25 <= angle.min() < -20
    assert 20 < angle.max() <= 25
    picture = torch.zeros(1, 1, 9, 9)
    picture[0, 0, 4, 7] = 1
    turned = augment.warp(picture, torch.tensor([[[0.0, -1, 0], [1, 0, 0]]]))
    assert turned[0, 0, 4, 7] == pytest.approx(0, abs=1e-5)
    assert turned[0, 0, 1, 4] + turned[0, 0, 7, 4] == pytest.approx(1)


@pytest.mark.parametrize(
    "operation",
    [augment.brightness, augment.contrast, augment.saturation, augment.posterise, augment.solarise],
)
def test_a_factor_of_one_changes_no_colour(operation: object) -> None:
    plain = pixels().permute(0, 3, 1, 2).float()
    assert callable(operation)
    torch.testing.assert_close(operation(plain, torch.ones(6)), plain, atol=1e-3, rtol=0)
    changed = operation(plain, torch.full((6,), 0.3))
    assert (changed - plain).abs().mean() > 1
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_saturation_of_zero_is_grey_and_contrast_of_zero_is_flat() -> None:
    plain = pixels().permute(0, 3, 1, 2).float()
    none = torch.zeros(6)
    grey = augment.saturation(plain, none)
    assert grey.std(1).max() < 1e-3
    assert augment.contrast(plain, none).std((1, 2, 3)).max() < 1e-3
    assert augment.brightness(plain, none).max() == 0


def test_trivial_changes_a_picture_in_one_way_at_most() -> None:
    plain = pixels(300).permute(0, 3, 1, 2).float()
    maps, changed = augment.trivial(plain, generator())
    shape = (maps != augment.identity(300)).flatten(1).any(1)
    colour = (changed != plain).flatten(1).any(1)
    assert not (shape & colour).any()
    assert shape.float().mean() > 0.25
    assert colour.float().mean() > 0.25
    assert (~shape & ~colour).any()


def test_mixup_blends_pictures_and_targets_alike() -> None:
    batch = torch.eye(5)
    mixed, targets = augment.mixup(batch, torch.eye(5), generator(), alpha=0.4)
    torch.testing.assert_close(mixed, targets)
    torch.testing.assert_close(mixed.sum(1), torch.ones(5))
    again: Batch = augment.mixup(batch, torch.eye(5), generator(), alpha=0.4)[0]
    assert torch.equal(mixed, again)
