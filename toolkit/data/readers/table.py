"""Labels in a table on disk: CSV with commas, semicolons or tabs, JSON lines, or Parquet."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from toolkit.data.readers.base import Format, Labelled, Options
from toolkit.data.readers.cells import interpret
from toolkit.data.readers.columns import Rows
from toolkit.data.readers.join import joined
from toolkit.errors import DataError, counted

_TEXT = (".csv", ".tsv", ".txt")
_LINES = (".jsonl", ".ndjson")
ENDINGS = (*_TEXT, *_LINES, ".parquet")


def read(path: Path, options: Options) -> Labelled:
    """Read a table of images and labels.

    Images lie in the table's folder or below it, or in ``root``.

    Raises:
        DataError: it is no such table, or see :func:`~toolkit.data.readers.cells.interpret` and
            :func:`~toolkit.data.readers.join.joined`.
    """
    if path.is_dir():
        path = _table_in(path)
    options.only("tables", "image_column", "labels", "label_prefix", "separator", "absent", "root")
    table = interpret(read_rows(path), options)
    unknown = int((table.Y < 0).sum())
    found = (
        f"table: {counted(len(table.names), 'image')}, {counted(len(table.labels), 'label')} "
        f"({table.kind}), {int((table.Y == 1).sum()):,} image labels"
    )
    found += f", {unknown:,} unknown" if unknown else ""
    return joined(
        str(path),
        options.root or path.parent,
        table.names,
        table.Y,
        table.labels,
        options,
        parts=table.parts,
        places=table.places,
        facts={"layout": "csv", "annotations": None},
        found=found,
        remarks=table.remarks,
        own_ids=table.ids,
    )


def read_rows(path: Path) -> Rows:
    """Read a table's header and rows, blank lines left out."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _parquet(path)
    text = _text(path)
    return _json_lines(path, text) if ending in _LINES else _separated(path, text)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if b"\0" in file.read(4096):  # before gigabytes of an archive are read
                raise DataError(
                    f"{path} is no text in UTF-8: give a folder or a CSV file, saved as UTF-8"
                )
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}): save it so") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error


def _separated(path: Path, text: str) -> Rows:
    first, _, rest = text.partition("\n")
    delimiter, skipped = None, 0
    if first.strip().casefold().startswith("sep="):  # a spreadsheet's own line
        delimiter, text, skipped = first.strip()[4:5], rest, 1
        first = rest.partition("\n")[0]
    if delimiter is None:
        bare = re.sub(r'"[^"]*"', "", first)  # a separator in quotes is a name's
        counts = {each: bare.count(each) for each in ",;\t"}
        delimiter = max(counts, key=lambda each: counts[each])
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        records = [(reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error
    records = [(line, cells) for line, cells in records if any(cells)]
    header = records[0][1] if records else []
    for line, cells in records[1:]:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {line}, has {len(cells)} cells where the header has {len(header)}"
            )
    places = [f"{path}, line {line}" for line, _ in records[1:]]
    return Rows(str(path), header, [cells for _, cells in records[1:]], places)


def _json_lines(path: Path, text: str) -> Rows:
    found: list[tuple[int, dict[str, Any]]] = []
    for line, each in enumerate(text.splitlines(), 1):
        if each.strip():
            try:
                row = json.loads(each)
            except ValueError as error:
                raise DataError(f"{path}, line {line}: no JSON ({error})") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {line}: expected an object, found {each[:40]!r}")
            found.append((line, row))
    header = list(dict.fromkeys(name for _, row in found for name in row))
    cells = [[row.get(name) for name in header] for _, row in found]
    return Rows(str(path), header, cells, [f"{path}, line {line}" for line, _ in found])


def _parquet(path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    columns = [column.to_pylist() for column in table.columns]
    cells = [list(row) for row in zip(*columns, strict=True)]
    places = [f"{path}, row {row}" for row in range(len(cells))]
    return Rows(str(path), list(table.column_names), cells, places)


def _table_in(folder: Path) -> Path:
    found = sorted(each for each in folder.iterdir() if each.suffix.lower() in ENDINGS[:-1])
    found = [each for each in found if each.suffix.lower() != ".txt"] or found
    found += sorted(folder.glob("*.parquet"))
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise DataError(f"{folder}: expected one table, found {names}: give the table's own path")
    return found[0]


def _recognises(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() != ".json" and path.suffix.lower() not in (".yaml", ".yml")
    return path.is_dir() and not (path / "annotations").is_dir() and _one_table(path)


def _one_table(path: Path) -> bool:
    endings = (".csv", ".tsv", ".jsonl", ".ndjson")
    return sum(each.suffix.lower() in endings for each in path.iterdir()) == 1


TABLE = Format(_recognises, read)
