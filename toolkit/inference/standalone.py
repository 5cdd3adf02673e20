"""Score images with the model.onnx beside this file: all it needs is numpy, Pillow, onnxruntime.

python predict.py photo.jpg more/*.jpg > scores.csv      one probability per label
python predict.py --binary photo.jpg > labels.csv        1 where it is at or above its threshold

Exit codes: 0 done, 2 wrong usage, 3 done but images that cannot be read were skipped, and named.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def picture(path: str, how: dict) -> np.ndarray:  # type: ignore[type-arg]
    """Read, resize and crop one image as an input of the model wants it."""
    fields, crop = how["transformers"], how["transformers"]["crop_size"]["height"]
    side = fields["size"].get("shortest_edge") or fields["size"]["height"]
    with Image.open(path) as file:
        short = min(file.size)
        if short >= 4 * side:  # of a large JPEG, decode a scale that is still twice as large
            file.draft("RGB", (file.width * 2 * side // short, file.height * 2 * side // short))
        pixels = np.asarray(rgb(ImageOps.exif_transpose(file)))
    if how["invert"]:
        pixels = -pixels  # of bytes: (256 - x) mod 256
    most = 64 * min(pixels.shape[:2])  # of a longer strip only the middle is resized
    if "shortest_edge" in fields["size"]:
        top, left = (max(0, old - most) // 2 for old in pixels.shape[:2])
        pixels = pixels[top : len(pixels) - top, left : pixels.shape[1] - left]
        sizes = [int(side * old / min(pixels.shape[:2])) for old in pixels.shape[:2]]
    else:
        sizes = [side, side]
    for axis in (1, 0):  # the width first
        pixels = resized(pixels, axis, sizes[axis], crop, cubic=fields["resample"] == 3)
    if how["dtype"] == "uint8":
        return pixels
    scaled = pixels.astype(np.float32) / np.float32(255)
    mean, std = (np.array(fields[name], np.float32) for name in ("image_mean", "image_std"))
    return ((scaled - mean) / std).transpose(2, 0, 1)


def rgb(image: Image.Image) -> Image.Image:
    """Scale 16-bit greys, lay transparency on white, repeat single channels."""
    if image.mode[0] in "IF":
        grey = np.nan_to_num(np.asarray(image).astype(np.float64))
        top = max(1.0, grey.max()) if image.mode == "F" else 65535.0
        image = Image.fromarray(np.clip(grey * (255.0 / top), 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def resized(pixels: np.ndarray, axis: int, new: int, crop: int, cubic: bool) -> np.ndarray:
    """Resize bytes along an axis and keep the middle, bit for bit as the model's maker did.

    That was torch, which keeps the filter's weights in 16 bits where Pillow takes 22.
    """
    old, middle = pixels.shape[axis], max(0, round((new - crop) / 2))
    pixels = np.ascontiguousarray(np.moveaxis(pixels, axis, 0))
    if new == old:
        pixels = pixels[middle : middle + crop]
    else:
        stretch = max(old / new, 1.0)
        centre = old / new * (np.arange(new) + 0.5)
        first = np.maximum(0, (centre - (1 + cubic) * stretch + 0.5).astype(int))
        last = np.minimum(old, (centre + (1 + cubic) * stretch + 0.5).astype(int))
        taps = first[:, None] + np.arange((last - first).max())
        x = np.abs(taps - centre[:, None] + 0.5) / stretch
        near, far = (1.5 * x - 2.5) * x * x + 1, ((x - 5) * x + 8) * x * -0.5 + 2
        weights = np.where(x < 1, near if cubic else 1 - x, np.where(x < 2, far * cubic, 0))
        weights = np.where(taps < last[:, None], weights, 0)
        weights /= weights.sum(axis=1, keepdims=True)
        bits = next(n for n in range(23) if n == 22 or weights.max() * 2 ** (n + 1) + 0.5 >= 2**15)
        whole = np.trunc(weights * 2**bits + np.copysign(0.5, weights)).astype(np.int32)
        keep = slice(middle, middle + crop)
        total = np.full((1, 1, 1), 2 ** (bits - 1), np.int32)
        for at, weight in zip(np.minimum(taps, old - 1)[keep].T, whole[keep].T, strict=True):
            total = total + weight[:, None, None] * pixels[at]
        pixels = np.clip(total >> bits, 0, 255).astype(np.uint8)
    lacking = max(0, crop - len(pixels))  # a smaller picture gets black edges
    pixels = np.pad(pixels, ((lacking // 2, lacking - lacking // 2), (0, 0), (0, 0)))
    return np.moveaxis(pixels, 0, axis)


def main() -> int:
    """Score the images that the command line names, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+")
    parser.add_argument("--binary", action="store_true")
    asked = parser.parse_args()
    import onnxruntime

    session = onnxruntime.InferenceSession(str(Path(__file__).with_name("model.onnx")))
    facts = session.get_modelmeta().custom_metadata_map
    labels, thresholds = json.loads(facts["labels"]), json.loads(facts["thresholds"])
    at = np.array([thresholds[label] for label in labels], np.float32)
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    out = csv.writer(sys.stdout)
    out.writerow(["image", *labels])
    inputs, skipped = json.loads(facts["preprocess"]), 0
    for path in asked.images:
        try:
            given = {each["name"]: picture(path, each)[None] for each in inputs}
        except Exception as error:  # Pillow's plugins raise errors of many kinds on broken files
            sys.stderr.write(f"skipped {path}: it cannot be read as an image ({error})\n")
            skipped += 1
            continue
        scores = session.run(["prediction"], given)[0][0]
        out.writerow([path, *((scores >= at).astype(int) if asked.binary else scores).tolist()])
    return 3 if skipped else 0


if __name__ == "__main__":
    raise SystemExit(main())
