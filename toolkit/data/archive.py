"""Zip archives: unpacked whole or not at all, and nowhere else."""

from __future__ import annotations

import errno
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from toolkit.errors import FetchError
from toolkit.storage.files import sweep, sync_folder, temporary_beside

Progress = Callable[[int, int | None], None]


def unpack(
    archive: Path, folder: Path, *, must_hold: str = "*", on_progress: Progress | None = None
) -> Path:
    """Unpack a zip archive into a new folder, which appears whole or not at all.

    If all members lie in one folder, that folder's content is what ``folder`` gets. Nothing is
    written elsewhere, and links become plain files: :mod:`zipfile` drops what leads out of a path.

    Args:
        archive: every member is held to its checksum.
        folder: one caller at a time; must not be there.
        must_hold: pattern that some file directly in it must match.
        on_progress: called with bytes done and in all.

    Raises:
        FetchError: the archive is damaged, encrypted, or another one.
        OSError: something cannot be written, or would not fit on the disk.
    """
    sweep(folder.parent, of=folder.name)
    temporary = temporary_beside(folder)
    temporary.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members, done = opened.infolist(), 0
            total = sum(member.file_size for member in members)
            if total > shutil.disk_usage(temporary).free:
                raise OSError(errno.ENOSPC, f"{total:,} bytes would be unpacked")
            for member in members:
                opened.extract(member, temporary)
                done += member.file_size
                if on_progress is not None:
                    on_progress(done, total)
        top = list(temporary.iterdir())
        root = top[0] if len(top) == 1 and top[0].is_dir() else temporary
        if not any(root.glob(must_hold)):
            what = f"expected {must_hold}, found another archive in {archive}"
            raise FetchError(f"{what}: delete it and run the command again")
        root.rename(folder)
        sync_folder(folder.parent)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        what = f"expected a whole zip archive, found damage ({error}) in {archive}"
        raise FetchError(f"{what}: delete it and run the command again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
