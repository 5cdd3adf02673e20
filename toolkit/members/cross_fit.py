"""One-vs-rest members: a head fitted fold by fold, scored out of fold."""

from __future__ import annotations

import inspect
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from toolkit.distribute.machines import connected, fold_cores
from toolkit.distribute.piece import Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.distribute.place import HERE
from toolkit.errors import ArtifactError, DataError, UsageError
from toolkit.heads.head import (
    FitsFolds,
    OneClassWarning,
    OneVsRestHead,
    Progress,
    warn_one_class,
)
from toolkit.heads.linear import LinearHead
from toolkit.heads.partial_labels import (
    check_unknown,
    require_known_noes,
    selective_weights,
    taken_for_no,
    temporary_head,
)
from toolkit.heads.standardised_rows import STREAMED
from toolkit.members.member import load_state, save_state
from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD
from toolkit.runtime.forecast import forecasting
from toolkit.storage.files import digest_file, read_json, write_json

BLOCK = 8192
_NOTE = "digests.json"


@dataclass(frozen=True)
class CrossFit:
    """The fold models of a head and the scores they give.

    Attributes:
        models: one per fold, each fitted without that fold.
        scores: ``float32 (n, L)``: development rows by the model that never saw them, others by
            the mean over the models.
        origin: ``int8 (n,)``.
    """

    models: list[OneVsRestHead]
    scores: np.ndarray
    origin: np.ndarray


def cross_fit(
    head: OneVsRestHead,
    X: np.ndarray,
    Y: np.ndarray,
    fold: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    aux: Mapping[str, np.ndarray] | None = None,
    labels: Sequence[str] | None = None,
    unknown: str = "ignore",
    checkpoints: Checkpoints | None = None,
    on_progress: Progress | None = None,
    on_start: Callable[[int], None] | None = None,
    say: Callable[[str], None] | None = None,
    on: str = HERE,
) -> CrossFit:
    """Fit a head without each fold in turn and score every row honestly.

    Args:
        head: an unfitted head; it is cloned.
        X: ``float32 (n, d)``, or a data frame.
        Y: ``(n, L)`` of 0 and 1, -1 for unknown, or a data frame; rows of fold -1 are scored, their
            labels are not looked at.
        fold: ``int (n,)``, -1 for the rows outside the development set.
        sample_weight: ``(n,)`` or ``(n, L)``.
        aux: what a head's auxiliary tasks learn from, arrays of n rows by name; each fold's model
            gets the rows that it learns from.
        labels: L names, for the warning of labels with one class; by default columns of Y.
        unknown: what a fit makes of cells of -1: ``ignore``, ``negative`` (they are no) or
            ``selective``, for which each fold's model goes by a temporary one that learned from the
            same rows; see :mod:`~toolkit.heads.partial_labels`.
        checkpoints: where finished folds are kept, for heads that are fitted fold by fold.
        on_progress: called with 1 after each fold (or each step of a head that fits all at once).
        on_start: called with the number of these folds or steps, where it is known.
        say: takes one sentence on how long fitting will take, once a first part is measured; not
            of fits elsewhere.
        on: where folds are fitted; see :func:`~toolkit.distribute.pieces.run_pieces`. A head that
            fits all folds at once is one piece. Rows are scored here.

    Raises:
        DataError: shapes differ, a fold has no rows, or no label is known not to apply.
        ClusterError: the cluster cannot be had, or lost a fold too often.
        UsageError: ``head`` is no head, ``aux`` is given to a head without auxiliary tasks, or
            ``unknown`` is none of these.
    """
    check_unknown(unknown)
    if not isinstance(head, OneVsRestHead):
        raise UsageError(f"head: expected an unfitted head, found {head!r}")
    labels = getattr(Y, "columns", None) if labels is None else labels
    X, Y, fold = np.asarray(X), np.asarray(Y), np.asarray(fold)
    if X.ndim != 2 or Y.ndim != 2 or not len(X) == len(Y) == len(fold):
        raise DataError(
            f"X, Y and fold: expected (n, d), (n, L) and n rows, found {X.shape}, {Y.shape} and "
            f"{fold.shape}"
        )
    if fold.dtype.kind not in "iu":
        raise DataError(f"fold: expected whole numbers, found {fold.dtype}")
    inside = np.flatnonzero(fold >= 0)
    folds = int(fold.max()) + 1
    counts = np.bincount(fold[inside], minlength=folds) if len(inside) else np.zeros(1)
    if folds < 2 or (counts == 0).any():
        raise DataError("a fold has no images with embeddings: use fewer folds or embed them all")
    fit = head.fit_folds if isinstance(head, FitsFolds) else head.fit
    if aux is not None and "aux" not in inspect.signature(fit).parameters:
        raise UsageError(f"aux: expected none, as {type(head).__name__} learns no auxiliary tasks")
    partly = bool((Y[inside] < 0).any())
    if unknown != "negative":
        require_known_noes(Y[inside])
    given, Y = Y, taken_for_no(Y) if partly and unknown != "ignore" else Y
    temporary: list[LinearHead] = []
    weights = {} if sample_weight is None else {"sample_weight": np.asarray(sample_weight)}

    def tell(sentence: str) -> None:
        if say is not None:
            say(sentence)

    def learned(rows: np.ndarray, f: int | None = None) -> dict[str, Any]:
        found = {key: values[rows] for key, values in weights.items()}
        if temporary and f is not None:
            chosen = selective_weights(temporary[f].predict_proba(X[rows]), given[rows])
            for own in found.values():
                chosen = chosen * own.reshape(len(rows), -1)
            found = {"sample_weight": chosen}
        tasks = {} if aux is None else {"aux": {key: values[rows] for key, values in aux.items()}}
        return found | tasks

    with connected(on), warnings.catch_warnings():
        warnings.simplefilter("ignore", OneClassWarning)  # one for all folds, below
        if partly and unknown == "selective":
            first = temporary_head(getattr(head, "device", "cpu"))
            temporary += first.fit_folds(X[inside], given[inside], fold[inside])
        together = isinstance(head, FitsFolds) and not temporary
        if isinstance(head, FitsFolds) and together and on == HERE:
            with forecasting(f"fitting {type(head).__name__}", 1, tell):
                if X.size < STREAMED:
                    whole = X[inside], Y[inside], fold[inside]
                    more = learned(inside)
                else:  # not copied
                    whole = X, np.where((fold >= 0)[:, None], Y, 0), fold
                    more = learned(np.arange(len(X)))
                steps = getattr(head, "steps_of_folds", None)
                if on_start is not None and steps is not None:
                    on_start(steps)
                models = head.fit_folds(*whole, **more, on_progress=on_progress)
        elif isinstance(head, FitsFolds) and together:
            piece = Piece(
                f"all folds of {type(head).__name__}",
                _fit_folds,
                {"head": head, "rows": inside, "fold": fold[inside], "more": learned(inside)},
                {"X": X, "Y": Y},
                cpus=_cores(on),
                gpus=_cards(head),
            )
            ((_, models),) = run_pieces([piece], on)
        else:
            if on_start is not None:
                on_start(int(fold.max()) + 1)
            models = _fold_by_fold(head, X, Y, fold, learned, checkpoints, on_progress, tell, on)
    warn_one_class(models, labels)
    scores = np.zeros(Y.shape, np.float32)
    for f, model in enumerate(models):
        held = np.flatnonzero(fold == f)
        scores[held] = model.predict_proba(X[held])
    outside = np.flatnonzero(fold < 0)
    scores[outside] = mean_scores(models, X[outside])
    origin = np.where(fold >= 0, OUT_OF_FOLD, HELD_OUT).astype(np.int8)
    return CrossFit(models, scores, origin)


def _fold_by_fold(
    head: OneVsRestHead,
    X: np.ndarray,
    Y: np.ndarray,
    fold: np.ndarray,
    learned: Callable[[np.ndarray, int], dict[str, Any]],
    checkpoints: Checkpoints | None,
    on_progress: Progress | None,
    say: Callable[[str], None],
    on: str,
) -> list[OneVsRestHead]:
    models: dict[int, OneVsRestHead] = {}
    folds = range(int(fold.max()) + 1)
    names = [f"fold {f} of {type(head).__name__}" for f in folds]
    if checkpoints is not None:
        checkpoints.open()
        there = ((f, checkpoints.load(f, head)) for f in folds)
        models = {f: model for f, model in there if model is not None}
    if on_progress is not None and models:
        on_progress(len(models))
    cpus = _cores(on) if len(models) < len(folds) else 1

    def pieces() -> Iterator[Piece]:
        for f in [f for f in folds if f not in models]:
            rows = np.flatnonzero((fold >= 0) & (fold != f))
            inputs = {"head": head, "rows": rows, "more": learned(rows, f)}
            yield Piece(names[f], _fit, inputs, {"X": X, "Y": Y}, cpus=cpus, gpus=_cards(head))

    with forecasting(f"fitting {type(head).__name__}", len(folds) - len(models), say):
        for piece, model in run_pieces(pieces(), on):
            f = names.index(piece.name)
            models[f] = model
            if checkpoints is not None:
                checkpoints.save(f, model)
            if on_progress is not None:
                on_progress(1)
    return [models[f] for f in folds]


def _fit(
    head: OneVsRestHead, rows: np.ndarray, more: dict[str, Any], X: np.ndarray, Y: np.ndarray
) -> OneVsRestHead:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneClassWarning)  # whoever asked warns once for all folds
        model: OneVsRestHead = clone(head).fit(X[rows], Y[rows], **more)
    return model


def _fit_folds(
    head: FitsFolds,
    rows: np.ndarray,
    fold: np.ndarray,
    more: dict[str, Any],
    X: np.ndarray,
    Y: np.ndarray,
) -> list[OneVsRestHead]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneClassWarning)
        return head.fit_folds(X[rows], Y[rows], fold, **more)


def _cores(on: str) -> int:
    return 1 if on == HERE else fold_cores(on)


def _cards(head: object) -> int:
    return int(getattr(head, "device", "cpu") == "cuda")


def mean_scores(models: list[OneVsRestHead], X: np.ndarray) -> np.ndarray:
    """Return the mean over fold models, ``float32 (n, L)``, for images none of them saw."""
    scores = np.zeros((len(X), len(models[0].classes_)), np.float32)
    for start in range(0, len(X), BLOCK):
        block = X[start : start + BLOCK]
        scores[start : start + BLOCK] = np.mean([m.predict_proba(block) for m in models], axis=0)
    return scores


class Checkpoints:
    """Finished folds of a member in the making, kept until it is whole.

    Args:
        folder: a folder of its own.
        inputs: digest of recipe and inputs; folds that were made from others are thrown away.
    """

    def __init__(self, folder: Path, inputs: str) -> None:
        self.folder, self.inputs = folder, inputs

    def open(self) -> None:
        """Make the folder ready, for one maker of the member at a time."""
        note = self.folder / "inputs.json"
        try:
            same = note.is_file() and read_json(note, "a checkpoint's note") == self.inputs
        except ArtifactError:
            same = False
        if not same:
            shutil.rmtree(self.folder, ignore_errors=True)
            write_json(note, self.inputs)

    def load(self, fold: int, head: OneVsRestHead) -> OneVsRestHead | None:
        """Return a finished fold's model, or None where it is not there whole."""
        place = self.folder / f"fold-{fold}"
        try:
            same = read_json(place / _NOTE, "a checkpoint's note") == _digests(place)
        except ArtifactError:
            same = False
        if not same:
            return None
        model: OneVsRestHead = clone(head).restore(load_state(place, "model"))
        return model

    def save(self, fold: int, model: OneVsRestHead) -> None:
        """Keep a finished fold's model."""
        building = self.folder / f".fold-{fold}"
        shutil.rmtree(building, ignore_errors=True)
        save_state(model.state(), building, "model")
        write_json(building / _NOTE, _digests(building))
        place = self.folder / f"fold-{fold}"
        shutil.rmtree(place, ignore_errors=True)
        building.rename(place)

    def clear(self) -> None:
        """Remove all; the member is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.glob("*") if file.name != _NOTE)
    return {file.name: digest_file(file).hex() for file in files}
