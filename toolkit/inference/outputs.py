"""Outputs: predictions of any number of images written as they come, whole or not at all."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from toolkit.data.readers.course import image_id
from toolkit.errors import DataError, UsageError
from toolkit.inference.predict import Write
from toolkit.statistics.metrics import binarize
from toolkit.storage.files import atomic_path

_NUMBER = re.compile(r"(\d+)\D*$")


@contextmanager
def open_output(
    path: Path,
    labels: Sequence[str],
    *,
    thresholds: np.ndarray | None = None,
    course: bool = False,
) -> Iterator[Write]:
    """Yield what takes names and scores; the file appears under its name once all are written.

    CSV and Parquet, by the file's ending: a column ``image``, then one a label, of probabilities,
    or of 0 and 1 where thresholds are given. The course's form is tab-separated: a header, then for
    each image its number (the last digits of its name) and a 0 or 1 a label.

    Args:
        path: the file to write.
        labels: L label names.
        thresholds: ``(L,)``.
        course: write the course's form; thresholds must be given.

    Raises:
        UsageError: the ending stands for neither.
        DataError: in the course's form, a name has no number.
    """
    ending = path.suffix.lower()
    allowed = (".tsv", ".txt") if course else (".csv", ".parquet")
    if ending not in allowed:
        raise UsageError(f"--out {path.name}: the file must end in {' or '.join(allowed)}")
    with atomic_path(path) as temporary:
        if ending == ".parquet":
            with _parquet(temporary, labels, thresholds) as write:
                yield write
        else:
            with _text(temporary, labels, thresholds, course) as write:
                yield write


@contextmanager
def _text(
    path: Path, labels: Sequence[str], thresholds: np.ndarray | None, course: bool
) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter="\t" if course else ",", lineterminator="\n")
        lines.writerow(["image", *labels])

        def write(names: Sequence[str], scores: np.ndarray) -> None:
            shown = [_number(name) for name in names] if course else names
            if thresholds is None:
                rows = [[f"{value:.7g}" for value in row] for row in scores.tolist()]
            else:
                rows = [[str(value) for value in row] for row in binarize(scores, thresholds)]
            lines.writerows([name, *row] for name, row in zip(shown, rows, strict=True))

        yield write


@contextmanager
def _parquet(path: Path, labels: Sequence[str], thresholds: np.ndarray | None) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.float32() if thresholds is None else pa.uint8()
    schema = pa.schema([("image", pa.string()), *((label, kind) for label in labels)])
    with pq.ParquetWriter(path, schema, compression="zstd") as file:

        def write(names: Sequence[str], scores: np.ndarray) -> None:
            values = scores if thresholds is None else binarize(scores, thresholds)
            columns = [pa.array(np.ascontiguousarray(column)) for column in values.T]
            file.write_table(pa.table([pa.array(list(names)), *columns], schema=schema))

        yield write


def _number(name: str) -> str:
    found = _NUMBER.search(image_id(name).rpartition("/")[2])
    if found is None:
        raise DataError(
            f"image {name} has no number in its name, which --course-tsv names images by: "
            "write a CSV file with --binary"
        )
    return str(int(found.group(1)))
