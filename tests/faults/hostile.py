"""Images as they should not be: name of the file, its bytes, and whether it can be decoded."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _bomb(side: int) -> bytes:
    """Return a PNG file that claims to be huge and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def hostile_images() -> dict[str, tuple[bytes, bool]]:
    """Return name to bytes and whether the image can be decoded."""
    plain = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8))
    jpeg, png = _encoded(plain, "JPEG"), _encoded(plain, "PNG")
    palette = plain.convert("P")
    turned = {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned[f"turned{orientation}.jpg"] = (_encoded(plain, "JPEG", exif=exif), True)
    frames = [plain.rotate(angle) for angle in (90, 180)]
    wide = Image.fromarray((np.arange(24 * 32, dtype=np.uint16) * 80).reshape(24, 32))
    return {
        "empty.jpg": (b"", False),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], False),
        "truncated-too.png": (png[: len(png) // 2], False),
        "onebyte.jpg": (b"\xff", False),
        "text.jpg": (b"this is no picture\n" * 9, False),
        "script.gif": (b"<script>alert(1)</script>", False),
        "png-named.jpg": (png, True),
        "jpeg-named.png": (jpeg, True),
        "bomb.png": (_bomb(60_000), False),
        "huge-header.jpg": (
            jpeg.replace(struct.pack(">HH", 24, 32), b"\xff\xff\xff\xff", 1),
            False,
        ),
        "cmyk.jpg": (_encoded(plain.convert("CMYK"), "JPEG"), True),
        "grey.jpg": (_encoded(plain.convert("L"), "JPEG"), True),
        "grey16.png": (_encoded(wide, "PNG"), True),
        "grey16-too.tif": (_encoded(wide, "TIFF"), True),
        "bits.png": (_encoded(plain.convert("1"), "PNG"), True),
        "alpha.png": (_encoded(plain.convert("RGBA"), "PNG"), True),
        "palette.png": (_encoded(palette, "PNG", transparency=3), True),
        "moving.gif": (_encoded(plain, "GIF", save_all=True, append_images=frames), True),
        "thin.png": (_encoded(Image.new("RGB", (1, 3000)), "PNG"), True),
        "dot.png": (_encoded(Image.new("RGB", (1, 1)), "PNG"), True),
        "-rf.jpg": (jpeg + b"1", True),
        "--help.jpg": (jpeg + b"2", True),
        "new\nline.jpg": (jpeg + b"3", True),
        "blank .jpg": (jpeg + b"4", True),
        "ünïcödé 画像.jpg": (jpeg + b"5", True),
        "e\u0301.jpg": (jpeg + b"6", True),
        "é.jpg": (jpeg + b"7", True),
        "=SUM(A1).jpg": (jpeg + b"8", True),
        **turned,
    }


def write_hostile(folder: Path) -> dict[str, bool]:
    """Write the images and things that are none; return each image's id and if it can be read."""
    folder.mkdir(parents=True)
    images = hostile_images()
    for name, (data, _) in images.items():
        (folder / name).write_bytes(data)
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    return {name.rpartition(".")[0]: decodable for name, (_, decodable) in images.items()}
