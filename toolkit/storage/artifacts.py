"""The artifacts folder: where everything that is made is kept; and what folders have in common."""

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


def user_cache(kind: str) -> Path | None:
    """Return the folder where a user's artifacts folders find what another of them has made.

    It lies in ``$TOOLKIT_CACHE``, else in the system's folder for caches. What it holds can be made
    again, so it may be deleted at any time.

    Args:
        kind: of what is kept.

    Returns:
        The folder, made if it was not there; None where ``TOOLKIT_CACHE`` is empty or nothing can
        be written.
    """
    chosen = os.environ.get("TOOLKIT_CACHE")
    if chosen is None:
        from platformdirs import user_cache_path

        folder = user_cache_path("toolkit", appauthor=False)
    else:
        folder = Path(chosen).expanduser()
    if chosen == "":
        return None
    try:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / kind if os.access(folder / kind, os.W_OK) else None
