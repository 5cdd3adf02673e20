"""The formats that labels go out in, by name."""

from __future__ import annotations

from toolkit.data.writers.base import Writer
from toolkit.data.writers.coco import COCO
from toolkit.data.writers.fiftyone import FIFTYONE
from toolkit.data.writers.huggingface import HUGGING_FACE
from toolkit.data.writers.table import CSV, PARQUET

WRITERS: dict[str, Writer] = {
    "csv": CSV,
    "coco": COCO,
    "parquet": PARQUET,
    "hf": HUGGING_FACE,
    "fiftyone": FIFTYONE,
}
