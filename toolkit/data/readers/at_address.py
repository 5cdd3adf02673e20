"""Data sets at addresses: tars (WebDataset) and Parquet files with a column of images."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from toolkit.data.readers import huggingface, webdataset
from toolkit.data.readers.base import Labelled, Options
from toolkit.errors import DataError, UsageError, counted
from toolkit.images.addresses import PACKED, addresses_of, is_address
from toolkit.images.containers import forget_addresses

_READERS = {
    ".tar": ("webdataset", webdataset.read_shards),
    ".parquet": ("huggingface", huggingface.read_shards),
}


def data_path(given: str | os.PathLike[str]) -> Path | str:
    """Return where a data set is: a path, or as text an address.

    ``file://`` is a path: whoever names a data set may name any on this machine.

    >>> data_path("s3://photos/*.tar"), data_path("file:///photos").as_posix()
    ('s3://photos/*.tar', '/photos')
    """
    text = os.fspath(given)
    if not is_address(text):
        return Path(text)
    parts = urlsplit(text)
    if parts.scheme.lower() == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path))
    return text


def read_at_address(address: str, format: str | None, options: Options) -> tuple[str, Labelled]:
    """Return the format of what lies at an address, and the images and labels found there.

    Args:
        address: of a tar, a Parquet file, a folder of such; or a pattern of them, see
            :func:`~toolkit.images.addresses.addresses_of`.
        format: ``webdataset`` or ``huggingface``; None for what the endings say.
        options: how labels are read, where that cannot be seen.

    Raises:
        DataError: nothing is there, it is of another kind, or see the formats' readers.
        UsageError: an option is not for the format.
    """
    forget_addresses()
    webdataset.refuse_compressed([address])
    shards = addresses_of(address)
    webdataset.refuse_compressed(shards)
    kinds = Counter(
        next((ending for ending in PACKED if each.lower().endswith(ending)), "") for each in shards
    )
    if len(kinds) > 1 or "" in kinds:
        found = ", ".join(f"{count:,} {kind or 'others'}" for kind, count in kinds.items())
        raise DataError(
            f"{address}: expected tars alone or Parquet files alone, found {found}; other label "
            "files must lie on this machine, where a table may name images by addresses"
        )
    known, read = _READERS[next(iter(kinds))]
    if format not in (None, known):
        raise UsageError(
            f"format: {address} is {counted(len(shards), 'file')} of {known}, found {format!r}"
        )
    return known, read(address, shards, options)
