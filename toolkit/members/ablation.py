"""Ablation: what each auxiliary task does to mean average precision, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from toolkit.errors import DataError
from toolkit.heads.head import seed_of
from toolkit.heads.multitask import MultitaskHead
from toolkit.statistics.intervals import corrected_mean, holm
from toolkit.statistics.metrics import mean_average_precision


@dataclass(frozen=True)
class Effect:
    """One set of tasks against another.

    Attributes:
        name: what was changed.
        tasks: the tasks trained with.
        against: the tasks compared with.
        map: mean over runs of the mean average precision on rows held out.
        difference: mean over runs of its rise over the other set's.
        low: lower end of the 95 % interval of the difference.
        high: upper end.
        p: of no difference, corrected for the number of sets (Holm 1979).
        runs: number of runs, each with another seed and another fold held out.
    """

    name: str
    tasks: tuple[str, ...]
    against: tuple[str, ...]
    map: float
    difference: float
    low: float
    high: float
    p: float
    runs: int

    def facts(self) -> dict[str, Any]:
        """Return all, JSON-able."""
        return vars(self) | {"tasks": list(self.tasks), "against": list(self.against)}


def ablate(
    head: MultitaskHead,
    X: np.ndarray,
    Y: np.ndarray,
    fold: np.ndarray,
    aux: Mapping[str, np.ndarray],
    runs: int = 5,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[float, list[Effect]]:
    """Train with and without each task.

    Run s has the head's random_state + s and holds out fold s modulo the number of folds, the same
    for every set of tasks, so that differences are paired. Their interval is that of the corrected
    resampled t test (Nadeau & Bengio 2003): runs share training rows.

    Args:
        head: an unfitted head; its tasks are those examined.
        X: ``float32 (n, d)``.
        Y: ``uint8 (n, L)``.
        fold: ``int (n,)``, -1 for rows that have no part in it.
        aux: material of the tasks, by name.
        runs: at least 2.
        on_progress: called with 1 after each training.

    Returns:
        The mean average precision without any task, and the effects: all tasks and each alone
        against none, and all against all but one.

    Raises:
        DataError: fewer than 2 runs, or no tasks.
    """
    if runs < 2 or not head.tasks:
        raise DataError("an ablation needs at least one task and two runs: give aux and seeds")
    every, folds = tuple(head.tasks), int(fold.max()) + 1
    seed = seed_of(head.random_state)
    wanted: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [("all tasks", every, ())]
    if len(every) > 1:
        wanted += [(f"{task} alone", (task,), ()) for task in every]
        wanted += [
            (f"{task} added to the others", every, tuple(t for t in every if t != task))
            for task in every
        ]
    measured: dict[tuple[str, ...], list[float]] = {}
    for tasks in dict.fromkeys([(), *(pair for _, *both in wanted for pair in both)]):
        measured[tasks] = []
        for run in range(runs):
            fit, held = (fold >= 0) & (fold != run % folds), fold == run % folds
            model = clone(head).set_params(tasks=tasks, random_state=seed + run)
            model.fit(X[fit], Y[fit], aux={name: values[fit] for name, values in aux.items()})
            measured[tasks].append(mean_average_precision(Y[held], model.predict_proba(X[held])))
            if on_progress is not None:
                on_progress(1)
    rows = int((fold >= 0).sum())
    sizes = (rows - rows // folds, rows // folds)
    effects = [_effect(name, tasks, other, measured, sizes) for name, tasks, other in wanted]
    corrected = holm([effect.p for effect in effects])
    return float(np.mean(measured[()])), [
        Effect(**(vars(effect) | {"p": float(p)}))
        for effect, p in zip(effects, corrected, strict=True)
    ]


def fits_of(tasks: Sequence[str], runs: int) -> int:
    """Return how many trainings :func:`ablate` does.

    >>> fits_of(["any"], 5), fits_of(["any", "colour"], 5), fits_of(["any", "colour", "x"], 5)
    (10, 20, 40)
    """
    several = len(tasks)
    sets = 2 if several == 1 else 2 + several if several == 2 else 2 + 2 * several
    return sets * runs


def _effect(
    name: str,
    tasks: tuple[str, ...],
    against: tuple[str, ...],
    measured: Mapping[tuple[str, ...], Sequence[float]],
    sizes: tuple[int, int],
) -> Effect:
    ours, theirs = np.array(measured[tasks]), np.array(measured[against])
    found = corrected_mean(ours - theirs, *sizes)
    return Effect(
        name, tasks, against, float(ours.mean()), found.mean, found.low, found.high, found.p,
        len(ours),
    )  # fmt: skip
