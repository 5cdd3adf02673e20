"""Containers: many images in one file, a tar or a column of bytes, read at random without a scan.

Tars by :mod:`toolkit.images.tars`, Parquet and Arrow by pyarrow. A container is opened once and
listed once; it is opened anew when its size or time differ, one at an address after
:func:`forget_addresses`. What is in memory of all that are open is bounded by :data:`HELD_BYTES`,
or by two row groups of each of the last two files.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from collections import OrderedDict
from functools import cached_property
from threading import Lock
from typing import Any, Protocol

from toolkit.images.addresses import Remote, is_address
from toolkit.images.spans import forget_spans
from toolkit.images.stamps import Stamp, stamp_of
from toolkit.images.tars import Tar, forget, remote_tar

HELD_BYTES = 512 << 20
MOST_OPEN = 64  # each may hold a handle of the system's
_GROUPS_BYTES = 128 << 20
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class Container(Protocol):
    """A file that holds images."""

    stamp: Stamp

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, about."""

    def holds(self, name: str) -> bool:
        """Tell whether there is an image of this name."""

    def read(self, name: str) -> bytes:
        """Return an image's bytes; raise OSError where it cannot be had."""


class Columns:
    """The rows of a Parquet or Arrow file.

    An Arrow file is mapped into memory. Of Parquet, whose smallest unit is a row group, the last
    few row groups are held decoded: at least two, else up to 128 MB, so memory grows with how large
    the writer made them.

    Attributes:
        schema: pyarrow's schema.
        rows: number of rows.

    Raises:
        OSError: it is no such file, or is damaged or cut off.
    """

    def __init__(self, path: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        remote = Remote(path) if is_address(path) else None
        self.stamp: Stamp = stamp_of(path) if remote is None else (remote.size, 0)
        self._lock = Lock()
        self._groups: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._starts: list[int] = [0]
        self._table: Any = None
        try:
            if path.lower().endswith(".arrow"):
                if remote is not None:
                    what = "Arrow files are read on this machine alone: download it, or use Parquet"
                    raise OSError(errno.EOPNOTSUPP, what, path)
                self._table = _mapped(path)
                self.schema, self.rows = self._table.schema, int(self._table.num_rows)
            else:
                self._file = pq.ParquetFile(path if remote is None else remote)
                self.schema, self.rows = self._file.schema_arrow, int(self._file.metadata.num_rows)
                for group in range(self._file.num_row_groups):
                    rows = self._file.metadata.row_group(group).num_rows
                    self._starts.append(self._starts[-1] + rows)
        except pa.ArrowException as error:
            raise self._damaged(error) from error
        except OSError as error:
            raise error if error.strerror else self._damaged(error) from error

    def _damaged(self, error: Exception) -> OSError:
        text = (str(error).splitlines() or [type(error).__name__])[0][:160]
        return OSError(errno.EIO, f"it is no whole Parquet or Arrow file ({text})", self.path)

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, about; mapped ones do not count."""
        with self._lock:
            return sum(each.nbytes for each in self._groups.values())

    @cached_property
    def images(self) -> list[str]:
        """Names of the columns of bytes, or of structures with ``bytes``."""
        return [field.name for field in self.schema if holds_bytes(field.type)]

    def values(self, names: list[str]) -> Any:
        """Return columns as a ``pyarrow.Table``; ``a.b`` is the field b of a structure a.

        Raises:
            OSError: the file is damaged.
        """
        import pyarrow as pa

        try:
            if self._table is None:
                with self._lock:
                    return self._file.read(columns=names)
            table = self._table.select(list(dict.fromkeys(n.partition(".")[0] for n in names)))
            table.validate(full=True)
            return table
        except pa.ArrowException as error:
            raise self._damaged(error) from error
        except OSError as error:
            raise error if error.strerror else self._damaged(error) from error

    def empty_rows(self, column: str) -> list[int]:
        """Return the rows without bytes; where the file counts them, none is read for it.

        Raises:
            OSError: the file is damaged.
        """
        found: list[int] = []
        for group in range(max(1, len(self._starts) - 1)):
            if self._table is None and self._counted_full(column, group):
                continue
            empty = self._bytes(column, group).is_null().to_numpy()
            found += (empty.nonzero()[0] + self._starts[group]).tolist() if len(empty) else []
        return found

    def _counted_full(self, column: str, group: int) -> bool:
        if group >= self._file.num_row_groups:
            return True
        chunks = self._file.metadata.row_group(group)
        for at in range(chunks.num_columns):
            chunk = chunks.column(at)
            if chunk.path_in_schema in (column, f"{column}.bytes"):
                known = chunk.statistics
                return bool(known is not None and known.has_null_count and not known.null_count)
        return False

    def holds(self, name: str) -> bool:
        """Tell whether there is a row ``COLUMN/ROW``."""
        column, _, row = name.rpartition("/")
        return column in self.images and row.isdecimal() and int(row) < self.rows

    def read(self, name: str) -> bytes:
        """Return the bytes in ``COLUMN/ROW``.

        Raises:
            OSError: there is no such row, it has no bytes, or the file is damaged.
        """
        place = f"{self.path}/{name}"
        if not self.holds(name):
            what = (
                f"expected COLUMN/ROW with one of its columns of bytes ({', '.join(self.images)}) "
                f"and a row below {self.rows:,}"
            )
            raise OSError(errno.ENOENT, what, place)
        column, _, number = name.rpartition("/")
        row = int(number)
        group = bisect_right(self._starts, row) - 1
        value = self._bytes(column, group)[row - self._starts[group]].as_py()
        if value is None:
            raise OSError(errno.ENOENT, "the row holds no bytes", place)
        return bytes(value)

    def _bytes(self, column: str, group: int) -> Any:
        """Return a row group's bytes, or all of a mapped file's, checked and held."""
        import pyarrow as pa
        import pyarrow.compute as pc

        # one thread decodes; those that want the same row group would decode it again
        with self._lock:
            found = self._groups.get((column, group))
            if found is not None:
                self._groups.move_to_end((column, group))
                return found
            try:
                whole = holds_bytes(self.schema.field(column).type) == "struct"
                if self._table is not None:
                    found = self._table.column(column)
                    found.validate(full=True)  # offsets may lead out of the file
                else:
                    leaf = [f"{column}.bytes" if whole else column]
                    found = self._file.read_row_group(group, leaf, use_threads=False).column(0)
                found = pc.struct_field(found, "bytes") if whole else found
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(error) from error
            self._groups[column, group] = found
            while (
                len(self._groups) > 2
                and sum(each.nbytes for each in self._groups.values()) > _GROUPS_BYTES
            ):
                self._groups.popitem(last=False)
            return found


def holds_bytes(kind: Any) -> str:
    """Return ``struct`` or ``binary`` for a type that holds bytes, else an empty text."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return "struct" if at >= 0 and holds_bytes(kind.field(at).type) == "binary" else ""
    plain = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return "binary" if plain else ""


def _mapped(path: str) -> Any:
    """Map an Arrow file, a stream or with a footer; a stream must have its end."""
    import pyarrow as pa

    with open(path, "rb") as file:
        beginning = file.read(6)
        file.seek(max(0, os.fstat(file.fileno()).st_size - len(_END_OF_STREAM)))
        ending = file.read()
    source = pa.memory_map(path)
    if beginning == b"ARROW1":
        return pa.ipc.open_file(source).read_all()
    found = pa.ipc.open_stream(source).read_all()
    if ending != _END_OF_STREAM:  # without it, a stream cut off between batches looks whole
        raise OSError(errno.EIO, "it ends before its end mark: it was cut off", path)
    return found


_open: OrderedDict[str, Tar | Columns] = OrderedDict()
_opening = Lock()


def opened(path: str) -> Tar | Columns:
    """Return a container, listed once for as long as its size and time are the same.

    One at an address is taken to be the same until :func:`forget_addresses`.

    Raises:
        OSError: it is not there, or is damaged.
    """
    remote = is_address(path)
    if remote and path.lower().endswith(".tar"):
        return remote_tar(path)
    now = None if remote else stamp_of(path)
    with _opening:
        found = _open.pop(path, None)
        if found is None or now not in (None, found.stamp):
            found = Tar(path) if path.lower().endswith(".tar") else Columns(path)
            others = sum(each.held for each in _open.values())
            while _open and (
                len(_open) >= MOST_OPEN or (len(_open) > 1 and others + found.held > HELD_BYTES)
            ):
                others -= _open.popitem(last=False)[1].held
        _open[path] = found
        return found


def forget_addresses() -> None:
    """Open containers at addresses anew when they are next read."""
    forget()
    forget_spans()
    with _opening:
        for path in list(filter(is_address, _open)):
            del _open[path]
