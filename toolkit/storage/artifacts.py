"""The artifacts folder: where everything that is made is kept."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit.errors import UsageError
from toolkit.storage.files import ROOMS, sweep


def artifacts_folder(artifacts: str | os.PathLike[str] | None = None) -> Path:
    """Return the artifacts folder, rid of what killed processes left in it.

    Args:
        artifacts: the folder; None for ``$TOOLKIT_ARTIFACTS``, else ``./artifacts``.

    Raises:
        UsageError: it is a file.
    """
    folder = Path(artifacts or os.environ.get("TOOLKIT_ARTIFACTS") or "artifacts").absolute()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"artifacts: expected a folder, found the file {folder}")
    for room in ROOMS:
        sweep(folder / room, depth=3)
    return folder
