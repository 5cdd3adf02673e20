"""Parity: does a graph score images as the member that it was made of does?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.data.synth import paint, scenes
from toolkit.errors import DataError, ExportError
from toolkit.features.key import CacheKey
from toolkit.images.decode import UndecodableError, decode
from toolkit.images.given import given_image
from toolkit.images.pixel_store import PixelKey, decode_pixels
from toolkit.images.sources import Image, Images
from toolkit.inference.scorer import Scorer, Store
from toolkit.statistics.metrics import binarize

IMAGES = 64
LIMITS = {"fp32": 1e-3, "fp16": 1e-2}
_BRANCH, _BRANCHES = 1e-2, 0.01  # largest difference of a tree's branch, share of probabilities
_FEWEST = 16


@dataclass(frozen=True)
class Parity:
    """What an export was found to change.

    Attributes:
        images: that were scored both ways.
        drawn_from: what they are.
        difference: largest difference of a probability to the member's own models in fp32.
        decided_otherwise: decisions at the tuned thresholds that differ from theirs.
        decisions: how many there are.
        predict_difference: largest difference to ``toolkit predict``, whose embeddings may be in
            bf16 and are kept in 16 bits; None where the images are painted.
        predict_decided_otherwise: decisions that differ from those.
        limit: what ``difference`` may be at most.
        branches: probabilities beyond it, of a model with trees: where a feature lies within
            rounding of a split, a tree takes another branch.
    """

    images: int
    drawn_from: str
    difference: float
    decided_otherwise: int
    decisions: int
    predict_difference: float | None
    predict_decided_otherwise: int | None
    limit: float
    branches: int = 0

    def facts(self) -> dict[str, Any]:
        """Return JSON-able facts."""
        return asdict(self)


@dataclass(frozen=True)
class Sample:
    """Images to compare on.

    Attributes:
        images: they.
        drawn_from: what they are.
        paths: of their files; empty where they are painted.
    """

    images: Images
    drawn_from: str
    paths: list[str]


class Exact:
    """A batch whose features are computed in fp32 by the networks themselves, and not stored.

    Args:
        images: n images, all of which can be decoded.
        stores: those that features will be asked of.
        artifacts: where weights are noted.
    """

    device = "cpu"

    def __init__(self, images: Images, stores: Sequence[Store], artifacts: Path) -> None:
        self.images = images
        self._stores = {store.key: store for store in stores}
        self._artifacts = artifacts
        self._pixels: dict[PixelKey, np.ndarray] = {}
        self._features: dict[str, np.ndarray] = {}

    def pixels(self, key: PixelKey) -> np.ndarray:
        """Return them decoded, ``uint8 (n, size, size, 3)``."""
        if key not in self._pixels:
            self._pixels[key] = decode_pixels(self.images, key)[0]
        return self._pixels[key]

    def features(self, keys: Sequence[CacheKey]) -> np.ndarray:
        """Return embeddings, the stores side by side, ``float32 (n, d)``."""
        return np.hstack([self._embedded(key) for key in keys])

    def _embedded(self, key: CacheKey) -> np.ndarray:
        import torch

        from toolkit.features.embedder import embedder

        if key.hex not in self._features:
            module = embedder(
                self._stores[key].resolve(self._artifacts)()[1], key.backbone, key.views
            )
            pixels = torch.from_numpy(self.pixels(PixelKey.of(key.backbone.preprocess)))
            with torch.inference_mode():
                parts = [module(part) for part in torch.split(pixels, 16)]
            self._features[key.hex] = torch.cat(parts).numpy()
        return self._features[key.hex]


def sample_of(dataset: Dataset, split: Split) -> Sample:
    """Return development images spread over the data set, or painted ones where it is gone."""
    rows = np.sort(split.development)
    paths, found = dataset.paths, []
    spread = np.linspace(0, len(rows) - 1, min(IMAGES, len(rows))).round().astype(int)
    for row in rows[spread].tolist():
        try:
            image = given_image(paths[row], dataset.ids[row])
            decode(image.read(), 64)
        except (DataError, UndecodableError):
            continue
        found.append(image)
    if found and len(found) >= min(_FEWEST, len(rows)):
        return Sample(
            Images.of(found),
            f"development images of {dataset.name}",
            [image.path for image in found],
        )
    return Sample(painted_images(), "painted images", [])


def painted_images(count: int = IMAGES) -> Images:
    """Return painted pictures."""
    rng = np.random.default_rng(0)
    pictures = [paint(frozenset(names), rng, False) for names in scenes(count)]
    return Images.of(_painted(picture, at) for at, picture in enumerate(pictures))


def _painted(picture: Any, at: int) -> Image:
    return given_image(picture, f"painted {at}")


def compare_scores(
    graph: Scorer,
    exact: Scorer,
    sample: Sample,
    predicted: Callable[[list[str]], np.ndarray],
    thresholds: np.ndarray,
    artifacts: Path,
    precision: str,
    trees: bool = False,
) -> Parity:
    """Score images both ways.

    Args:
        graph: of the exported model.
        exact: of the member, in fp32.
        sample: the n images.
        predicted: gives the scores ``(n, L)`` of ``toolkit predict`` for files.
        thresholds: ``(L,)``.
        artifacts: where weights are noted.
        precision: of the exported weights; names the limit.
        trees: whether there are some: then one probability in a hundred may differ by 0.01.

    Raises:
        ExportError: a probability differs by more than the limit.
    """
    batch = Exact(sample.images, exact.stores, artifacts)
    wanted, found = exact.score(batch), graph.score(batch)
    off = _largest(found, wanted)
    limit = LIMITS[precision]
    beyond = int((np.abs(found.astype(np.float64) - wanted) > limit).sum())
    few = trees and off <= _BRANCH and beyond <= _BRANCHES * wanted.size
    if not (off <= limit or few):
        raise ExportError(
            f"the exported model gives other probabilities than the member (largest difference "
            f"{off:.2g} on {len(wanted)} {sample.drawn_from}, at most {limit:g} is allowed): "
            + ("export with precision fp32" if precision != "fp32" else "export with format bundle")
        )
    own = None if not sample.paths else predicted(sample.paths)
    return Parity(
        images=len(wanted),
        drawn_from=sample.drawn_from,
        difference=off,
        decided_otherwise=_otherwise(found, wanted, thresholds),
        decisions=int(wanted.size),
        predict_difference=None if own is None else _largest(found, own),
        predict_decided_otherwise=None if own is None else _otherwise(found, own, thresholds),
        limit=limit,
        branches=beyond,
    )


def _largest(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found.astype(np.float64) - wanted).max())


def _otherwise(found: np.ndarray, wanted: np.ndarray, thresholds: np.ndarray) -> int:
    return int((binarize(found, thresholds) != binarize(wanted, thresholds)).sum())
