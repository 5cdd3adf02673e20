"""Tables on disk: Parquet files that pandas reads in one call and that carry their own digest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import ArtifactError
from toolkit.storage.files import atomic_path, digest_bytes

Column = np.ndarray | Sequence[str]
_META = b"toolkit"


def table_digest(columns: Mapping[str, Column], meta: Mapping[str, Any]) -> str:
    """Return a hex digest over names, types and values of the columns and the metadata.

    It does not depend on the versions of Parquet or Arrow that wrote the file.
    """
    parts = [json.dumps(meta, sort_keys=True).encode()]
    for name, column in columns.items():
        if isinstance(column, np.ndarray):
            values = np.ascontiguousarray(column)
            head, body = f"{values.dtype.str}{values.shape}", values.tobytes()
        else:
            head, body = "text", json.dumps(list(column)).encode()
        parts += [f"{name}:{head}:{len(body)}".encode(), body]
    return digest_bytes(b"\n".join(parts)).hex()


def write_table(path: Path, columns: Mapping[str, Column], meta: Mapping[str, Any]) -> str:
    """Write columns atomically as one Parquet file and return the table's digest.

    Args:
        path: the file to write.
        columns: name to a one-dimensional number array, a ``uint8 (n, 16)`` digest array, or a
            sequence of text. All of one length.
        meta: JSON-able facts kept in the file's schema metadata; they come back as JSON has them
            (tuples as lists, keys as text).

    Raises:
        TypeError: a column is of none of these kinds, and would not come back as it was.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: _storable(name, column) for name, column in columns.items()}
    meta = json.loads(json.dumps(dict(meta)))
    digest = table_digest(columns, meta)
    arrays = {}
    for name, column in columns.items():
        if isinstance(column, np.ndarray) and column.ndim == 2:
            rows = [row.tobytes() for row in np.ascontiguousarray(column)]
            arrays[name] = pa.array(rows, pa.binary(column.shape[1]))
        elif isinstance(column, np.ndarray):
            arrays[name] = pa.array(column)
        else:
            arrays[name] = pa.array(list(column), pa.string())
    text = json.dumps({"digest": digest, "meta": meta})
    table = pa.table(arrays).replace_schema_metadata({_META: text.encode()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
    return digest


def read_table(path: Path, what: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a table that :func:`write_table` wrote; return its columns and metadata.

    Number columns come as arrays, text as tuples, digests as ``uint8 (n, 16)``.

    Raises:
        ArtifactError: the file is missing, damaged, or was not written by this toolkit.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise ArtifactError(f"{what} is not there: no file {path}")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()  # pq.read_table would load pandas: a second
        head = json.loads((table.schema.metadata or {})[_META])
        columns: dict[str, Any] = {}
        for field in table.schema:
            column = table.column(field.name)
            if pa.types.is_string(field.type):
                columns[field.name] = tuple(column.to_pylist())
            elif pa.types.is_fixed_size_binary(field.type):
                raw = np.frombuffer(b"".join(column.to_pylist()), np.uint8)
                columns[field.name] = raw.reshape(-1, field.type.byte_width)
            else:
                columns[field.name] = _numbers(column, field.type)
        meta: dict[str, Any] = head["meta"]
        whole = table_digest(columns, meta) == head["digest"]
    except (OSError, LookupError, ValueError, TypeError, RuntimeError, pa.ArrowException) as error:
        raise ArtifactError(
            f"{what} is damaged: {path} cannot be read ({_first_line(error)}); make it again"
        ) from error
    if not whole:
        raise ArtifactError(
            f"{what} is damaged: the content of {path} does not match its digest; make it again"
        )
    return columns, meta


def _storable(name: str, column: Column) -> Column:
    if not isinstance(column, np.ndarray):
        return column
    if column.dtype.kind == "U" and column.ndim == 1:
        return [str(value) for value in column]
    numbers = column.dtype.kind in "biuf" and column.dtype.isnative and column.ndim == 1
    if not numbers and not (column.dtype == np.uint8 and column.ndim == 2):
        raise TypeError(f"column {name!r} of {column.dtype} {column.shape} cannot be kept")
    return column


def _numbers(column: Any, kind: Any) -> np.ndarray:
    """Read a number column from its buffers; Arrow's own to_numpy would load pandas."""
    if column.null_count:
        raise TypeError("a number is missing")
    if kind.bit_width < 8:
        raise TypeError(f"a column of {kind} is not one of numbers")
    dtype = np.dtype(kind.to_pandas_dtype())
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
