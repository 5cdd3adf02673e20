"""Decoding: from a file's bytes to an RGB tensor, or a reason why not."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Callable
from functools import cache, partial
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    import torch

MAX_PIXELS = 100_000_000
VERSION = 2  # of how images are decoded: enters the keys of all that is made of pixels
_LEAST = 2
_ORIENTATION = 0x0112
_SHORT = 3
_LIBRARIES = ("image_stable", "image")  # since torchvision 0.29, and before
_RGB = 3  # torchvision.io.ImageReadMode.RGB
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([02-9])')


class UndecodableError(Exception):
    """An image cannot be decoded; the message is the reason, for the list of skipped images."""


def decode(data: bytes, target: int) -> torch.Tensor:
    """Decode an image file to RGB.

    Plain JPEG files go to torchvision's decoder, which gives the same bytes as Pillow's in about
    half the time and frees the interpreter's lock. All else, and what torchvision refuses, goes to
    Pillow: the orientation that a camera noted is applied, transparency is laid on white, 16-bit
    greys are scaled, of an animation the first frame is taken, and single-channel images are
    repeated to three channels.

    Args:
        data: the file's bytes.
        target: the side in pixels that the image will be resized to. A JPEG at least four times as
            large is decoded at a reduced scale that stays twice as large: a half, a quarter or an
            eighth of its discrete cosines.

    Returns:
        ``uint8 (3, H, W)``, strides as in an interleaved image.

    Raises:
        UndecodableError: with the reason.
    """
    import torch

    size = plain_jpeg_size(data)
    decode_jpeg = fast_jpeg_decoder() if size is not None else None
    if size is not None and decode_jpeg is not None and min(size) < 2 * _LEAST * target:
        _check_size(*size)
        try:
            return decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        except RuntimeError:
            pass  # Pillow may be more lenient, and gives reasons that people can read
    pixels = np.asarray(decode_pillow(data, target))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


@cache
def fast_jpeg_decoder() -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return torchvision's JPEG decoder, or None where there is none.

    Its library is loaded by itself: importing torchvision would take longer than importing torch.
    torchvision announced (0.29) that it will drop its decoders one day.
    """
    import torch

    package = importlib.util.find_spec("torchvision")
    folders = package.submodule_search_locations if package is not None else None
    for name in _LIBRARIES if folders else ():
        library = PathFinder.find_spec(name, list(folders or ()))
        if library is not None and library.origin is not None:
            try:
                torch.ops.load_library(library.origin)  # type: ignore[no-untyped-call]
                return partial(torch.ops.image.decode_jpeg.default, mode=_RGB)
            except (OSError, AttributeError):
                continue
    return None


def decode_pillow(data: bytes, target: int) -> Image.Image:
    """Decode with Pillow alone to an RGB image; arguments and errors as for :func:`decode`."""
    if not data:
        raise UndecodableError("the file is empty")
    try:
        with Image.open(io.BytesIO(data)) as image:
            # of a photograph far larger than needed, decode the discrete cosines at a lower scale
            short = min(image.size)
            if short >= 2 * _LEAST * target:
                least = _LEAST * target
                image.draft("RGB", (image.width * least // short, image.height * least // short))
            _check_size(*image.size)
            image.load()
            return as_rgb(_upright(image))
    except UndecodableError:
        raise
    except Exception as error:  # Pillow's plugins raise errors of many kinds on hostile files
        raise UndecodableError(_reason(error)) from error


def plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a JPEG that needs nothing but decoding, else None.

    Needing more means: an orientation other than upright in EXIF or XMP, four channels, or a
    precision other than eight bits.
    """
    if data[:3] != b"\xff\xd8\xff":
        return None
    at, end = 2, len(data)
    while at + 9 < end and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = data[at + 2] << 8 | data[at + 3]
        if marker == 0xE1:
            segment = data[at + 4 : at + 2 + length]
            if segment[:4] == b"Exif" and not _exif_upright(segment[6:]):
                return None
            if _XMP_ORIENTATION.search(segment):
                return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = data[at + 5] << 8 | data[at + 6]
            width = data[at + 7] << 8 | data[at + 8]
            plain = data[at + 4] == 8 and data[at + 9] in (1, 3) and width > 0 and height > 0
            return (width, height) if plain and marker in (0xC0, 0xC1, 0xC2) else None
        at += 2 + length
    return None


def _exif_upright(tiff: bytes) -> bool:
    """Tell whether EXIF surely leaves an image as it is: orientation 1, or none noted."""
    if tiff[:2] not in (b"II", b"MM"):
        return False
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    first = number(4, 4)
    entries = [first + 2 + 12 * n for n in range(number(first, 2))]
    if not entries or entries[-1] + 12 > len(tiff):
        return False
    noted = [at for at in entries if number(at, 2) == _ORIENTATION]
    return all(number(at + 2, 2) == _SHORT and number(at + 8, 2) == 1 for at in noted)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UndecodableError(f"has {width}x{height} pixels, more than {MAX_PIXELS:,}")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF beside pixels that are whole
        return image


def as_rgb(image: Image.Image) -> Image.Image:
    """Return a picture of any mode in RGB: scaled from more than 8 bits, on white, repeated."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image).astype(np.float64))
        top = 65535.0 if image.mode != "F" else max(1.0, float(values.max()))
        grey = np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(error: BaseException) -> str:
    text = (str(error).splitlines() or [""])[0].strip()
    if "cannot identify image file" in text:
        text = "not an image file that Pillow knows"
    return (text or type(error).__name__)[:160]
