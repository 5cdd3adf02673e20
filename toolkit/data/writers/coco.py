"""Labels as COCO's images and categories, with an annotation per label of an image and no boxes.

Where cells are unknown, images list ``neg_category_ids``, what they do not have, as those of LVIS
do (Gupta, Dollár & Girshick 2019): what is in neither list is unknown. A split is ``split`` of the
images (Karpathy & Fei-Fei 2015). Ids that paths do not give are ``toolkit_id`` of the images,
and what else is known of an image is ``metadata.NAME``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.readers.base import ID_KEY, METADATA
from toolkit.data.writers.base import Content, Writer


def write(content: Content, path: Path) -> None:
    """Write one JSON file; ids of images and categories count from 1."""
    open_cells = bool((content.Y < 0).any())
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for row, name in enumerate(content.files):
        image: dict[str, Any] = {"id": row + 1, "file_name": name}
        width, height = content.shapes[row].tolist()
        image |= {"width": width, "height": height} if width else {}
        image |= {ID_KEY: content.own_ids[row]} if content.own_ids else {}
        image |= {"split": content.parts[row]} if content.parts else {}
        image |= {METADATA + key: cells[row] for key, cells in content.metadata.items()}
        if open_cells:
            image["neg_category_ids"] = (np.flatnonzero(content.Y[row] == 0) + 1).tolist()
        images.append(image)
        for at in np.flatnonzero(content.Y[row] == 1).tolist():
            number = len(annotations) + 1
            annotations.append({"id": number, "image_id": row + 1, "category_id": at + 1})
    kinds = [{"id": at + 1, "name": label} for at, label in enumerate(content.labels)]
    document = {"images": images, "annotations": annotations, "categories": kinds}
    path.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")


COCO = Writer((".json",), write)
