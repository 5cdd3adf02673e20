"""Thumbnails: small pictures inside a page, so that the page is one file."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence

from PIL import Image

from toolkit.images.decode import UndecodableError, decode_pillow
from toolkit.images.places import read_place

SIDE = 128
BUDGET = 4_000_000
_QUALITY = 75


class Thumbnails:
    """Data addresses of images by row, made when asked for, until a page's budget is spent.

    Attributes:
        left: characters that may still be spent.
    """

    def __init__(
        self, paths: Sequence[str | os.PathLike[str]], side: int = SIDE, budget: int = BUDGET
    ) -> None:
        """Take the places of all rows; ``side`` is in pixels, ``budget`` in characters."""
        self._paths, self._side = paths, side
        self._made: dict[int, str] = {}
        self.left = budget

    def __call__(self, row: int) -> str:
        """Return a JPEG of an image's row; empty if it cannot be decoded or the budget is spent."""
        if row not in self._made:
            self._made[row] = self._make(row)
        address = self._made[row]
        if len(address) > self.left:
            return ""
        self.left -= len(address)
        return address

    def _make(self, row: int) -> str:
        try:
            picture = decode_pillow(read_place(os.fspath(self._paths[row])), self._side)
        except (OSError, UndecodableError):
            return ""
        picture.thumbnail((self._side, self._side), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=_QUALITY, optimize=True)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
