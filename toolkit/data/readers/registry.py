"""The label formats by name, in the order in which they are asked whether they know a path."""

from __future__ import annotations

from toolkit.data.readers.base import Format
from toolkit.data.readers.folder import FOLDER
from toolkit.data.readers.table import TABLE

FORMATS: dict[str, Format] = {"csv": TABLE, "folder": FOLDER}
