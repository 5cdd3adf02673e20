"""TrainingJob: all that a training run is made from, ready to be gathered on any machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.importer import published_order
from toolkit.distribute.machines import fold_cores, together_size
from toolkit.distribute.piece import Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.distribute.together import run_together
from toolkit.features.spec import FeatureSpec
from toolkit.finetuning.settings import Settings
from toolkit.members.basis import Basis
from toolkit.members.task_material import task_material, teachers_of
from toolkit.members.training_images import Skipped, TrainingImages, training_images
from toolkit.runtime.denormals import flushed_denormals
from toolkit.runtime.heap import keep_freed_memory
from toolkit.runtime.progress import Progress

if TYPE_CHECKING:
    from toolkit.finetuning.fitting import Ended, SplitRows
    from toolkit.finetuning.source import Source
    from toolkit.finetuning.tasks import Auxiliary


@dataclass(frozen=True)
class TrainingInputs:
    """What :func:`toolkit.finetuning.fitting.fit` learns from.

    Attributes:
        source: pictures or features of m images.
        images: ``int64 (m,)``, the data set's row of each.
        Y: ``int8 (n, L)``, labels of the data set's images as the protocol pairs them.
        rows: of the source, by their use.
        auxiliary: tasks to learn with the labels.
        skipped: images that cannot be decoded.
    """

    source: Source
    images: np.ndarray
    Y: np.ndarray
    rows: SplitRows
    auxiliary: Auxiliary
    skipped: Skipped


@dataclass(frozen=True)
class TrainingJob:
    """A training run that has been looked at and not yet begun.

    Attributes:
        basis: images, split, folds and artifacts.
        how: the settings.
        spec: names backbone and crop, device and precision.
        size: side of the pictures; None for the backbone's.
        tasks: auxiliary tasks.
        weighting: of the tasks.
        aux_weight: of each task where weights are fixed.
        unknown: what training makes of unknown labels.
        workers: processes that train each network together.
    """

    basis: Basis
    how: Settings
    spec: FeatureSpec
    size: int | None
    tasks: tuple[str, ...]
    weighting: str
    aux_weight: float
    unknown: str
    workers: int = 1

    def images(self) -> TrainingImages:
        """Return where pictures and networks come from."""
        basis = self.basis
        return training_images(
            basis.dataset, self.how, self.spec, self.size, basis.artifacts, basis.progress
        )

    def teachers(self) -> dict[str, FeatureSpec]:
        """Return the features that auxiliary tasks are taught by."""
        spec = self.spec
        return teachers_of(self.tasks, spec.weights, spec.device, spec.precision)

    def inputs(self, images: TrainingImages) -> TrainingInputs:
        """Decode or embed what is missing, and return what there is to learn from."""
        from toolkit.finetuning.fitting import SplitRows
        from toolkit.finetuning.tasks import Auxiliary

        basis = self.basis
        source, at, skipped = images.source()
        Y = basis.dataset.Y
        if self.how.pairing == "published":
            Y = Y[published_order(basis.dataset.files)]
            basis.progress.say(
                "warning: labels are paired by position, as published; this is a known fault"
            )
        place = {row: number for number, row in enumerate(at.tolist())}
        train, validation, test = (
            np.array([place[row] for row in wanted.tolist() if row in place], np.int64)
            for wanted in (basis.split.train, basis.split.validation, basis.split.test)
        )
        fold = None if basis.folds is None else basis.folds.fold[at]
        material = task_material(
            basis.dataset, self.tasks, self.teachers(), at, basis.artifacts, basis.progress
        )
        rows = SplitRows(train, validation, test, fold)
        auxiliary = Auxiliary(self.tasks, self.weighting, self.aux_weight, material)
        return TrainingInputs(source, at, Y, rows, auxiliary, skipped)

    def gathered_here(self) -> TrainingJob:
        """Return the job as this machine prepares it for others: it needs no graphics card."""
        return replace(self, spec=replace(self.spec, device="cpu", on="here"))

    def elsewhere(
        self, folder: Path, tensorboard: bool | None, stop: Callable[[], bool]
    ) -> Callable[[list[str]], Iterator[tuple[str, Ended]]]:
        """Return what trains runs on a cluster; see :func:`toolkit.finetuning.fitting.fit`.

        Its machines must share the artifacts folder: pictures are read there, and checkpoints kept.
        """
        on = self.spec.on
        basis = replace(self.basis, artifacts=self.basis.artifacts.absolute(), progress=Progress())
        job = replace(self, basis=basis, spec=replace(self.spec, on="here"))
        inputs = {"folder": folder.absolute(), "tensorboard": tensorboard}
        together = self.workers > 1
        size = together_size(self.workers, job.spec.device, on) if together else None
        cpus, gpus = (0, 0) if together else (fold_cores(on), int(self.spec.device == "cuda"))

        def train(names: list[str]) -> Iterator[tuple[str, Ended]]:
            pieces = [
                # one after another, where all workers are wanted for each
                Piece(
                    name, train_there, {"name": name, "size": size, **inputs}, {"job": job},
                    cpus, gpus, after=tuple(names[:at]) if together else (),
                )
                for at, name in enumerate(names)
            ]  # fmt: skip
            for piece, ended in run_pieces(pieces, on, stop=stop):
                yield piece.name, ended

        return train


def train_there(
    name: str,
    folder: Path,
    tensorboard: bool | None,
    job: TrainingJob,
    size: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Train one run of a job on whatever machine this is; it goes on from its last checkpoint.

    Args:
        name: of the run.
        folder: of the job's runs.
        tensorboard: see :class:`~toolkit.finetuning.journal.Journal`.
        job: what to train.
        size: cores and cards of each of the job's workers, which are started from here; None to
            train in this process.
    """
    if size is None:
        return _train(name, folder, tensorboard, job)
    notes = folder / name / "workers"
    try:
        found: dict[str, Any] = run_together(
            _train_together,
            {"name": name, "folder": folder, "tensorboard": tensorboard, "job": job},
            job.workers,
            *size,
            notes,
        )
    finally:
        shutil.rmtree(notes, ignore_errors=True)
    return found


def _train_together(**inputs: Any) -> dict[str, Any]:
    """Train a run as one of its workers."""
    from toolkit.finetuning.workers import Workers

    return _train(**inputs, workers=Workers.of_this_process())


def _train(
    name: str, folder: Path, tensorboard: bool | None, job: TrainingJob, **workers: Any
) -> dict[str, Any]:
    from toolkit.finetuning.callbacks import Callbacks
    from toolkit.finetuning.fitting import train_run

    with flushed_denormals():
        keep_freed_memory()
        images = job.images()
        found = job.inputs(images)
        return train_run(
            name,
            images.network,
            found.source,
            found.Y[found.images],
            found.rows,
            job.how,
            Callbacks(folder=folder, tensorboard=tensorboard),
            unknown=job.unknown,
            auxiliary=found.auxiliary,
            seed=job.spec.seed,
            precision=job.spec.precision,
            device=job.spec.device,
            **workers,
        )
