"""EmbeddingCache: a row store of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.errors import ArtifactError
from toolkit.features.key import DTYPES, CacheKey
from toolkit.storage.row_store import RowStore


class EmbeddingCache(RowStore):
    """Embeddings of images by content, as :class:`~toolkit.storage.row_store.RowStore` keeps rows.

    Args:
        folder: the store's folder; made when first written to.
        key: what the rows are embeddings of.

    Raises:
        ArtifactError: the folder holds a store of another key or format, or a damaged one.
    """

    what = "embedding store"
    again = "embed again"
    mend = "remove them with 'toolkit cache prune --damaged', or delete that folder"

    def __init__(self, folder: Path, key: CacheKey) -> None:
        self.key, self.dim = key, key.backbone.dim
        super().__init__(folder, key.hex, key.facts(), (self.dim,), DTYPES[key.dtype])

    def append(self, digests: Sequence[bytes], rows: np.ndarray) -> None:
        """Append a chunk of new embeddings and make it last; the caller holds the lock.

        Args:
            digests: b image digests of 16 bytes, none of them in the store.
            rows: ``float32 (b, dim)``.

        Raises:
            ArtifactError: a row is not finite or too large for the store, or the disk refuses;
                nothing of the chunk is kept.
        """
        super().append(digests, as_stored(self.key, rows))

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return rows by number as ``float32 (b, dim)``, each checked against its checksum."""
        return super().read(
            rows, np.empty((len(rows), self.dim), np.float32) if out is None else out
        )

    def append_stored(self, digests: Sequence[bytes], stored: np.ndarray) -> None:
        """Append rows that :func:`as_stored` gave, perhaps on another machine."""
        super().append(digests, stored)


def as_stored(key: CacheKey, rows: np.ndarray) -> np.ndarray:
    """Return embeddings in the type of their store.

    Args:
        key: of the store.
        rows: ``float32 (b, dim)``.

    Raises:
        ArtifactError: a row is not finite or too large for the store.
    """
    if not np.isfinite(rows).all():
        raise ArtifactError(
            f"{key.backbone.name} gave features that are not finite numbers: embed with "
            "precision fp32"
        )
    with np.errstate(over="ignore"):
        stored = rows.astype(DTYPES[key.dtype])
    if not np.isfinite(stored).all():
        raise ArtifactError(
            f"{key.backbone.name} gave a feature of size {np.abs(rows).max():.3g}, more "
            f"than {key.dtype} holds: embed with dtype fp32"
        )
    return stored
