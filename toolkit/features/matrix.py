"""FeatureMatrix: cached embeddings of a data set's images, from one store or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.errors import ArtifactError
from toolkit.features.cache import EmbeddingCache
from toolkit.features.key import CacheKey, store_folder
from toolkit.storage.files import digest_of


@dataclass(frozen=True)
class FeatureMatrix:
    """Embeddings of the images that every store has.

    Attributes:
        X: ``float32 (m, d)``, the stores side by side.
        rows: ``int64 (m,)``, the data set's row of each.
        keys: of the stores.
    """

    X: np.ndarray
    rows: np.ndarray
    keys: tuple[CacheKey, ...]

    @property
    def title(self) -> str:
        """The backbones' names, for tables; of one that is there in two crops, these too."""
        crops: dict[str, list[str]] = {}
        for key in self.keys:
            crops.setdefault(key.backbone.title, []).append(key.backbone.preprocess.crop)
        return " + ".join(
            f"{title} ({' + '.join(each)})" if len(set(each)) > 1 else title
            for title, each in crops.items()
        )

    @property
    def digest(self) -> str:
        """Digest over the stores' keys: with the images' digests it determines X."""
        return digest_of([key.hex for key in self.keys])


def gather(digests: np.ndarray, keys: Sequence[CacheKey], artifacts: Path) -> FeatureMatrix:
    """Read the embeddings of images by content digest.

    Args:
        digests: ``uint8 (n, 16)``.
        keys: the stores to read, side by side.
        artifacts: the artifacts folder.

    Raises:
        ArtifactError: a store is missing, damaged, or has none of the images.
    """
    caches = [EmbeddingCache(store_folder(artifacts, key), key) for key in keys]
    places = np.stack([cache.find(digests) for cache in caches])
    rows = np.flatnonzero((places >= 0).all(axis=0))
    if len(rows) == 0:
        names = ", ".join(key.backbone.name for key in keys)
        raise ArtifactError(f"no image has embeddings of {names}: run 'toolkit embed' first")
    X = np.empty((len(rows), sum(cache.dim for cache in caches)), np.float32)
    at = 0
    for cache, place in zip(caches, places, strict=True):
        cache.read(place[rows], X[:, at : at + cache.dim])
        at += cache.dim
    return FeatureMatrix(X, rows, tuple(keys))
