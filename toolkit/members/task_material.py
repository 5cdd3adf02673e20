"""What auxiliary tasks learn from besides labels: statistics of pixels, teachers' embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.errors import DataError
from toolkit.features.spec import FeatureSpec, features_of
from toolkit.heads.auxiliary import FROM_PIXELS, TEACHER
from toolkit.images.colours import dataset_colours
from toolkit.images.sources import Images
from toolkit.runtime.progress import Progress

Teachers = dict[str, FeatureSpec]


def teachers_of(tasks: Sequence[str], weights: str, device: str, precision: str) -> Teachers:
    """Return, for each task with a teacher, the features that it teaches.

    A teacher has its own default weights, but random ones where the run's are: ``none`` promises
    that nothing was learned elsewhere.
    """
    own = "none" if weights == "none" else "default"
    named = [(task, task.partition(":")[2]) for task in tasks if task.startswith(f"{TEACHER}:")]
    return {
        task: FeatureSpec.parse(backbone, weights=own, device=device, precision=precision)
        for task, backbone in named
    }


def task_material(
    dataset: Dataset,
    tasks: Sequence[str],
    teachers: Teachers,
    rows: np.ndarray,
    artifacts: Path,
    progress: Progress,
) -> dict[str, np.ndarray]:
    """Return what the tasks learn from besides labels, ``float (m, k)`` by name.

    Args:
        dataset: the images.
        tasks: their names.
        teachers: see :func:`teachers_of`; what is missing is embedded.
        rows: ``int64 (m,)``, the data set's rows that are wanted.
        artifacts: the artifacts folder.
        progress: where progress is shown.

    Raises:
        DataError: a teacher cannot embed an image.
    """
    found: dict[str, np.ndarray] = {}
    if set(tasks) & set(FROM_PIXELS):
        images = Images(dataset.ids, dataset.paths, dataset.digests)
        statistics, single = dataset_colours(images, artifacts)
        colours = dict(zip(FROM_PIXELS, (statistics, single), strict=True))
        found |= {task: colours[task][rows] for task in tasks if task in colours}
    for task, spec in teachers.items():
        taught, _ = features_of(dataset, spec, artifacts, progress)
        place = np.full(len(dataset), -1)
        place[taught.rows] = np.arange(len(taught.rows))
        lacking = rows[place[rows] < 0]
        if len(lacking):
            raise DataError(
                f"{task} has no embedding of {dataset.ids[lacking[0]]}, which cannot be decoded "
                "for it: leave the task or the image out"
            )
        found[task] = taught.X[place[rows]]
    return found
