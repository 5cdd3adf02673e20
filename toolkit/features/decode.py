"""Decoding: from a file's bytes to an RGB tensor, or a reason why not."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    import torch

MAX_PIXELS = 100_000_000
_SHRINK_FROM = 4


class UndecodableError(Exception):
    """An image cannot be decoded; the message is the reason, for the list of skipped images."""


def decode(data: bytes, target: int) -> torch.Tensor:
    """Decode an image file to RGB.

    Plain JPEG files go to torchvision's decoder, which gives the same bytes as Pillow's in about
    half the time and frees the interpreter's lock. All else goes to Pillow: EXIF orientation is
    applied, transparency is laid on white, 16-bit greys are scaled, of an animation the first frame
    is taken, and single-channel images are repeated to three channels.

    Args:
        data: the file's bytes.
        target: the side in pixels that the image will be resized to. A JPEG at least eight times
            as large is decoded at a reduced scale that stays four times as large.

    Returns:
        ``uint8 (3, H, W)``, strides as in an interleaved image.

    Raises:
        UndecodableError: with the reason.
    """
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    header = plain_jpeg_size(data)
    if header is not None and min(header) < 2 * _SHRINK_FROM * target:
        if header[0] * header[1] > MAX_PIXELS:
            raise UndecodableError(f"has {header[0]}x{header[1]} pixels, more than {MAX_PIXELS:,}")
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        try:
            image: torch.Tensor = decode_jpeg(encoded, mode=ImageReadMode.RGB)
        except RuntimeError as error:
            raise UndecodableError(_reason(error)) from error
        return image
    pixels = np.asarray(decode_pillow(data, target))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def decode_pillow(data: bytes, target: int) -> Image.Image:
    """Decode with Pillow alone to an RGB image; arguments and errors as for :func:`decode`."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS and image.format != "JPEG":
                raise UndecodableError(
                    f"has {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}"
                )
            # of a photograph far larger than needed, decode the discrete cosines at a lower scale
            if min(image.size) >= 2 * _SHRINK_FROM * target:
                short = min(image.size)
                image.draft(
                    "RGB",
                    (
                        image.width * _SHRINK_FROM * target // short,
                        image.height * _SHRINK_FROM * target // short,
                    ),
                )
            image.load()
            return _rgb(ImageOps.exif_transpose(image))
    except UndecodableError:
        raise
    except Exception as error:  # Pillow's plugins raise errors of many kinds on hostile files
        raise UndecodableError(_reason(error)) from error


def plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a JPEG that needs nothing but decoding, else None.

    Needing more means: an EXIF segment (it may hold an orientation), four channels, or a precision
    other than eight bits.
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
        if marker == 0xE1 and data[at + 4 : at + 8] == b"Exif":
            return None
        if marker == 0xEE and data[at + 4 : at + 9] == b"Adobe":
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = data[at + 5] << 8 | data[at + 6]
            width = data[at + 7] << 8 | data[at + 8]
            plain = data[at + 4] == 8 and data[at + 9] in (1, 3) and width > 0 and height > 0
            return (width, height) if plain and marker in (0xC0, 0xC1, 0xC2) else None
        at += 2 + length
    return None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image).astype(np.float64)
        top = 65535.0 if image.mode != "F" else max(1.0, float(np.nanmax(values)))
        grey = np.clip(np.nan_to_num(values) * (255.0 / top), 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return image.convert("RGB")


def _reason(error: BaseException) -> str:
    text = (str(error).splitlines() or [""])[0].strip()
    if "decode_jpeg" in text:  # torchvision begins with its own source file and line
        text = text.rsplit(", ", 1)[-1]
    if "cannot identify image file" in text:
        text = "not an image file that Pillow knows"
    return (text or type(error).__name__)[:160]
