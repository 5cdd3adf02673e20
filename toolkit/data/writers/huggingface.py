"""Labels as Parquet that Hugging Face's ``datasets`` opens with its own features.

``image`` is an ``Image`` (path or bytes), ``id`` and, with one, ``split`` are text, ``labels`` is a
list of ``ClassLabel``. Where cells are unknown, ``unknown`` is such a list too: a label in neither
is no. What else is known of an image is text, in ``metadata.NAME``. The features stand in the
schema's metadata under ``huggingface``, as ``datasets`` writes it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.readers.base import METADATA
from toolkit.data.writers.base import Content, Writer
from toolkit.errors import DataError, counted, listed
from toolkit.images.places import in_container, read_place

BLOCK = 500  # images in memory at a time


def write(content: Content, path: Path) -> None:
    """Write Parquet in blocks of rows.

    Raises:
        DataError: an image cannot be read, or lies where ``datasets`` does not reach by a path.
    """
    held = [path for path in content.paths if in_container(path) and not os.path.isfile(path)]
    if content.images == "path" and held:
        raise DataError(
            f"{counted(len(held), 'image')} in tars, Parquet or Arrow files have no path that "
            f"datasets could open ({listed(held, 2)}): images='bytes' (--images bytes) takes them "
            "along"
        )
    import pyarrow as pa
    import pyarrow.parquet as pq

    classes = {"names": list(content.labels), "_type": "ClassLabel"}
    numbers = {"feature": classes, "_type": "Sequence"}  # newer versions read it as List
    text = {"dtype": "string", "_type": "Value"}
    open_cells = bool((content.Y < 0).any())
    features: dict[str, Any] = {"image": {"_type": "Image"}, "id": text}
    features |= {"split": text} if content.parts else {}
    features |= {"labels": numbers} | ({"unknown": numbers} if open_cells else {})
    features |= {METADATA + name: text for name in content.metadata}
    kinds = {
        "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        "labels": pa.list_(pa.int64()),
        "unknown": pa.list_(pa.int64()),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in features])
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for start in range(0, len(content.ids), BLOCK):
            rows = range(start, min(start + BLOCK, len(content.ids)))
            columns: dict[str, list[Any]] = {
                "image": [_image(content, row) for row in rows],
                "id": [content.ids[row] for row in rows],
                "split": [content.parts[row] for row in rows] if content.parts else [],
                "labels": [np.flatnonzero(content.Y[row] == 1).tolist() for row in rows],
                "unknown": [np.flatnonzero(content.Y[row] < 0).tolist() for row in rows],
            }
            columns |= {
                METADATA + name: [cells[row] for row in rows]
                for name, cells in content.metadata.items()
            }
            arrays = [pa.array(columns[field.name], field.type) for field in schema]
            file.write_table(pa.table(arrays, schema=schema))


def _image(content: Content, row: int) -> dict[str, Any]:
    if content.images == "path":  # datasets opens it wherever it is run
        return {"bytes": None, "path": content.paths[row]}
    try:
        return {"bytes": read_place(content.paths[row]), "path": content.files[row]}
    except OSError as error:
        raise DataError(f"image {content.paths[row]} cannot be read: {error.strerror}") from error


HUGGING_FACE = Writer((".parquet",), write, holds=("path", "bytes"))
