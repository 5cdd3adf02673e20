"""Images to embed: ids, files and content digests in columns, so that a million cost little."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.errors import DataError
from toolkit.images.addresses import is_address
from toolkit.images.places import place_under, read_place, reading_order
from toolkit.storage.files import DIGEST_BYTES, digest_bytes


@dataclass(frozen=True)
class Image:
    """One image to embed.

    Attributes:
        id: to report it by.
        path: its place, such as a file; see :mod:`toolkit.images.places`.
        digest: of its content.
        data: its content, where it is in memory.
    """

    id: str
    path: str
    digest: bytes
    data: bytes | None = None

    def read(self) -> bytes:
        """Return its content.

        Raises:
            DataError: it is gone, or is not what the digest says any more.
        """
        if self.data is not None:
            return self.data
        try:
            data = read_place(self.path)
        except OSError as error:
            remedy = "run it again" if is_address(self.path) else "import again"
            raise DataError(
                f"image {self.path} cannot be read any more: {error.strerror}; {remedy}"
            ) from error
        if digest_bytes(data) != self.digest:
            raise DataError(f"image {self.path} changed after it was imported: import again")
        return data


class Images:
    """Many images by column.

    Args:
        ids: n ids to report by.
        files: n files, or other places.
        digests: ``uint8 (n, 16)``, of the files' content.
        root: folder that the files are relative to; paths are put together when they are used.
    """

    def __init__(
        self,
        ids: Sequence[str],
        files: Sequence[str],
        digests: np.ndarray,
        root: str | Path = "",
    ) -> None:
        if len(ids) != len(files) or digests.shape != (len(ids), DIGEST_BYTES):
            raise ValueError(f"{len(ids)} ids, {len(files)} files, digests of {digests.shape}")
        self.ids = ids
        self.files = files
        self.digests = np.ascontiguousarray(digests, np.uint8)
        self.root = str(root)
        self._data: dict[int, bytes] = {}

    @classmethod
    def of(cls, images: Iterable[Image]) -> Images:
        """Gather single images.

        >>> images = Images.of([Image("a", "a.jpg", bytes(16))])
        >>> images[0].path, images.digests.shape
        ('a.jpg', (1, 16))
        """
        rows = list(images)
        joined = np.frombuffer(b"".join(image.digest for image in rows), np.uint8)
        found = cls(
            [image.id for image in rows],
            [image.path for image in rows],
            joined.reshape(len(rows), DIGEST_BYTES),
        )
        found._data = {at: image.data for at, image in enumerate(rows) if image.data is not None}
        return found

    def reading_order(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in the order in which they are best read; those of files stay in theirs."""
        ordered: np.ndarray = rows[reading_order([self.files[row] for row in rows.tolist()])]
        return ordered

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.ids)

    def __getitem__(self, row: int) -> Image:
        """Return one image."""
        path = place_under(self.root, self.files[row])
        return Image(self.ids[row], path, self.digests[row].tobytes(), self._data.get(row))

    def __iter__(self) -> Iterator[Image]:
        """Go through all images."""
        return (self[row] for row in range(len(self)))
