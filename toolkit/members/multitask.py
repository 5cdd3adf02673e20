"""Multi-task members: labels and auxiliary tasks on one shared layer over frozen features."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.errors import UsageError
from toolkit.features.matrix import FeatureMatrix
from toolkit.features.spec import FeatureSpec
from toolkit.heads.auxiliary import check_tasks
from toolkit.heads.registry import make_head
from toolkit.members.ablation import Effect, fits_of
from toolkit.members.ablation import ablate as ablate_tasks
from toolkit.members.frozen import FrozenWork, Settings
from toolkit.members.member import Member
from toolkit.members.task_material import task_material, teachers_of
from toolkit.runtime.device import choose_device
from toolkit.runtime.options import parse_options
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


def multitask(
    data: Dataset | str | None = None,
    features: str | Iterable[str] = "efficientnet_lite0",
    *,
    aux: str | Iterable[str] = "cardinality,any",
    weighting: str = "uncertainty",
    ablate: bool = False,
    seeds: int = 5,
    set: Settings = None,
    weights: str = "default",
    views: str | Iterable[str] = "original",
    pooling: str = "default",
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
) -> Member | Ablation:
    """Fit one network for all labels that learns auxiliary tasks too, scored out of fold.

    Args:
        data: a data set, or the name of one.
        features: backbones, set side by side.
        aux: tasks: ``cardinality``, ``any``, ``colour``, ``single-channel``,
            ``teacher:BACKBONE``; or ``none``.
        weighting: of the tasks: ``uncertainty`` (learned) or ``fixed``.
        ablate: train with and without each task, and return an :class:`Ablation`; no member is
            made.
        seeds: of an ablation: runs of each set of tasks.
        set: further parameters of the head, by name or as ``key=value`` texts.

    The others are those of :func:`~toolkit.members.frozen.ovr`.

    Raises:
        UsageError: an option or a name is not among its choices.
        DataError: images changed since they were imported, or a teacher cannot embed one.
    """
    tasks = check_tasks([task for task in names_of(aux) if task != "none"])
    how = {"weights": weights, "device": device, "precision": precision, "seed": seed}
    spec = FeatureSpec.parse(features, views=views, pooling=pooling, crop=crop, **how)
    work = FrozenWork.start(data, spec, split, folds, artifacts, progress)
    options = {
        "tasks": tasks,
        "weighting": weighting,
        "random_state": seed,
        "device": choose_device(device),
    }
    estimator: Any = make_head("multitask", **(options | parse_options(set)))

    def material(matrix: FeatureMatrix) -> dict[str, np.ndarray]:
        teachers = teachers_of(tasks, weights, device, precision)
        return task_material(
            work.dataset, tasks, teachers, matrix.rows, work.artifacts, work.progress
        )

    if not ablate:
        return work.member(
            "multitask",
            estimator,
            name=name,
            overwrite=overwrite,
            kind="multitask",
            more={"tasks": list(tasks)},
            material=material,
        )
    if name is not None or overwrite:
        raise UsageError("an ablation keeps no model: leave name and overwrite out")
    if seeds < 2 or not tasks:
        raise UsageError("an ablation needs at least one task (aux) and two runs (seeds)")
    return _ablation(work, estimator, material, seeds)


def _ablation(work: FrozenWork, estimator: Any, material: Any, seeds: int) -> Ablation:
    matrix, _ = work.matrix()
    Y, fold = work.training(matrix)
    aux = material(matrix)
    with work.progress.task("training", fits_of(estimator.tasks, seeds)) as task:
        plain, effects = ablate_tasks(estimator, matrix.X, Y, fold, aux, seeds, task.advance)
    return Ablation(matrix.title, plain, effects)
