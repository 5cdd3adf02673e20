"""Rows of tables on disk: CSV with commas, semicolons or tabs, JSON, or Parquet."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from toolkit.data.readers.base import Options
from toolkit.data.readers.columns import Rows
from toolkit.data.readers.delimiter import LINES as _FIRST
from toolkit.data.readers.delimiter import delimiter_of, named_delimiter
from toolkit.data.readers.headless import with_numbers
from toolkit.data.readers.json_rows import json_document, json_lines
from toolkit.data.readers.table_text import table_ending, table_text
from toolkit.errors import DataError, UsageError, counted

LINES = (".jsonl", ".ndjson")
_ROWS = re.compile(r"__index_level_\d+__")
_HEAD = 1 << 16  # letters in which the first lines are looked for
_AS_USUAL = Options()


def read_rows(path: Path, options: Options = _AS_USUAL) -> Rows:
    """Read a table's header and rows, blank lines left out."""
    ending = table_ending(path)
    if not options.header and ending in (".parquet", ".json", *LINES):
        raise UsageError(f"header=False is for CSV, {path.name} has its own names: leave it out")
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    text = table_text(path)
    if ending == ".json":
        return json_document(path, text)
    if ending in LINES:
        return json_lines(path, text)
    rows = _separated(path, text, options.header)
    return rows if options.header else with_numbers(rows, options)


def _separated(path: Path, text: str, header: bool) -> Rows:
    first, _, rest = text.partition("\n")
    delimiter, skipped = named_delimiter(first), 0
    if delimiter:
        text, skipped = rest, 1
    else:
        lines = text[:_HEAD].splitlines()[:_FIRST]
        delimiter = delimiter_of(lines, table_ending(path), header)
        if delimiter not in first and _is_celeba(text):
            return _celeba(path, text)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        records = [(reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error
    records = [(line, cells) for line, cells in records if any(cells)]
    names = records[0][1] if records else []
    for line, cells in records[1:]:
        if len(cells) != len(names):
            raise DataError(
                f"{path}, line {line}, has {counted(len(cells), 'cell')} where the "
                f"{'header' if header else 'first line'} has {len(names)}"
            )
    places = [f"{path}, line {line}" for line, _ in records[1:]]
    return Rows(str(path), names, [cells for _, cells in records[1:]], places)


def _is_celeba(text: str) -> bool:
    """Tell CelebA's list: how many images, a line of names, then an image and a value for each."""
    lines = text.lstrip("\ufeff").split("\n", 3)
    names, first = (line.split() for line in lines[1:3]) if len(lines) > 2 else ([], [])
    return lines[0].strip().isdecimal() and bool(names) and len(first) == len(names) + 1


def _celeba(path: Path, text: str) -> Rows:
    count, head, *lines = text.splitlines()
    rows = [(number, line.split()) for number, line in enumerate(lines, 3) if line.strip()]
    header = ["image", *head.split()]
    for number, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {number}, has {counted(len(cells), 'cell')} where "
                f"{len(header)} must be"
            )
    if int(count) != len(rows):
        raise DataError(
            f"{path}: its first line says {counted(int(count), 'image')}, found {len(rows):,}"
        )
    places = [f"{path}, line {number}" for number, _ in rows]
    return Rows(str(path), header, [cells for _, cells in rows], places)


def _parquet(path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    # row numbers that pandas keeps where they are not 0, 1, 2, ...
    table = table.drop_columns([each for each in table.column_names if _ROWS.fullmatch(each)])
    columns = [column.to_pylist() for column in table.columns]
    cells = [list(row) for row in zip(*columns, strict=True)]
    places = [f"{path}, row {row}" for row in range(len(cells))]
    return Rows(str(path), list(table.column_names), cells, places)
