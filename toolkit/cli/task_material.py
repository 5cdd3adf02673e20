"""What auxiliary tasks learn from besides labels: statistics of pixels, teachers' embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.embed import fill, make_key
from toolkit.cli.options import Run

if TYPE_CHECKING:
    import numpy as np

    from toolkit.cli.embed import Loader
    from toolkit.data.dataset import Dataset
    from toolkit.features.cache import CacheKey

    Teachers = dict[str, tuple[CacheKey, Loader]]


def parse_tasks(aux: str, *, pictures: bool = False) -> tuple[str, ...]:
    """Return the tasks that ``--aux`` names; see :func:`~toolkit.heads.auxiliary.check_tasks`."""
    from toolkit.heads.auxiliary import check_tasks

    named = [task.strip() for task in aux.split(",") if task.strip() not in ("", "none")]
    return check_tasks(named, pictures=pictures)


def teachers_of(
    run: Run, tasks: tuple[str, ...], weights: str, device: str, precision: str
) -> Teachers:
    """Return, for each task with a teacher, the key of its store and what loads its network.

    A teacher has its own default weights, but random ones where the run's are: ``none`` promises
    that nothing was learned elsewhere.
    """
    from toolkit.heads.auxiliary import TEACHER

    own = "none" if weights == "none" else "default"
    named = [(task, task.partition(":")[2]) for task in tasks if task.startswith(f"{TEACHER}:")]
    return {
        task: make_key(run, backbone, own, device=device, precision=precision)
        for task, backbone in named
    }


def task_material(
    run: Run,
    dataset: Dataset,
    tasks: tuple[str, ...],
    teachers: Teachers,
    rows: np.ndarray,
    device: str,
) -> dict[str, np.ndarray]:
    """Return what the tasks learn from besides labels, ``float (m, k)`` by name.

    Args:
        run: the invocation.
        dataset: the images.
        tasks: their names.
        teachers: see :func:`teachers_of`; what is missing is embedded.
        rows: ``int64 (m,)``, the data set's rows that are wanted.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.

    Raises:
        DataError: a teacher cannot embed an image.
    """
    import numpy as np

    from toolkit.errors import DataError
    from toolkit.features.matrix import gather
    from toolkit.heads.auxiliary import FROM_PIXELS
    from toolkit.images.colours import dataset_colours
    from toolkit.images.sources import Images

    found: dict[str, np.ndarray] = {}
    if set(tasks) & set(FROM_PIXELS):
        images = Images(dataset.ids, dataset.paths, dataset.digests)
        statistics, single = dataset_colours(images, run.artifacts)
        colours = dict(zip(FROM_PIXELS, (statistics, single), strict=True))
        found |= {task: colours[task][rows] for task in tasks if task in colours}
    for task, made in teachers.items():
        fill(run, dataset, made, device=device)
        taught = gather(dataset.digests, [made[0]], run.artifacts)
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
