"""Synthetic scenes: embeddings whose labels can be read off them, and faults to plant in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split, stratified_split

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


def dataset_of(scene: Any) -> tuple[Dataset, Split]:
    n = len(scene.files)
    ids = tuple(file.removesuffix(".jpg") for file in scene.files)
    dataset = Dataset(
        name="scenes",
        root=Path("nowhere"),
        ids=ids,
        files=tuple(scene.files),
        labels=scene.labels,
        Y=scene.Y,
        digests=np.random.default_rng(0).integers(256, size=(n, 16), dtype=np.uint8),
        stats=np.zeros((n, 2), np.int64),
        shapes=np.full((n, 2), 64, np.int32),
        modes=("RGB",) * n,
        provenance={"pairing": "by-id"},
    )
    return dataset, stratified_split(ids, scene.Y)
