"""Labels as a table, CSV or Parquet: a row per image, a column of 1 and 0 per label.

The columns are ``image`` (a path), ``toolkit_id`` where paths do not give the ids, the split where
there is one, metadata as ``metadata.NAME``, and the labels. An unknown cell is blank in CSV and
null in Parquet.
"""

from __future__ import annotations

import csv
from pathlib import Path

from toolkit.data.readers.base import ID_KEY, METADATA
from toolkit.data.readers.columns import SPLIT_NAMES, folded
from toolkit.data.writers.base import Content, Writer
from toolkit.errors import DataError, listed

IMAGE = "image"
_CELLS = {1: "1", 0: "0", -1: ""}


def split_column(labels: tuple[str, ...]) -> str:
    """Return a name for the column of the split that no label has.

    >>> split_column(("cat", "Split"))
    'subset'
    """
    taken = {folded(label) for label in labels}
    return next(name for name in SPLIT_NAMES if name not in taken)


def write_csv(content: Content, path: Path) -> None:
    """Write CSV in UTF-8.

    Raises:
        DataError: a label, an id or metadata begin or end with a blank, which readers of CSV take
            off.
    """
    texts = [*content.labels, *content.own_ids, *content.metadata]
    texts += [cell for cells in content.metadata.values() for cell in set(cells)]
    odd = [text for text in texts if text != text.strip()]
    if odd:
        raise DataError(
            f"labels, ids or metadata begin or end with blanks ({listed(map(repr, odd), 3)}), "
            "which CSV does not keep: export as parquet"
        )
    split = [split_column(tuple(content.labels))] if content.parts else []
    facts = [METADATA + name for name in content.metadata]
    # a semicolon in a name is quoted, or it would count as what separates columns
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(
            [IMAGE, *([ID_KEY] if content.own_ids else []), *split, *facts, *content.labels]
        )
        rows = csv.writer(file, lineterminator="\n")
        for row, (name, values) in enumerate(zip(content.files, content.Y.tolist(), strict=True)):
            own = [content.own_ids[row]] if content.own_ids else []
            part = [content.parts[row]] if content.parts else []
            more = [cells[row] for cells in content.metadata.values()]
            rows.writerow([name, *own, *part, *more, *(_CELLS[value] for value in values)])


def write_parquet(content: Content, path: Path) -> None:
    """Write Parquet: text, then ``int8`` per label with null for unknown."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {IMAGE: pa.array(list(content.files), pa.string())}
    if content.own_ids:
        columns[ID_KEY] = pa.array(list(content.own_ids), pa.string())
    if content.parts:
        columns[split_column(tuple(content.labels))] = pa.array(list(content.parts), pa.string())
    for name, cells in content.metadata.items():
        columns[METADATA + name] = pa.array(list(cells), pa.string())
    for label, column in zip(content.labels, content.Y.T, strict=True):
        columns[label] = pa.array(column, pa.int8(), mask=column < 0)
    pq.write_table(pa.table(columns), path, compression="zstd")


CSV = Writer((".csv",), write_csv)
PARQUET = Writer((".parquet",), write_parquet)
