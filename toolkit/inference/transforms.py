"""How a graph's inputs are made of pictures, in the fields of timm, transformers and imgutils."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from toolkit.images.preprocess import Preprocess

if TYPE_CHECKING:
    from toolkit.inference.graphs.member import Entry

_RESAMPLE = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def described(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return what ``preprocess.json`` holds: how each input is made.

    ``timm`` and ``transformers`` name the transform as these do. ``invert``: first every byte x
    becomes (256 - x) mod 256, for which they have no field.
    """
    return [
        {
            "name": entry.name,
            "dtype": "float32" if entry.normalised else "uint8",
            "layout": "NCHW" if entry.normalised else "NHWC",
            "channels": "RGB",
            "timm": timm_fields(entry.preprocess),
            "transformers": processor_fields(entry.preprocess, entry.normalised),
            "invert": entry.preprocess.invert,
        }
        for entry in entries
    ]


def timm_fields(transform: Preprocess) -> dict[str, Any]:
    """Return the fields of timm's ``pretrained_cfg``.

    >>> rgb = (0.5, 0.5, 0.5)
    >>> timm_fields(Preprocess(224, 256, "bicubic", rgb, rgb))["crop_pct"]
    0.875
    """
    share = transform.size / transform.resize
    while math.floor(transform.size / share) < transform.resize:  # as timm goes back to it
        share = math.nextafter(share, 0.0)
    return {
        "input_size": [3, transform.size, transform.size],
        "interpolation": transform.interpolation,
        "crop_pct": share,
        "crop_mode": "squash" if transform.squash else "center",
        "mean": list(transform.mean),
        "std": list(transform.std),
    }


def processor_fields(transform: Preprocess, normalised: bool) -> dict[str, Any]:
    """Return the fields of an image processor of transformers.

    Args:
        transform: the whole of it.
        normalised: whether scaling and normalising are the processor's business, not the graph's.
    """
    side = transform.resize
    return {
        "image_processor_type": "BitImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": side, "width": side} if transform.squash else {"shortest_edge": side},
        "resample": int(_RESAMPLE[transform.interpolation]),
        "do_center_crop": True,
        "crop_size": {"height": transform.size, "width": transform.size},
        "do_rescale": normalised,
        "rescale_factor": 1 / 255,
        "do_normalize": normalised,
        "image_mean": list(transform.mean),
        "image_std": list(transform.std),
    }


def imgutils_steps(transform: Preprocess) -> list[dict[str, Any]]:
    """Return the steps of an evaluation transform as imgutils reads them."""
    side = transform.resize
    return [
        {"type": "convert_rgb", "force_background": "white"},
        {
            "type": "resize",
            "size": [side, side] if transform.squash else side,
            "interpolation": transform.interpolation,
            "max_size": None,
            "antialias": True,
        },
        {"type": "center_crop", "size": [transform.size, transform.size]},
        {"type": "maybe_to_tensor"},
        {"type": "normalize", "mean": list(transform.mean), "std": list(transform.std)},
    ]
