"""The script that goes with a graph prepares pictures as the toolkit does, bit for bit."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.images.decode import decode
from toolkit.images.preprocess import Preprocess
from toolkit.inference.standalone import picture
from toolkit.inference.transforms import processor_fields

RGB = (0.5, 0.4, 0.3)
PLAIN = Preprocess(32, 36, "bicubic", RGB, (0.2, 0.3, 0.25))
TRANSFORMS = {
    "center": PLAIN,
    "full": replace(PLAIN, resize=32),
    "bilinear": replace(PLAIN, interpolation="bilinear"),
    "squash": replace(PLAIN, squash=True),
    "inverted": replace(PLAIN, invert=True),
    "padded": replace(PLAIN, resize=25),
}


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(width * 1000 + height)
    if mode.startswith("I;16"):
        return Image.fromarray(rng.integers(0, 65536, (height, width)).astype(np.uint16))
    if mode == "F":
        return Image.fromarray(rng.random((height, width)).astype(np.float32) * 300)
    whole = rng.integers(0, 256, (height, width, 4)).astype(np.uint8)
    return Image.fromarray(whole, "RGBA").convert(mode)


def file_of(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def assert_alike(data: bytes, transform: Preprocess) -> None:
    how = {"transformers": processor_fields(transform, True), "invert": transform.invert}
    wanted = transform.batch([decode(data, transform.resize)])[0]
    found = picture(io.BytesIO(data), how | {"dtype": "uint8"})  # type: ignore[arg-type]
    assert found.dtype == np.uint8
    assert np.array_equal(found, wanted)
    scaled = picture(io.BytesIO(data), how | {"dtype": "float32"})  # type: ignore[arg-type]
    mean, std = np.array(transform.mean), np.array(transform.std)
    assert np.abs(scaled.transpose(1, 2, 0) * std + mean - wanted / 255).max() < 1e-6


@pytest.mark.parametrize("name", TRANSFORMS)
@settings(max_examples=25, deadline=None)
@given(st.integers(2, 140), st.integers(2, 140))
def test_pictures_of_any_size_are_alike(name: str, width: int, height: int) -> None:
    assert_alike(file_of(noise(width, height)), TRANSFORMS[name])


@pytest.mark.parametrize("size", [(333, 500), (500, 333), (1, 90), (90, 1), (36, 50), (900, 700)])
def test_tall_wide_thin_and_large_pictures_are_alike(size: tuple[int, int]) -> None:
    assert_alike(file_of(noise(*size)), PLAIN)
    assert_alike(file_of(noise(*size), "JPEG"), PLAIN)  # a large one is decoded at a lower scale


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "I;16", "F", "CMYK"])
def test_pictures_of_every_mode_are_alike(mode: str) -> None:
    format = {"F": "TIFF", "CMYK": "JPEG", "PA": "TIFF"}.get(mode, "PNG")
    assert_alike(file_of(noise(61, 47, mode), format), PLAIN)


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientations_are_heeded(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    assert_alike(file_of(noise(61, 47), "JPEG", exif=exif), PLAIN)
