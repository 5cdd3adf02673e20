"""Labels as FiftyOne's ``labels.json``: by image, the numbers of its classes.

Format: FiftyOneImageClassificationDataset of FiftyOne's documentation, with lists of targets.
Images go by their path without the ending. FiftyOne knows no unknown labels and no split there, no
images in containers or at addresses, and no ids or metadata besides: these stand under a key of our
own that it passes over, and in FiftyOne an unknown label looks like no. An image of which every
label is unknown has no target, which FiftyOne takes for not labelled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.readers.course import image_id, is_image_name
from toolkit.data.readers.fiftyone import EXTRA
from toolkit.data.writers.base import Content, Writer
from toolkit.images.addresses import is_address
from toolkit.images.places import in_container


def write(content: Content, path: Path) -> None:
    """Write one JSON file."""
    bare = [image_id(file) for file in content.files]
    plain = not any(in_container(file) or is_address(file) for file in content.files)
    plain = plain and all(is_image_name(file) for file in content.files)
    plain = plain and len(set(bare)) == len(bare)
    keys = bare if plain else list(content.files)
    unsaid = content.Y < 0
    blank = np.asarray(unsaid.all(axis=1))
    targets = {
        key: None if blank[row] else np.flatnonzero(content.Y[row] == 1).tolist()
        for row, key in enumerate(keys)
    }
    unknown = {
        key: content.named(row, -1)
        for row, key in enumerate(keys)
        if not blank[row] and unsaid[row].any()
    }
    more: dict[str, Any] = {"unknown": unknown} if unknown else {}
    more |= {} if plain else {"places": True}
    more |= {"ids": dict(zip(keys, content.own_ids, strict=True))} if content.own_ids else {}
    more |= {"parts": dict(zip(keys, content.parts, strict=True))} if content.parts else {}
    facts = {name: dict(zip(keys, cells, strict=True)) for name, cells in content.metadata.items()}
    more |= {"metadata": facts} if facts else {}
    document: dict[str, Any] = {"classes": list(content.labels), "labels": targets}
    document |= {EXTRA: more} if more else {}
    path.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")


FIFTYONE = Writer((".json",), write)
