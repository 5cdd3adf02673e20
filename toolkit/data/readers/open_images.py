"""Names of Open Images' labels, which its tables write as codes such as ``/m/0cmf2``.

Format: Open Images' data formats: ``class-descriptions*.csv`` has a line per label, its code and
its name, with or without a header.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from toolkit.data.readers.cells import Table
from toolkit.errors import DataError, counted

_NAMES = "*class-descriptions*.csv"
_CODE = re.compile(r"/[a-z]/\w+")


def names_classes(file: Path) -> bool:
    """Tell the file that has the names of codes, and no labels of images."""
    return file.match(_NAMES)


def with_names(table: Table, folder: Path) -> Table:
    """Return a table whose labels are names, where they are codes and a file beside it has these.

    Raises:
        DataError: the file cannot be read as a CSV file in UTF-8.
    """
    if not all(map(_CODE.fullmatch, table.labels)):
        return table
    files = sorted(folder.glob(_NAMES))
    if len(files) != 1:
        what = "class-descriptions*.csv beside the table, which has their names"
        found = f"found {counted(len(files), 'file')}" if files else "found none"
        said = f"labels are codes such as {table.labels[0]}: expected one {what}, {found}"
        return replace(table, remarks=[*table.remarks, said])
    try:
        with files[0].open(encoding="utf-8-sig", newline="") as file:
            known = {line[0].strip(): line[1].strip() for line in csv.reader(file) if len(line) > 1}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{files[0]} cannot be read as a CSV file in UTF-8: {error}") from error
    names = [known.get(code) or code for code in table.labels]
    count = Counter(names)
    names = [
        name if count[name] == 1 else f"{name} ({code})"
        for name, code in zip(names, table.labels, strict=True)
    ]
    order = sorted(range(len(names)), key=names.__getitem__)
    said = f"names of labels are those of {files[0].name}"
    return replace(
        table,
        labels=tuple(names[at] for at in order),
        Y=np.ascontiguousarray(table.Y[:, order]),
        remarks=[*table.remarks, said],
    )
