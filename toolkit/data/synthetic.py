"""The synthetic data set: painted, imported and kept, in a data set's own folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from toolkit.data.dataset import Dataset, dataset_file, load_dataset, save_dataset
from toolkit.data.importer import import_dataset
from toolkit.data.synth import synthesise
from toolkit.errors import ArtifactError
from toolkit.runtime.progress import Progress
from toolkit.storage.files import locked, recover_folder, replace_folder, temporary_beside

SYNTHETIC = "synthetic"
IMAGES = 2000


def make_synthetic(
    name: str,
    artifacts: Path,
    *,
    images: int = IMAGES,
    seed: int = 0,
    progress: Progress,
) -> Dataset:
    """Paint, import and return a synthetic data set; one that is there already is not painted anew.

    Args:
        name: of the data set.
        artifacts: the artifacts folder.
        images: how many.
        seed: of all that is random.
        progress: who is told.

    Raises:
        UsageError: the number of images is not possible.
    """
    place = dataset_file(artifacts, name).parent / "source"
    made = {"images": images, "seed": seed}
    there = _there(name, artifacts, made)
    if there is not None:
        return there
    building = temporary_beside(place)
    building.mkdir(parents=True)
    try:
        with progress.task("painting", images) as task:
            synthesise(building, images, seed, on_progress=task.advance)
        with locked(place.parent / ".source.lock"):
            recover_folder(place)
            replace_folder(building, place)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    dataset = import_dataset(place, name).dataset
    dataset.provenance["synthetic"] = made
    save_dataset(dataset, artifacts)
    return dataset


def _there(name: str, artifacts: Path, made: dict[str, int]) -> Dataset | None:
    if not dataset_file(artifacts, name).is_file():
        return None
    try:
        there = load_dataset(artifacts, name)
    except ArtifactError:  # damaged, or of an older format: painted again
        return None
    same = there.provenance.get("synthetic") == made and not there.changed_since_import()
    return there if same else None
