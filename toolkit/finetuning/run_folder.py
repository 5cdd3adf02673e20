"""The folder of a training run: begun, gone on with, ended."""

from __future__ import annotations

import shutil
from pathlib import Path

from toolkit.errors import ArtifactError, UsageError
from toolkit.storage.files import read_json, write_json

CHECKPOINT = ".pt"
_NOTE = "inputs.json"


def prepare_folder(folder: Path, inputs: str, resume: bool, discard: bool = False) -> None:
    """Make a run's folder ready.

    Args:
        folder: a folder of the run's own.
        inputs: digest of recipe and inputs.
        resume: False throws away what was begun there.
        discard: throw away what was begun from other inputs.

    Raises:
        UsageError: an unfinished run of other inputs is there, and neither says so.
    """
    note = folder / _NOTE
    try:
        same = note.is_file() and read_json(note, "a training run's note") == inputs
    except ArtifactError:
        same = False
    if resume and not same and not discard and any(folder.glob(f"*/*{CHECKPOINT}")):
        raise UsageError(
            f"an unfinished training of {folder.name!r} was begun from other options or inputs: "
            "choose another name, or throw it away with resume=False (--no-resume)"
        )
    if not same or not resume:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(note, inputs)


def end_folder(folder: Path) -> None:
    """Remove the checkpoints of a run that is whole; its journals stay until the next one."""
    write_json(folder / _NOTE, "done")
    for file in folder.glob(f"*/*{CHECKPOINT}"):
        file.unlink()
