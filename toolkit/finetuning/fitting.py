"""Fitting: train once, or once a fold, and score every image that a model did not learn from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from toolkit.errors import STOPPED, ArtifactError, DataError, StoppedError, UsageError
from toolkit.finetuning.finished import Finished
from toolkit.finetuning.forward import COUNT
from toolkit.finetuning.journal import Journal
from toolkit.finetuning.linear_probe import probe
from toolkit.finetuning.networks import Classifier
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.finetuning.tasks import Auxiliary
from toolkit.finetuning.training import SAVE_EVERY, Metrics, Training
from toolkit.members.predictions import HELD_OUT, IN_SAMPLE, OUT_OF_FOLD
from toolkit.paper.results import PaperResult
from toolkit.statistics.metrics import score
from toolkit.storage.files import read_json, write_json

CHECKPOINT = ".pt"
Scored = Sequence[tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Parts:
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
        origin: ``int8 (m,)``: held out; out of fold; in sample for validation rows by which
            weights were chosen, or from which a network in training mode learned. Rows of training
            without folds are left out.
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
class Watch:
    """How a run is kept and watched.

    Attributes:
        folder: for checkpoints and journals; None keeps nothing.
        tensorboard: see :class:`~toolkit.finetuning.journal.Journal`.
        save_every: seconds between checkpoints.
        stop: asked after each step whether to save and end, and between batches of what goes before
            and after the steps.
        on_run: called with the name of each run, its number of epochs and of images in each.
        on_step: called with the number of images after each step.
        on_epoch: called with the metrics of each epoch.
    """

    folder: Path | None = None
    tensorboard: bool | None = False
    save_every: float = SAVE_EVERY
    stop: Callable[[], bool] | None = None
    on_run: Callable[[str, int, int], None] | None = None
    on_step: Callable[[int], None] | None = None
    on_epoch: Callable[[Metrics], None] | None = None

    def check(self) -> None:
        """Raise StoppedError if the run was asked to end; between steps, where nothing is saved."""
        if self.stop is not None and self.stop():
            raise StoppedError(STOPPED)


def fit(
    network: Callable[[], nn.Module],
    source: Source,
    Y: np.ndarray,
    parts: Parts,
    settings: Settings,
    *,
    auxiliary: Auxiliary | None = None,
    seed: int = 0,
    precision: str = "fp32",
    device: str = "cpu",
    watch: Watch | None = None,
) -> Fitted:
    """Train and score.

    Args:
        network: gives a new network, the same one each time.
        source: pictures or features of n images.
        Y: ``uint8 (n, L)``; labels of rows that a run scores are not looked at, except by
            ``pos_weight = "all"``.
        parts: see :class:`Parts`. With folds there is no validation part: every development image
            is learned from in all runs but one, so weights are not chosen by it, and settings that
            would choose keep the last epoch's.
        settings: see :class:`~toolkit.finetuning.settings.Settings`.
        auxiliary: tasks to learn beside the labels.
        seed: of everything random.
        precision: ``bf16`` or ``fp32``.
        device: ``cpu``, ``cuda`` or ``mps``.
        watch: see :class:`Watch`.

    Raises:
        DataError: there is nothing to learn from.
        UsageError: training diverged.
        StoppedError: the watch said so; what is done is kept.
    """
    watch = watch or Watch()

    def finished(name: str, train: np.ndarray, validation: np.ndarray, scored: Scored) -> Finished:
        if not len(train):
            raise DataError("there are no training images: check the split")
        begun = _checkpoint(watch, name)
        pos_weight = positive_weights(Y, settings, train)
        seen: dict[str, Any] = {
            "pos_weight": pos_weight,
            "precision": precision,
            "on_batch": watch.check,
        }
        model = network()
        if settings.probes and isinstance(model, Classifier) and not (begun and begun.is_file()):
            probe(model, source, Y, train, **seen)
        training = Training(
            model,
            source,
            Y,
            train,
            validation,
            settings,
            pos_weight=pos_weight,
            auxiliary=auxiliary,
            seed=seed,
            precision=precision,
            device=device,
        )
        model = _train(training, name, watch)
        if settings.ends_probing and isinstance(model, Classifier):
            probe(model, source.scored, Y, train, **seen)
        nothing = np.zeros((0, Y.shape[1]), np.float32)
        found = [
            training.logits(rows, model, watch.check) if len(rows) else nothing
            for rows, _ in scored
        ]
        if not all(np.isfinite(each).all() for each in found):
            raise training.diverged()
        return Finished(
            {
                key: value.float().cpu().numpy()
                for key, value in model.state_dict().items()
                if not key.endswith(COUNT)
            },
            [(1 / (1 + np.exp(-each.clip(-80, 80)))).astype(np.float32) for each in found],
            training.history,
        )

    scores = np.zeros(Y.shape, np.float32)
    states, histories = {}, {}
    runs = _runs(parts)
    for name, train, validation, scored in runs:
        kept = None
        if watch.folder is not None and len(runs) > 1:
            kept = watch.folder / name / f"end{CHECKPOINT}"
        if kept is not None and kept.is_file():
            ended = Finished.load(kept)
        else:
            ended = finished(name, train, validation, scored)
            if kept is not None:
                ended.save(kept)
        for (rows, share), part in zip(scored, ended.scores, strict=True):
            scores[rows] += share * part
        states[name], histories[name] = ended.state, ended.history
    rows, origin, fold = _scored_rows(parts, len(Y), settings)
    return Fitted(states, rows, scores[rows].clip(0, 1), origin, fold, histories)


def _runs(parts: Parts) -> list[tuple[str, np.ndarray, np.ndarray, Scored]]:
    """Return each run's name, training and validation rows, and what it scores with which share."""
    if parts.fold is None:
        held = np.concatenate([parts.validation, parts.test])
        return [("model", parts.train, parts.validation, [(held, 1.0)])]
    folds = int(parts.fold.max()) + 1
    none = np.zeros(0, np.int64)
    return [
        (
            f"fold-{f}",
            np.flatnonzero((parts.fold >= 0) & (parts.fold != f)),
            none,
            [(np.flatnonzero(parts.fold == f), 1.0), (parts.test, 1.0 / folds)],
        )
        for f in range(folds)
    ]


def _checkpoint(watch: Watch, name: str) -> Path | None:
    return None if watch.folder is None else watch.folder / name / f"checkpoint{CHECKPOINT}"


def _train(training: Training, name: str, watch: Watch) -> nn.Module:
    journal = None
    if watch.folder is not None:
        journal = Journal(watch.folder / name, watch.tensorboard)
    if watch.on_run is not None:
        watch.on_run(name, training.settings.epochs, len(training.train))

    def on_epoch(metrics: Metrics) -> None:
        if journal is not None:
            journal.write(metrics)
        if watch.on_epoch is not None:
            watch.on_epoch(metrics)

    try:
        return training.run(
            _checkpoint(watch, name),
            stop=watch.stop,
            save_every=watch.save_every,
            on_step=watch.on_step,
            on_epoch=on_epoch,
        )
    finally:
        if journal is not None:
            journal.close()


def _scored_rows(
    parts: Parts, count: int, settings: Settings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    origin = np.full(count, -1, np.int8)
    origin[parts.test] = HELD_OUT
    fold = np.full(count, -1, np.int16)
    if parts.fold is not None:
        origin[parts.fold >= 0] = OUT_OF_FOLD
        fold[:] = parts.fold
    else:
        # in training mode, normalisation learns from validation pictures
        learned = (
            settings.keep == "best-validation-map"
            or settings.patience > 0
            or settings.validation_mode == "train"
        )
        origin[parts.validation] = IN_SAMPLE if learned else HELD_OUT
    rows = np.flatnonzero(origin >= 0)
    return rows, origin[rows], fold[rows]


def positive_weights(Y: np.ndarray, settings: Settings, train: np.ndarray) -> np.ndarray | None:
    """Return negatives / positives of each label, ``float64 (L,)``, or None for no weights.

    ``pos_weight = "all"`` counts every row, test rows included: that is how the paper's printed
    weights come about. A label without positives, or without negatives, weighs 1.
    """
    if settings.pos_weight == "none":
        return None
    part = Y if settings.pos_weight == "all" else Y[train]
    positives = part.sum(0, dtype=np.float64)
    negatives = len(part) - positives
    usable = (positives > 0) & (negatives > 0)
    return np.where(usable, negatives / np.maximum(positives, 1), 1.0)


def measure(
    found: Sequence[PaperResult],
    settings: Settings,
    Y: np.ndarray,
    scores: np.ndarray,
    labels: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Return, for each result of the paper that a run answers, what the protocol measures.

    Args:
        found: results that share the run; each brings its own threshold.
        settings: tell whether thresholds are logits.
        Y: ``uint8 (m, L)``, test labels as the protocol pairs them.
        scores: ``float (m, L)``, probabilities of the same images.
        labels: L names.
    """
    measured = {}
    for each in found:
        probability = settings.threshold_scale == "probability"
        cut = each.threshold if probability else 1 / (1 + np.exp(-each.threshold))
        told = score(Y, scores, float(cut), labels)
        label = {
            name: told.per_label[name] for name in each.label_precision if name in told.per_label
        }
        measured[each.key] = {**told.metrics, "per_label": label}
    return measured


def prepare_folder(folder: Path, inputs: str, resume: bool, discard: bool = False) -> None:
    """Make a run's folder ready.

    Args:
        folder: a folder of the run's own.
        inputs: digest of recipe and inputs.
        resume: False throws away what was begun there.
        discard: throw away what was begun from other inputs.

    Raises:
        UsageError: an unfinished run of other inputs is there, and neither says so.
    """
    note = folder / "inputs.json"
    try:
        same = note.is_file() and read_json(note, "a training run's note") == inputs
    except ArtifactError:
        same = False
    if resume and not same and not discard and any(folder.glob(f"*/*{CHECKPOINT}")):
        raise UsageError(
            f"an unfinished training of {folder.name!r} was begun from other options or inputs: "
            "choose another --name, or throw it away with --no-resume"
        )
    if not same or not resume:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(note, inputs)


def end_folder(folder: Path) -> None:
    """Remove the checkpoints of a run that is whole; its journals stay until the next one."""
    write_json(folder / "inputs.json", "done")
    for file in folder.glob(f"*/*{CHECKPOINT}"):
        file.unlink()


def seeded(build: Callable[[], nn.Module], seed: int) -> Callable[[], nn.Module]:
    """Return a function that builds the same network each time, global generators untouched."""

    def again() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build()

    return again
