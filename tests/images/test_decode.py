from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from tests.features.feature_fakes import encoded, picture
from toolkit.errors import DataError
from toolkit.images import decode as module
from toolkit.images.decode import UndecodableError, decode, decode_pillow, plain_jpeg_size
from toolkit.images.feed import decode_group, decoding
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Image
from toolkit.storage.files import digest_bytes

JPEG = encoded(picture(0, 64, 48))
GREY = (0.5, 0.5, 0.5)


def pixels(data: bytes, target: int = 256) -> np.ndarray:
    array: np.ndarray = decode(data, target).permute(1, 2, 0).numpy()
    return array


def by_pillow(data: bytes, target: int = 256) -> np.ndarray:
    return np.asarray(decode_pillow(data, target))


@pytest.mark.parametrize("size", [(64, 48), (61, 47), (7, 5), (1, 1), (129, 17)])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_fast_path_gives_the_same_bytes_as_pillow(
    size: tuple[int, int], progressive: bool
) -> None:
    image = picture(1, *size)
    for quality in (30, 90, 100):
        grey = encoded(image.convert("L"), quality=quality, progressive=progressive)
        files = [grey] + [
            encoded(image, quality=quality, progressive=progressive, subsampling=chroma)
            for chroma in ("4:4:4", "4:2:2", "4:2:0")
        ]
        for data in files:
            assert plain_jpeg_size(data) == size
            assert (pixels(data) == by_pillow(data)).all()


def test_without_torchvision_s_decoder_the_bytes_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert module.fast_jpeg_decoder() is not None  # else nothing is compared with Pillow here
    expected = pixels(JPEG)
    monkeypatch.setattr(module, "fast_jpeg_decoder", lambda: None)
    assert (pixels(JPEG) == expected).all()


def test_a_jpeg_stored_as_red_green_blue_is_decoded_as_such() -> None:
    data = encoded(picture(2, 40, 30), keep_rgb=True, quality=95)
    assert plain_jpeg_size(data) == (40, 30)
    assert (pixels(data) == by_pillow(data)).all()
    assert np.abs(pixels(data).astype(int) - np.asarray(picture(2, 40, 30))).mean() < 4


def with_orientation(turn: int, xmp: bool) -> bytes:
    image = picture(3, 32, 24)
    if xmp:
        text = f'<x:xmpmeta><rdf:Description tiff:Orientation="{turn}"/></x:xmpmeta>'
        return encoded(image, quality=95, xmp=text.encode())
    exif = Pillow.Exif()
    exif[0x010F] = "a camera"
    exif[0x0112] = turn
    return encoded(image, quality=95, exif=exif)


@pytest.mark.parametrize("xmp", [False, True])
@pytest.mark.parametrize("turn", range(1, 9))
def test_the_camera_orientation_is_applied(turn: int, xmp: bool) -> None:
    data = with_orientation(turn, xmp)
    upright = np.asarray(ImageOps.exif_transpose(Pillow.open(io.BytesIO(data))).convert("RGB"))
    assert upright.shape[:2] == ((24, 32) if turn < 5 else (32, 24))
    assert (pixels(data) == upright).all()
    assert (plain_jpeg_size(data) is None) == (turn != 1)


def test_damaged_exif_never_turns_an_image_another_way_than_pillow() -> None:
    data = with_orientation(6, xmp=False)
    start = data.index(b"Exif")
    with decoding():
        for place in range(start, start + 40):
            hurt = bytearray(data)
            hurt[place] ^= 0xFF
            assert (pixels(bytes(hurt)) == by_pillow(bytes(hurt))).all()


def test_transparency_is_laid_on_white() -> None:
    clear = Pillow.new("RGBA", (6, 6), (10, 20, 30, 0))
    palette = Pillow.new("P", (6, 6), 0)
    palette.putpalette([10, 20, 30] * 256)
    files = [
        encoded(clear, "PNG"),
        encoded(clear.convert("LA"), "PNG"),
        encoded(palette, "PNG", transparency=0),
        encoded(palette, "GIF", transparency=0),
        encoded(Pillow.new("RGB", (6, 6), (10, 20, 30)), "PNG", transparency=(10, 20, 30)),
    ]
    for data in files:
        assert (pixels(data) == 255).all()
    half = encoded(Pillow.new("RGBA", (6, 6), (0, 0, 0, 128)), "PNG")
    assert (np.abs(pixels(half).astype(int) - 127) <= 1).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_comes_out_as_three_channels_of_bytes(mode: str) -> None:
    grey = Pillow.new("L", (8, 6), 255).convert(mode)
    data = encoded(grey, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")
    assert pixels(data).shape == (6, 8, 3)
    assert (pixels(data) == 255).all()


def test_single_channel_images_are_repeated() -> None:
    data = encoded(picture(4).convert("L"), "PNG")
    assert (pixels(data) == pixels(data)[..., :1]).all()
    assert (pixels(data)[..., 0] == np.asarray(picture(4).convert("L"))).all()


def test_a_cmyk_jpeg_has_the_colours_that_pillow_gives_it() -> None:
    data = encoded(picture(5, 40, 30).convert("CMYK"), quality=95)
    assert plain_jpeg_size(data) is None
    assert np.abs(pixels(data).astype(int) - np.asarray(picture(5, 40, 30))).mean() < 4


def test_sixteen_bit_grey_keeps_its_upper_eight_bits() -> None:
    values = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    got = pixels(encoded(Pillow.fromarray(values), "PNG"))
    assert np.abs(got[..., 0].astype(int) - values // 257).max() <= 1


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Pillow.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert getattr(Pillow.open(io.BytesIO(data)), "n_frames", 1) == 2
        assert (pixels(data) == (255, 0, 0)).all()


def test_the_extension_does_not_matter(tmp_path: Path) -> None:
    data = encoded(picture(6), "PNG")
    path = tmp_path / "im1.jpg"
    path.write_bytes(data)
    preprocess = Preprocess(12, 12, "bilinear", GREY, GREY)
    got = decode_group([Image("im1", str(path), digest_bytes(data))], preprocess)[1]
    assert (got[0] == np.asarray(picture(6))).all()


def bomb() -> bytes:
    png = encoded(Pillow.new("L", (1, 1)), "PNG")
    header = struct.pack(">II", 50_000, 50_000) + png[24:29]
    return png[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + png[33:]


def huge_jpeg() -> bytes:
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", 1_900, 60_000) + JPEG[at + 4 :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\0" * 500, "not an image"),
        (b"no image at all" * 20, "not an image"),
        (JPEG[:2] + b"\xff\xe0\0\0" * 50, "not an image"),
        (JPEG[:200], "truncated|Truncated"),
        (JPEG[: len(JPEG) // 2], "truncated"),
        (encoded(picture(7), "PNG")[:-40], "truncated"),
        (encoded(picture(7), "PNG")[:20], "Truncated"),
        (bomb(), "exceeds limit"),
        (huge_jpeg(), "exceeds limit|truncated"),
    ],
)
def test_what_cannot_be_decoded_gives_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UndecodableError, match=reason) as caught:
        decode(data, 256)
    assert len(str(caught.value)) <= 160
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("whole", [JPEG, encoded(picture(8), "PNG"), encoded(picture(8), "GIF")])
def test_a_file_cut_short_anywhere_is_decoded_or_refused(whole: bytes) -> None:
    refused = 0
    for end in range(0, len(whole), 23):
        try:
            assert decode(whole[:end], 256).shape[0] == 3
        except UndecodableError:
            refused += 1
    assert refused > 10


def test_a_folder_or_a_missing_file_in_an_image_s_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "im1.jpg").mkdir()
    preprocess = Preprocess(8, 8, "bilinear", GREY, GREY)
    for name, reason in (("im1.jpg", "Is a directory"), ("im2.jpg", "No such file")):
        with pytest.raises(DataError, match=f"{name} cannot be read any more: {reason}"):
            decode_group([Image("im", str(tmp_path / name), bytes(16))], preprocess)


def smooth(width: int, height: int) -> Pillow.Image:
    return picture(9, width // 8, height // 8).resize((width, height), Pillow.Resampling.BICUBIC)


def test_large_photographs_are_decoded_at_a_lower_scale_within_a_bound() -> None:
    target = 64
    preprocess = Preprocess(56, target, "bicubic", GREY, GREY)
    data = encoded(smooth(1100, 800), quality=92)
    small, full = decode(data, target), decode(data, 1000)
    assert full.shape[1:] == (800, 1100)
    assert small.shape[1:] == (200, 275)  # at least twice the target
    gap = preprocess.batch([small]).astype(int) - preprocess.batch([full]).astype(int)
    assert np.abs(gap).max() <= 6
    assert np.abs(gap).mean() < 1.0


def test_an_image_below_the_scaling_size_is_decoded_in_full() -> None:
    data = encoded(smooth(1100, 800), quality=80)
    assert decode(data, 201).shape[1:] == (800, 1100)
    assert decode(data, 200).shape[1:] == (400, 550)
    assert decode(data, 101).shape[1:] == (400, 550)
    assert decode(data, 50).shape[1:] == (100, 138)


def test_pixels_are_counted_after_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(smooth(1100, 800))
    monkeypatch.setattr(module, "MAX_PIXELS", 300_000)
    assert decode(data, 128).shape[1:] == (400, 550)
    with pytest.raises(UndecodableError, match="1100x800 pixels"):
        decode(data, 256)


def test_garbage_within_the_entropy_coded_data_ends_in_pixels_or_a_reason() -> None:
    rng = np.random.default_rng(0)
    start = JPEG.index(b"\xff\xda") + 14
    for _ in range(30):
        hurt = bytearray(JPEG)
        for place in rng.integers(start, len(JPEG) - 2, 8):
            hurt[place] = int(rng.integers(256))
        with suppress(UndecodableError):
            assert decode(bytes(hurt), 256).shape == (3, 48, 64)
