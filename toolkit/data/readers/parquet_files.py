"""Parquet files of images: whether a file holds them, and whether all files of a set are there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from toolkit.data.readers.columns import IMAGE_NAMES, folded
from toolkit.data.readers.course import IMAGE_SUFFIXES
from toolkit.errors import DataError
from toolkit.images.containers import holds_bytes

_NUMBERED = re.compile(r"(.*)-(\d+)-of-(\d+)")  # as the hub names files of one split
# how JPEG, PNG, GIF, WebP, TIFF and BMP begin
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM")


def require_all(paths: Sequence[PurePath]) -> None:
    """Raise DataError where a file is not there whose number the others' names tell."""
    series: dict[tuple[str, str], set[int]] = {}
    for path in paths:
        named = _NUMBERED.fullmatch(path.stem)
        if named:
            key = str(path.parent / named[1]), f"-of-{named[3]}{path.suffix}"
            series.setdefault(key, set()).add(int(named[2]))
    for (start, end), there in series.items():
        digits = end.partition(".")[0].removeprefix("-of-")
        gone = (n for n in range(int(digits)) if n not in there) if int(digits) < 1e6 else ()
        lacking = next(iter(gone), None)
        if lacking is not None:
            raise DataError(
                f"{start}-{lacking:0{len(digits)}d}{end} is not there, and {len(there)} of "
                f"{int(digits)} such files are: fetch the others, or give the path of one file"
            )


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
