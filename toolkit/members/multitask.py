"""Multi-task members: labels and auxiliary tasks on one shared layer over frozen features."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.errors import UsageError, check_whole
from toolkit.features.matrix import FeatureMatrix
from toolkit.features.spec import FeatureSpec
from toolkit.heads.auxiliary import check_tasks
from toolkit.heads.registry import head_options, make_head
from toolkit.members.ablation import Effect, ablate, fits_of
from toolkit.members.basis import Basis
from toolkit.members.frozen import FrozenWork, Settings
from toolkit.members.member import Member
from toolkit.members.task_material import task_material, teachers_of
from toolkit.runtime.arguments import checked
from toolkit.runtime.device import choose_device
from toolkit.storage.names import names_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Ablation:
    """What each auxiliary task does to mean average precision.

    Attributes:
        title: the features.
        map_without_tasks: mean average precision without any task.
        effects: of the tasks together, of each alone, and of each added to the others.
    """

    title: str
    map_without_tasks: float
    effects: list[Effect]

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit multitask --ablate --json``."""
        effects = [effect.facts() for effect in self.effects]
        return {"map_without_tasks": self.map_without_tasks, "effects": effects}

    def to_frame(self) -> pd.DataFrame:
        """Return one row per effect."""
        import pandas as pd

        return pd.DataFrame(self.facts()["effects"])


@checked
def multitask(
    data: Dataset | str | None = None,
    features: str | Iterable[str] = "efficientnet_lite0",
    *,
    aux: str | Iterable[str] = "cardinality,any",
    weighting: str = "uncertainty",
    set: Settings = None,
    weights: str = "default",
    views: str | Iterable[str] = "original",
    pooling: str = "default",
    size: int | None = None,
    layer: str = "last",
    crop: str | Iterable[str] = "center",
    split: str = "paper",
    folds: int = 5,
    name: str | None = None,
    overwrite: bool = False,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Member:
    """Fit one network for all labels that learns auxiliary tasks too, scored out of fold.

    Args:
        data: a data set, or the name of one.
        features: backbones, set side by side.
        aux: tasks: ``cardinality``, ``any``, ``colour``, ``single-channel``,
            ``teacher:BACKBONE``; or ``none``.
        weighting: of the tasks: ``uncertainty`` (learned) or ``fixed``.
        set: further parameters of the head, by name or as ``key=value`` texts.

    The others are those of :func:`~toolkit.members.frozen.ovr`.

    Raises:
        UsageError: an option or a name is not among its choices.
        DataError: images changed since they were imported, or a teacher cannot embed one.
    """
    how = {"weights": weights, "device": device, "precision": precision, "seed": seed}
    how |= {"pooling": pooling, "size": size, "layer": layer}
    spec = FeatureSpec.parse(features, views=views, crop=crop, **how)
    basis = Basis.open(data, split, folds, artifacts, progress)
    work = _TaskWork.start(aux, weighting, set, basis, spec)
    return work.frozen.member(
        "multitask",
        work.head,
        name=name,
        overwrite=overwrite,
        kind="multitask",
        more={"tasks": list(work.tasks)},
        material=work.material,
    )


@checked
def ablate_tasks(
    data: Dataset | str | None = None,
    features: str | Iterable[str] = "efficientnet_lite0",
    *,
    aux: str | Iterable[str] = "cardinality,any",
    weighting: str = "uncertainty",
    seeds: int = 5,
    set: Settings = None,
    weights: str = "default",
    views: str | Iterable[str] = "original",
    pooling: str = "default",
    size: int | None = None,
    layer: str = "last",
    crop: str | Iterable[str] = "center",
    split: str = "paper",
    folds: int = 5,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Ablation:
    """Train with and without each auxiliary task, in paired runs; no member is made.

    Args:
        seeds: runs of each set of tasks, each with its own seed and fold held out.

    The others are those of :func:`multitask`.

    Raises:
        UsageError: an option is not among its choices, or there is no task or fewer than two runs.
        DataError: images changed since they were imported, or a teacher cannot embed one.
    """
    seeds = check_whole("seeds", seeds, 2)
    how = {"weights": weights, "device": device, "precision": precision, "seed": seed}
    how |= {"pooling": pooling, "size": size, "layer": layer}
    spec = FeatureSpec.parse(features, views=views, crop=crop, **how)
    basis = Basis.open(data, split, folds, artifacts, progress)
    work = _TaskWork.start(aux, weighting, set, basis, spec)
    if not work.tasks:
        raise UsageError("aux: expected at least one task to ablate, found none")
    matrix, _ = work.frozen.matrix()
    Y, fold = work.frozen.training(matrix)
    material = work.material(matrix)
    with work.frozen.basis.progress.task("training", fits_of(work.tasks, seeds)) as task:
        plain, effects = ablate(work.head, matrix.X, Y, fold, material, seeds, task.advance)
    return Ablation(matrix.title, plain, effects)


@dataclass(frozen=True)
class _TaskWork:
    """Auxiliary tasks on frozen features, looked at and not begun."""

    tasks: tuple[str, ...]
    head: Any
    frozen: FrozenWork

    @classmethod
    def start(
        cls,
        aux: str | Iterable[str],
        weighting: str,
        settings: Settings,
        basis: Basis,
        spec: FeatureSpec,
    ) -> _TaskWork:
        tasks = check_tasks([task for task in names_of(aux) if task != "none"])
        options = {
            "tasks": tasks,
            "weighting": weighting,
            "random_state": spec.seed,
            "device": choose_device(spec.device),
        }
        head = make_head("multitask", **(options | head_options(settings)))
        return cls(tasks, head, FrozenWork(basis, spec))

    def material(self, matrix: FeatureMatrix) -> dict[str, np.ndarray]:
        """Return what the tasks learn from."""
        basis, spec = self.frozen.basis, self.frozen.spec
        teachers = teachers_of(self.tasks, spec.weights, spec.device, spec.precision)
        return task_material(
            basis.dataset, self.tasks, teachers, matrix.rows, basis.artifacts, basis.progress
        )
