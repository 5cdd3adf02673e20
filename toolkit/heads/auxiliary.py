"""Auxiliary tasks: targets that come free with labels, pixels or another network.

A task turns material (labels of the training rows, or arrays that were computed from pixels or by
another backbone) into targets, and says how far a prediction of them is off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.errors import UsageError

FREE = ("cardinality", "any")
FROM_PIXELS = ("colour", "single-channel")
TEACHER = "teacher"
TASKS = (*FREE, *FROM_PIXELS, f"{TEACHER}:BACKBONE")
ROTATION = "rotation"
QUARTERS = 4
WEIGHTINGS = ("uncertainty", "fixed")
_MOST_LABELS = 4
_TEACHER_COMPONENTS = 32


@dataclass(frozen=True)
class Targets:
    """Targets of one task.

    Attributes:
        name: of the task.
        kind: ``binary`` (cross-entropy of one sigmoid), ``classes`` (cross-entropy of a softmax) or
            ``values`` (mean squared error).
        values: ``float32 (n, k)``; ``int64 (n,)`` for classes. A row whose target is unknown has
            NaN, or -1 for classes, and teaches nothing.
        outputs: number of outputs that the task's head has.
    """

    name: str
    kind: str
    values: np.ndarray
    outputs: int


def check_tasks(tasks: Sequence[str], *, pictures: bool = False) -> tuple[str, ...]:
    """Return the tasks' names, or raise UsageError for one that is unknown or named twice.

    Args:
        tasks: the names.
        pictures: whether the network sees pictures, which can be turned, or features only.
    """
    known = (*TASKS, ROTATION) if pictures else TASKS
    for task in tasks:
        backbone = task.removeprefix(f"{TEACHER}:")
        if task not in known and (backbone == task or not backbone):
            raise UsageError(f"aux: expected one or more of {', '.join(known)}, found {task!r}")
    if len(set(tasks)) != len(tasks):
        raise UsageError(f"aux: expected each task once, found {', '.join(tasks)}")
    return tuple(tasks)


def make_targets(
    task: str, Y: np.ndarray, material: Mapping[str, np.ndarray], seed: int
) -> Targets:
    """Return a task's targets for training rows; whatever is learned is learned from them alone.

    Args:
        task: its name.
        Y: ``int8 (n, L)``, labels of the rows; -1 is unknown.
        material: arrays of n rows by task name, for tasks that need more than labels.
        seed: of the principal components of a teacher.

    Raises:
        ValueError: the material of a task is missing.
    """
    if task == "cardinality":
        return Targets(task, "classes", _cardinality(Y), _MOST_LABELS + 1)
    if task == "any":
        return Targets(task, "binary", _any(Y), 1)
    if task not in material:
        raise ValueError(f"the task {task} needs material: pass aux={{{task!r}: array}} to fit")
    values: np.ndarray = np.asarray(material[task], np.float32)
    if task == "single-channel":
        return Targets(task, "binary", values, 1)
    if task.startswith(f"{TEACHER}:"):
        values = _principal(values, seed)
    mean, scale = values.mean(0), values.std(0)
    standard: np.ndarray = (values - mean) / np.where(scale > 1e-6, scale, 1)
    return Targets(task, "values", standard.astype(np.float32), values.shape[1])


def _cardinality(Y: np.ndarray) -> np.ndarray:
    """Return the number of labels of each row, of which four and more are one class."""
    counted: np.ndarray = np.minimum((Y == 1).sum(1, dtype=np.int64), _MOST_LABELS)
    open_ = (Y < 0).any(1) & (counted < _MOST_LABELS)
    return np.where(open_, -1, counted)


def _any(Y: np.ndarray) -> np.ndarray:
    """Return whether each row has a label, ``float32 (n, 1)``."""
    found = (Y == 1).any(1, keepdims=True)
    open_ = (Y < 0).any(1, keepdims=True) & ~found
    return np.where(open_, np.nan, found).astype(np.float32)


def _principal(values: np.ndarray, seed: int) -> np.ndarray:
    """Return the principal components that an embedding's variance mostly lies in."""
    from sklearn.decomposition import PCA

    count = min(_TEACHER_COMPONENTS, *values.shape)
    found: np.ndarray = PCA(count, svd_solver="randomized", random_state=seed).fit_transform(values)
    return found
