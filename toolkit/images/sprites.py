"""Sprites: many small pictures in a few larger ones, which a page shows pieces of."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Sequence

from PIL import Image, ImageOps

from toolkit.images.decode import UndecodableError, decode_pillow
from toolkit.images.places import read_place

SIDE, ACROSS = 72, 10
_QUALITY = 60
_NOTHING = (128, 128, 128)


def sprite_sheets(
    paths: Sequence[str | os.PathLike[str]],
    budget: int,
    on_progress: Callable[[int], None] = lambda images: None,
) -> list[str]:
    """Return data addresses of sheets of ``ACROSS`` by ``ACROSS`` squares, in the images' order.

    Args:
        paths: places of the images; one that cannot be decoded is a grey square.
        budget: of characters; sheets that would exceed it are left out from the end.
        on_progress: told of images done.
    """
    sheets: list[str] = []
    each = ACROSS * ACROSS
    for start in range(0, len(paths), each):
        part = paths[start : start + each]
        lines = -(-len(part) // ACROSS)
        sheet = Image.new("RGB", (SIDE * ACROSS, SIDE * lines), _NOTHING)
        for at, path in enumerate(part):
            try:
                picture = decode_pillow(read_place(os.fspath(path)), SIDE)
            except (OSError, UndecodableError):
                continue
            square = ImageOps.fit(picture.convert("RGB"), (SIDE, SIDE))
            sheet.paste(square, (SIDE * (at % ACROSS), SIDE * (at // ACROSS)))
        file = io.BytesIO()
        sheet.save(file, "JPEG", quality=_QUALITY, optimize=True)
        address = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
        budget -= len(address)
        if budget < 0:
            break
        sheets.append(address)
        on_progress(len(part))
    return sheets
