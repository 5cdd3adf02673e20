"""Parquet files of images: whether a file holds them."""

from __future__ import annotations

from pathlib import Path

from toolkit.data.readers.columns import IMAGE_NAMES, folded
from toolkit.data.readers.course import IMAGE_SUFFIXES
from toolkit.images.containers import holds_bytes

# how JPEG, PNG, GIF, WebP, TIFF and BMP begin
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM")


def holds_images(file: Path) -> bool:
    """Tell by the schema whether images lie in a column, and not just their paths beside bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(file)
    except (OSError, pa.ArrowException):
        return False  # a table, which is then named as damaged
    kinds = {field.name: holds_bytes(field.type) for field in schema}
    named = [name for name in kinds if folded(name) in IMAGE_NAMES]
    if "struct" in kinds.values() or "binary" not in kinds.values():
        return "struct" in kinds.values()
    if not named or any(kinds[name] for name in named):
        return True
    of_bytes = [name for name, kind in kinds.items() if kind == "binary"]
    return len(of_bytes) == 1 and _shows_images(file, of_bytes[0], named[0])


def _shows_images(file: Path, column: str, beside: str) -> bool:
    """Tell by the first row whether bytes are an image, and the name beside it is of no file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            batch = next(opened.iter_batches(1, columns=[column, beside]), None)
    except (OSError, pa.ArrowException):
        return False
    if batch is None or not batch.num_rows:
        return False
    row = batch.to_pylist()[0]
    name = str(row[beside])
    near = [name, *(f"{name}{ending}" for ending in IMAGE_SUFFIXES)]
    there = any((file.parent / each).is_file() for each in near if "\0" not in each)
    return not there and bytes(row[column] or b"").startswith(_MAGIC)
