"""A picture in memory is scored as the file of it is, whatever its mode."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from toolkit.images.decode import decode
from toolkit.images.given import given_image


def picture(mode: str) -> Image.Image:
    random = np.random.default_rng(0)
    if mode == "F":
        return Image.fromarray(random.random((9, 12)).astype(np.float32))
    if mode == "F above 1":
        return Image.fromarray((700 * random.random((9, 12))).astype(np.float32))
    if mode.startswith("I"):
        whole = random.integers(0, 65536, (9, 12))
        if mode == "I":
            return Image.fromarray(whole.astype(np.int32))
        kind = ">u2" if mode.endswith("B") else "<u2"
        return Image.frombytes(mode, (12, 9), whole.astype(kind).tobytes())
    return Image.fromarray(random.integers(0, 256, (9, 12, 3)).astype(np.uint8)).convert(mode)


@pytest.mark.parametrize(
    "mode",
    [*("F", "F above 1", "I", "I;16", "I;16B", "1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB")],
)
def test_a_picture_in_memory_is_that_of_its_file(mode: str) -> None:
    made = picture(mode)
    file = io.BytesIO()
    made.save(file, format="PNG" if mode in ("1", "LA", "P", "RGBA") else "TIFF")
    given = given_image(made, "it")
    data = given.read()
    wanted = decode(file.getvalue(), 64)
    assert wanted.float().std() > 20
    np.testing.assert_array_equal(decode(data, 64).numpy(), wanted.numpy())
