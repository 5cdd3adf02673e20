"""The synthetic data set's pictures: painted once into a folder of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

from toolkit.data.synth import synthesise
from toolkit.errors import ArtifactError, UsageError, check_whole
from toolkit.runtime.progress import Progress
from toolkit.storage.files import (
    locked,
    read_json,
    recover_folder,
    replace_folder,
    temporary_beside,
    write_json,
)

SYNTHETIC = "synthetic"
IMAGES = 2000
_NOTE = ".painted.json"


def painted_folder(place: Path, images: int, seed: int, progress: Progress) -> None:
    """Paint pictures with label files into a folder, unless it holds these very ones already.

    Args:
        place: the folder; another set of pictures in it is replaced whole.
        images: how many.
        seed: of all that is random.
        progress: where progress is shown.

    Raises:
        UsageError: there cannot be so many images, or an imported data set has this name.
    """
    images, seed = check_whole("images", images, 1), check_whole("seed", seed)
    made = {"images": images, "seed": seed}
    if _there(place, made):
        return
    if place.exists():
        progress.say(f"warning: other pictures take the place of those in {place}")
    elif (place.parent / "dataset.parquet").is_file():
        raise UsageError(
            f"name: expected one for a synthetic data set, found {place.parent.name!r}, which is "
            "the name of an imported one: give another"
        )
    building = temporary_beside(place)
    building.mkdir(parents=True)
    try:
        with progress.task("painting", images) as task:
            synthesise(building, images, seed, on_progress=task.advance)
        write_json(building / _NOTE, made)
        with locked(place.parent / ".source.lock"):
            recover_folder(place)
            replace_folder(building, place)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _there(place: Path, made: dict[str, int]) -> bool:
    note = place / _NOTE
    try:
        return note.is_file() and bool(read_json(note, "the note of painted images") == made)
    except ArtifactError:
        return False
