"""Outputs: predictions of any number of images as files, written as they come, or as a frame."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.readers.course import image_id
from toolkit.errors import DataError, UsageError
from toolkit.inference.stream import Write
from toolkit.statistics.metrics import binarize
from toolkit.storage.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

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

    CSV and Parquet, by the file's ending: a column ``image``, then one per label, of probabilities,
    or of 0 and 1 where thresholds are given. The course's form is tab-separated: a header, then for
    each image its number (the last digits of its name) and a 0 or 1 per label.

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
        raise UsageError(
            f"out: expected a file ending in {' or '.join(allowed)}, found {path.name}"
        )
    with atomic_path(path) as temporary:
        form = _parquet if ending == ".parquet" else partial(_text, course=course)
        with form(temporary, labels, thresholds is not None) as write:

            def write_scored(names: Sequence[str], scores: np.ndarray) -> None:
                scored = np.flatnonzero(~np.isnan(scores).any(axis=1))
                values = scores[scored]
                write(
                    [names[row] for row in scored.tolist()],
                    values if thresholds is None else binarize(values, thresholds),
                )

            yield write_scored


@contextmanager
def _text(path: Path, labels: Sequence[str], decided: bool, *, course: bool) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter="\t" if course else ",", lineterminator="\n")
        lines.writerow(["image", *labels])

        def write(names: Sequence[str], values: np.ndarray) -> None:
            shown = [_number(name) for name in names] if course else names
            form = str if decided else "{:.7g}".format
            rows = ([form(value) for value in row] for row in values.tolist())
            lines.writerows([name, *row] for name, row in zip(shown, rows, strict=True))

        yield write


@contextmanager
def _parquet(path: Path, labels: Sequence[str], decided: bool) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.uint8() if decided else pa.float32()
    schema = pa.schema([("image", pa.string()), *((label, kind) for label in labels)])
    with pq.ParquetWriter(path, schema, compression="zstd") as file:

        def write(names: Sequence[str], values: np.ndarray) -> None:
            columns = [pa.array(np.ascontiguousarray(column)) for column in values.T]
            file.write_table(pa.table([pa.array(list(names)), *columns], schema=schema))

        yield write


class Gathered:
    """Takes names and scores as the files do, and keeps them, in order, as a frame.

    Args:
        labels: L label names.
        thresholds: ``(L,)``, or None for probabilities.
    """

    def __init__(self, labels: Sequence[str], thresholds: np.ndarray | None) -> None:
        self._labels, self._thresholds = labels, thresholds
        self._names: list[str] = []
        self._scores = [np.zeros((0, len(labels)), np.float32)]

    def __call__(self, names: Sequence[str], scores: np.ndarray) -> None:
        """Take some rows."""
        self._names += names
        self._scores.append(scores)

    def frame(self) -> pd.DataFrame:
        """Return ``image`` and one column per label: float32, NaN where an image was not scored.

        With thresholds 0 and 1 as pandas' Int8, with its own mark for what is missing.
        """
        import pandas as pd

        scores = np.concatenate(self._scores)
        found = pd.DataFrame(scores, columns=list(self._labels))
        if self._thresholds is not None:
            decided = pd.DataFrame(binarize(scores, self._thresholds), columns=list(self._labels))
            found = decided.astype("Int8").mask(found.isna())
        found.insert(0, "image", self._names)
        return found


def read_output(path: Path) -> pd.DataFrame:
    """Return a file of predictions as a frame."""
    import pandas as pd

    if path.suffix.lower() == ".parquet":
        return pd.read_parquet(path)
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    return pd.read_csv(path, sep=separator, dtype={"image": str}, keep_default_na=False)


def _number(name: str) -> str:
    found = _NUMBER.search(image_id(name).rpartition("/")[2])
    if found is None:
        raise DataError(
            f"course_tsv: expected a number in each image's name, found {name}: write a CSV file "
            "with binary"
        )
    return str(int(found.group(1)))
