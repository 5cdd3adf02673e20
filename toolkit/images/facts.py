"""Facts: what is noted of an image when it is first read."""

from __future__ import annotations

import io
from typing import NamedTuple

from PIL import Image

from toolkit.storage.files import digest_bytes


class Facts(NamedTuple):
    """What an image is, without its pixels.

    Attributes:
        digest: of its content, 16 bytes.
        size: bytes.
        width: in pixels; 0 where the header is unreadable.
        height: in pixels.
        mode: Pillow's; empty where the header is unreadable.
    """

    digest: bytes
    size: int
    width: int
    height: int
    mode: str


def facts_of(data: bytes) -> Facts:
    """Return the facts of an image's bytes.

    An unreadable header is a fact to report later, not an error here.
    """
    return Facts(digest_bytes(data), len(data), *_header(data))


def _header(data: bytes) -> tuple[int, int, str]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.width, image.height, image.mode
    except Exception:  # Pillow's plugins raise errors of many kinds on hostile files
        return 0, 0, ""
