"""Images as sources of bytes: ids, files and digests in columns, so that a million cost little."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import DataError
from toolkit.storage.files import DIGEST_BYTES

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Content = str | bytes


@dataclass(frozen=True)
class Image:
    """One image: the id to report it by, its content, and the digest of that.

    Attributes:
        id: the id.
        path: its file; or where it is in memory only, the bytes that a file would have.
        digest: of the content.
    """

    id: str
    path: Content
    digest: bytes

    @property
    def where(self) -> str:
        """Its file, for messages."""
        return self.path if isinstance(self.path, str) else f"{self.id} in memory"

    def read(self) -> bytes:
        """Return the content.

        Raises:
            OSError: the file cannot be read.
        """
        return self.path if isinstance(self.path, bytes) else Path(self.path).read_bytes()


class Images:
    """Many images by column.

    Args:
        ids: n ids to report by.
        files: n files; of images in memory the bytes themselves, see :func:`encoded`.
        digests: ``uint8 (n, 16)``, of the files' content.
        root: folder that the files are relative to; paths are put together when they are used.
    """

    def __init__(
        self,
        ids: Sequence[str],
        files: Sequence[Content],
        digests: np.ndarray,
        root: str | Path = "",
    ) -> None:
        if len(ids) != len(files) or digests.shape != (len(ids), DIGEST_BYTES):
            raise ValueError(f"{len(ids)} ids, {len(files)} files, digests of {digests.shape}")
        self.ids = ids
        self.files = files
        self.digests = np.ascontiguousarray(digests, np.uint8)
        self.root = str(root)

    @classmethod
    def of(cls, images: Iterable[Image]) -> Images:
        """Gather single images.

        >>> images = Images.of([Image("a", "a.jpg", bytes(16))])
        >>> images[0].path, images.digests.shape
        ('a.jpg', (1, 16))
        """
        rows = list(images)
        joined = np.frombuffer(b"".join(image.digest for image in rows), np.uint8)
        return cls(
            [image.id for image in rows],
            [image.path for image in rows],
            joined.reshape(len(rows), DIGEST_BYTES),
        )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.ids)

    def __getitem__(self, row: int) -> Image:
        """Return one image."""
        content = self.files[row]
        if isinstance(content, str):
            content = os.path.join(self.root, content)
        return Image(self.ids[row], content, self.digests[row].tobytes())

    def __iter__(self) -> Iterator[Image]:
        """Go through all images."""
        return (self[row] for row in range(len(self)))


def encoded(picture: Picture | np.ndarray) -> bytes:
    """Return a picture in memory as the bytes of a PNG file that decodes to the same pixels.

    Args:
        picture: an image of Pillow's, or ``uint8 (h, w)``, ``(h, w, 3)`` or, with transparency,
            ``(h, w, 4)``.

    Raises:
        DataError: it is neither.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps

    if isinstance(picture, np.ndarray):
        flat = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (3, 4))
        if picture.dtype != np.uint8 or not flat or not picture.size:
            raise DataError(
                "expected a picture of uint8 (height, width, 3), found an array of "
                f"{picture.dtype} {picture.shape}"
            )
        picture = Pillow.fromarray(np.ascontiguousarray(picture))
    if not isinstance(picture, Pillow.Image):
        raise DataError(
            f"expected a file, a picture of Pillow's or an array, found {type(picture).__name__}"
        )
    upright = ImageOps.exif_transpose(picture)
    if upright.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"):
        upright = upright.convert("RGB")
    file = io.BytesIO()
    upright.save(file, "PNG", compress_level=1)
    return file.getvalue()
