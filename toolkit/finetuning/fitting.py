"""Fitting: train once, or once a fold, and score every image that a model did not learn from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from toolkit.errors import DataError
from toolkit.finetuning.callbacks import Callbacks, Metrics
from toolkit.finetuning.checkpoint import load_checkpoint, save_checkpoint
from toolkit.finetuning.forward import outputs_of
from toolkit.finetuning.journal import Journal
from toolkit.finetuning.linear_probe import probe
from toolkit.finetuning.networks import COUNT, Classifier
from toolkit.finetuning.objective import positive_weights
from toolkit.finetuning.run_folder import CHECKPOINT
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.finetuning.tasks import Auxiliary
from toolkit.finetuning.trainer import Trainer
from toolkit.finetuning.workers import ALONE, Workers
from toolkit.heads.head import OneClassWarning
from toolkit.heads.partial_labels import (
    require_known_noes,
    selective_weights,
    taken_for_no,
    temporary_head,
)
from toolkit.statistics.links import sigmoid
from toolkit.statistics.origins import HELD_OUT, IN_SAMPLE, OUT_OF_FOLD

Ended = dict[str, Any]
Elsewhere = Callable[[list[str]], Iterator[tuple[str, Ended]]]


@dataclass(frozen=True)
class SplitRows:
    """Rows of a source by their use, and the folds where out-of-fold scores are wanted.

    Attributes:
        train: ``int64``, rows to learn from.
        validation: ``int64``, rows to measure on.
        test: ``int64``, rows that nothing is learned from.
        fold: ``int (n,)``, -1 outside the development set; or None for one run without folds.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    fold: np.ndarray | None = None


@dataclass(frozen=True)
class Fitted:
    """Models and the scores they give.

    Attributes:
        states: the weights by name of the run (``model``, or ``fold-0`` and so on).
        rows: ``int64 (m,)``, the source's rows that are scored, ascending.
        scores: ``float32 (m, L)``.
        origin: ``int8 (m,)``, see :mod:`toolkit.statistics.origins`: held out; out of fold; in
            sample for validation rows by which weights were chosen, or from which a network in
            training mode learned. Rows of training without folds are left out.
        fold: ``int16 (m,)``.
        histories: metrics of each epoch by name of the run.
    """

    states: dict[str, dict[str, np.ndarray]]
    rows: np.ndarray
    scores: np.ndarray
    origin: np.ndarray
    fold: np.ndarray
    histories: dict[str, list[Metrics]]


@dataclass(frozen=True)
class _Run:
    """One training: its name, rows, and what it scores with which share."""

    name: str
    train: np.ndarray
    validation: np.ndarray
    scored: Sequence[tuple[np.ndarray, float]]


def fit(
    network: Callable[[], nn.Module],
    source: Source,
    Y: np.ndarray,
    rows: SplitRows,
    settings: Settings,
    *,
    unknown: str = "ignore",
    auxiliary: Auxiliary | None = None,
    seed: int = 0,
    precision: str = "fp32",
    device: str = "cpu",
    callbacks: Callbacks | None = None,
    elsewhere: Elsewhere | None = None,
) -> Fitted:
    """Train and score.

    Args:
        network: gives a new network, the same one each time.
        source: pictures or features of n images.
        Y: ``int8 (n, L)``, -1 for unknown; labels of rows that a run scores are not looked at,
            except by ``pos_weight = "all"``.
        rows: see :class:`SplitRows`. With folds there are no validation rows: every development
            image is learned from in all runs but one, so weights are not chosen by it, and settings
            that would choose keep the last epoch's.
        settings: see :class:`~toolkit.finetuning.settings.Settings`.
        unknown: what training makes of cells of -1: see :mod:`~toolkit.heads.partial_labels`.
        auxiliary: tasks to learn with the labels.
        seed: of everything random.
        precision: ``bf16`` or ``fp32``.
        device: ``cpu``, ``cuda`` or ``mps``.
        callbacks: see :class:`Callbacks`.
        elsewhere: trains the runs of these names in other processes, by :func:`train_run`, and
            gives each with its end.

    Raises:
        DataError: there is nothing to learn from.
        UsageError: training diverged.
        StoppedError: a callback said so; what is done is kept.
    """
    callbacks = callbacks or Callbacks()
    scores = np.zeros(Y.shape, np.float32)
    states, histories = {}, {}
    runs = _runs(rows)
    ends: dict[str, Ended] = {}
    for run in runs:
        file = _end_file(callbacks, run.name)
        if file is not None and file.is_file():
            ends[run.name] = load_checkpoint(file)
    left = [run.name for run in runs if run.name not in ends]
    how: dict[str, Any] = {
        "unknown": unknown, "auxiliary": auxiliary, "seed": seed, "precision": precision,
        "device": device,
    }  # fmt: skip
    made = (
        (
            (name, train_run(name, network, source, Y, rows, settings, callbacks, **how))
            for name in left
        )
        if elsewhere is None
        else elsewhere(left)
    )
    for name, ended in made:
        file = _end_file(callbacks, name)
        if file is not None and len(runs) > 1:
            save_checkpoint(ended, file)
        ends[name] = ended
    for run in runs:
        ended = ends[run.name]
        for (at, share), logits in zip(run.scored, ended["logits"], strict=True):
            scores[at] += share * sigmoid(logits.numpy()).astype(np.float32)
        states[run.name] = {name: value.numpy() for name, value in ended["state"].items()}
        histories[run.name] = ended["history"]
    at, origin, fold = _scored_rows(rows, len(Y), settings)
    return Fitted(states, at, scores[at].clip(0, 1), origin, fold, histories)


def train_run(
    name: str,
    network: Callable[[], nn.Module],
    source: Source,
    Y: np.ndarray,
    rows: SplitRows,
    settings: Settings,
    callbacks: Callbacks,
    **how: Any,
) -> Ended:
    """Train one of the runs of :func:`fit`, whose arguments these are.

    Args:
        name: ``model`` or, with folds, ``fold-0`` and so on.
        how: those after ``settings``; and ``workers``, which train it together.

    Returns:
        Its weights (``state``), the logits of what it scores, and its ``history``; nothing, where
        there are several workers and this is not the first.
    """
    (run,) = (each for each in _runs(rows) if each.name == name)
    return _train_and_score(run, network(), source, Y, settings, callbacks, **how)


def _end_file(callbacks: Callbacks, name: str) -> Path | None:
    return None if callbacks.folder is None else callbacks.folder / name / f"end{CHECKPOINT}"


def _runs(rows: SplitRows) -> list[_Run]:
    if rows.fold is None:
        held = np.concatenate([rows.validation, rows.test])
        return [_Run("model", rows.train, rows.validation, [(held, 1.0)])]
    folds = int(rows.fold.max()) + 1
    return [
        _Run(
            f"fold-{f}",
            np.flatnonzero((rows.fold >= 0) & (rows.fold != f)),
            np.zeros(0, np.int64),
            [(np.flatnonzero(rows.fold == f), 1.0), (rows.test, 1.0 / folds)],
        )
        for f in range(folds)
    ]


def _train_and_score(
    run: _Run,
    model: nn.Module,
    source: Source,
    Y: np.ndarray,
    settings: Settings,
    callbacks: Callbacks,
    *,
    unknown: str,
    precision: str,
    workers: Workers = ALONE,
    **more: Any,
) -> Ended:
    """Return the end of one run: its weights, the logits of what it scores, and its history."""
    if not len(run.train):
        raise DataError("there are no training images: check the split")
    folder = None if callbacks.folder is None else callbacks.folder / run.name
    checkpoint = None if folder is None else folder / f"checkpoint{CHECKPOINT}"
    if unknown != "negative":
        require_known_noes(Y[run.train])
    passes: dict[str, Any] = {
        "precision": precision, "on_batch": callbacks.check, "workers": workers,
    }  # fmt: skip
    weight = None
    if unknown != "ignore" and (Y[run.train] < 0).any():
        if unknown == "negative":
            Y = Y.copy()
            Y[run.train] = taken_for_no(Y[run.train])
        else:
            weight = _selected(model, source, Y, run.train, **passes)
    pos_weight = positive_weights(Y, settings, run.train)
    passes |= {"weight": weight}
    begun = workers.from_first(checkpoint is not None and checkpoint.is_file())
    if settings.probes_first and isinstance(model, Classifier) and not begun:
        probe(model, source, Y, run.train, pos_weight=pos_weight, **passes)
    trainer = Trainer(
        model, source, Y, run.train, run.validation, settings,
        pos_weight=pos_weight, weight=weight, precision=precision, workers=workers, **more,
    )  # fmt: skip
    if callbacks.on_run is not None:
        callbacks.on_run(run.name, settings.epochs, len(run.train))
    with ExitStack() as stack:
        heard = [callbacks.on_epoch] if callbacks.on_epoch is not None else []
        if folder is not None and workers.first:
            journal = Journal(folder, callbacks.tensorboard)
            stack.callback(journal.close)
            heard.insert(0, journal.write)

        def on_epoch(metrics: Metrics) -> None:
            for each in heard:
                each(metrics)

        model = trainer.run(checkpoint, replace(callbacks, on_epoch=on_epoch))
    if settings.probes_last and isinstance(model, Classifier):
        probe(model, source.scored, Y, run.train, pos_weight=pos_weight, **passes)
    logits = [torch.zeros(0, Y.shape[1])] * len(run.scored)
    for part, (rows, _) in enumerate(run.scored):
        if len(rows):
            logits[part] = torch.from_numpy(trainer.logits(rows, model, callbacks.check))
        if not logits[part].isfinite().all():
            raise trainer.diverged()
    if not workers.first:
        return {}
    state = {
        name: value.float().cpu()
        for name, value in model.state_dict().items()
        if not name.endswith(COUNT)
    }
    return {"state": state, "logits": logits, "history": trainer.history}


def _selected(
    model: nn.Module,
    source: Source,
    Y: np.ndarray,
    train: np.ndarray,
    *,
    workers: Workers,
    **passes: Any,
) -> np.ndarray:
    """Return the weights ``float32 (n, L)`` of training cells, known or taken for no; 0 elsewhere.

    See :func:`~toolkit.heads.partial_labels.selective_weights`.
    """
    features: Any = nn.Identity()
    if isinstance(model, Classifier):
        features = model.eval().to(source.device).features
    X = outputs_of(features, source, train, workers=workers, **passes)
    weight = np.zeros(Y.shape, np.float32)
    if workers.first:
        weight[train] = _selected_cells(X, Y[train], source.device.type)
    return workers.from_first(weight)


def _selected_cells(X: np.ndarray, Y: np.ndarray, device: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneClassWarning)
        head = temporary_head(device).fit(X, Y)
    return selective_weights(head.predict_proba(X), Y)


def _scored_rows(
    rows: SplitRows, count: int, settings: Settings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    origin = np.full(count, -1, np.int8)
    origin[rows.test] = HELD_OUT
    fold = np.full(count, -1, np.int16)
    if rows.fold is not None:
        origin[rows.fold >= 0] = OUT_OF_FOLD
        fold[:] = rows.fold
    else:
        # in training mode, normalisation learns from validation pictures
        learned = (
            settings.keep == "best-validation-map"
            or settings.patience > 0
            or settings.validation_mode == "train"
        )
        origin[rows.validation] = IN_SAMPLE if learned else HELD_OUT
    at = np.flatnonzero(origin >= 0)
    return at, origin[at], fold[at]
