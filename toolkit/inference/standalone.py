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
        image = ImageOps.exif_transpose(file)
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            rgba = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        image = image.convert("RGB")
    short = min(image.size)
    size = (int(side * image.width / short), int(side * image.height / short))
    image = image.resize(
        size if "shortest_edge" in fields["size"] else (side, side), fields["resample"]
    )
    left, top = round((image.width - crop) / 2), round((image.height - crop) / 2)
    pixels = np.asarray(image.crop((left, top, left + crop, top + crop)))
    if how["invert"]:
        pixels = -pixels  # of bytes: (256 - x) mod 256
    if how["dtype"] == "uint8":
        return pixels
    scaled = pixels.astype(np.float32) / np.float32(255)
    mean, std = (np.array(fields[name], np.float32) for name in ("image_mean", "image_std"))
    return ((scaled - mean) / std).transpose(2, 0, 1)


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
