"""Synthetic scenes: embeddings whose labels can be read off them, and faults to plant in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

LABELS = ("bird", "car", "dog", "lake", "moon", "road", "sign", "tree")


class Scenes(NamedTuple):
    """Embeddings ``(n, 32)``, labels ``(n, 8)``, label names and file names in natural order."""

    X: npt.NDArray[np.float32]
    Y: npt.NDArray[np.uint8]
    labels: tuple[str, ...]
    files: list[str]


def make_scenes(seed: int, n: int = 700, separation: float = 2.2, rarest: float = 0.06) -> Scenes:
    """Four kinds of scene with label probabilities of their own; each label adds a direction."""
    random = np.random.default_rng(seed)
    kind = random.integers(4, size=n)
    base = random.uniform(np.log(rarest), -1.6, len(LABELS))
    chance = 1 / (1 + np.exp(-(base + random.normal(0, 0.7, (4, len(LABELS)))[kind])))
    Y = (random.random(chance.shape) < chance).astype(np.uint8)
    for j in range(len(LABELS)):
        Y[random.choice(n, max(0, int(rarest * n) - int(Y[:, j].sum())), replace=False), j] = 1
    directions = random.normal(size=(len(LABELS), 32))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    scene = 0.5 * random.normal(size=(4, 32))[kind]
    X = separation * Y @ directions + scene + 0.6 * random.normal(size=(n, 32))
    return Scenes(X.astype(np.float32), Y, LABELS, [f"im{i + 1}.jpg" for i in range(n)])


@pytest.fixture
def scenes() -> Callable[..., Scenes]:
    return make_scenes


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small problems run faster on one thread than on two that wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
