"""Stamps: size and time of a file, by which a change is noticed."""

from __future__ import annotations

import os

Stamp = tuple[int, int]


def stamp_of(path: str) -> Stamp:
    """Return a file's size in bytes and modification time in nanoseconds."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns
