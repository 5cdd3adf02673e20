"""Text of tables: plain, or in a gzip or a zip of one file; spreadsheets are named as such."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import IO, cast

from toolkit.errors import DataError, listed

SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods")
PACKED = (".gz", ".zip")


def table_ending(path: Path) -> str:
    """Return the ending that says what a table is written as, in lower case.

    >>> table_ending(Path("labels.CSV")), table_ending(Path("labels.jsonl.gz"))
    ('.csv', '.jsonl')
    """
    own = path.suffix.lower()
    return Path(path.stem).suffix.lower() if own in PACKED else own


def table_text(path: Path) -> str:
    """Return a table's text.

    Raises:
        DataError: it is a spreadsheet, a zip of several files, damaged, or no text in UTF-8.
    """
    if path.suffix.lower() in SPREADSHEETS:
        raise DataError(
            f"{path} is a spreadsheet: save it as CSV in UTF-8, or read it with pandas.read_excel "
            "and give the table to Dataset.from_frame"
        )
    try:
        with _opened(path) as file:
            head = file.read(4096)
            if b"\0" in head:  # before gigabytes of an archive are read
                raise DataError(
                    f"{path} is no text in UTF-8: give a folder or a CSV file, saved as UTF-8"
                )
            return (head + file.read()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}): save it so") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error


def _opened(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [
                each
                for each in archive.namelist()
                if not each.endswith("/") and not each.startswith("__MACOSX/")
            ]
            if len(names) != 1:
                raise DataError(
                    f"{path}: expected a zip of one table, found {listed(names, 3) or 'nothing'}: "
                    "unpack it, and give the folder or the table"
                )
            return archive.open(names[0])
    return path.open("rb")
