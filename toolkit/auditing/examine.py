"""Examine: every check of the audit on one data set and its embeddings, as ranked findings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from toolkit.auditing.alignment import (
    NOT_AT_ALL,
    Alignment,
    alignment,
    enough_permutations,
    testable,
)
from toolkit.auditing.breaks import find_break
from toolkit.auditing.column_blocks import swapped_blocks
from toolkit.auditing.columns import ColumnSwap, swaps_by_counts
from toolkit.auditing.duplicates import Duplicates, find_duplicates
from toolkit.auditing.findings import Finding, ranked
from toolkit.auditing.groups import GroupAlignment, group_alignment, repeated_labels
from toolkit.auditing.health import file_health, label_health
from toolkit.auditing.label_errors import Suspect, out_of_fold_probabilities, suspects
from toolkit.auditing.linear_probe import LinearProbe, principal_components
from toolkit.auditing.noise import LabelNoise, label_noise
from toolkit.auditing.orders import Groups, directory_listing, pairings
from toolkit.auditing.pairing import Explanation, explain
from toolkit.auditing.verdicts import (
    alignment_findings,
    column_findings,
    duplicate_findings,
    explanation_findings,
    group_findings,
    label_error_findings,
)
from toolkit.data.dataset import Dataset
from toolkit.data.split import Folds, Split, make_folds
from toolkit.errors import DataError
from toolkit.images.hashes import ImageHashes

Stage = Callable[[str], None]
_MOST_FOLDERS = 12
_BETTER = 0.005


@dataclass(frozen=True, eq=False)
class Examination:
    """What an audit of one data set found.

    Attributes:
        findings: ranked, the worst first.
        alignment: of the labels as they stand; None where no label has enough of both classes.
        explanation: of a misalignment; None where there is none or none is known.
        swaps: columns swapped.
        duplicates: None if files were not decoded.
        noise: of each label; empty where labels describe nothing.
        suspects: the likeliest label errors over all labels that describe the images.
        by_label: the same of each label, for a look at all of them.
        seconds: by stage.
    """

    findings: list[Finding]
    alignment: Alignment | None
    explanation: Explanation | None
    swaps: list[ColumnSwap]
    duplicates: Duplicates | None
    noise: list[LabelNoise]
    suspects: list[Suspect]
    by_label: list[Suspect]
    seconds: dict[str, float] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return the findings and the seconds, JSON-able."""
        return {"findings": [found.facts() for found in self.findings], "seconds": self.seconds}


def examine(
    dataset: Dataset,
    X: npt.ArrayLike,
    split: Split,
    *,
    folds: Folds | None = None,
    hashes: ImageHashes | None = None,
    prevalence: Mapping[str, float] | None = None,
    permutations: int | None = None,
    top: int = 50,
    each: int = 12,
    seed: int = 0,
    device: str = "cpu",
    on_stage: Stage | None = None,
) -> Examination:
    """Run every check.

    Test rows are looked at, for faults of the data only: nothing that a model is chosen by comes
    out. Label errors are learned on the development rows; test rows are only scored.

    Args:
        dataset: the data set.
        X: ``float (n, d)`` embeddings of its images in order; NaN rows for images without.
        split: its split; the parts are searched for faults of their own.
        folds: over the development rows; made from ``split`` if not given.
        hashes: of its images; None leaves out duplicates and damaged files.
        prevalence: published share of positives by label name, if the data is a sample of such.
        permutations: of the alignment test; None for as many as its resolution asks for.
        top: how many label errors to list over all labels.
        each: how many of each label.
        seed: of everything random.
        device: ``cpu`` or ``cuda``, for label errors.
        on_stage: called with each stage's name when it is done.

    Raises:
        DataError: embeddings and data set differ in length, or there are fewer than 10 images.
    """
    X, Y, names = np.asarray(X, np.float32), dataset.Y, dataset.labels
    if len(X) != len(dataset):
        raise DataError(
            f"embeddings: expected {len(dataset)} rows, one for each image, found {len(X)}: embed "
            "the data set again"
        )
    X = _filled(X)
    groupings = _groupings(dataset, split)
    blocks = {name: rows for groups in groupings for name, rows in groups.items()}
    swaps = swaps_by_counts(Y, names, prevalence, "published counts") if prevalence else []
    found = explanation = duplicates = None
    by_group, repeated = list[GroupAlignment](), list[str]()
    noise, likeliest, by_label = list[LabelNoise](), list[Suspect](), list[Suspect]()
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        seconds[name] = round(time.perf_counter() - began, 3)
        if on_stage is not None:
            on_stage(name)

    # probes are many small products, on which threads wait for each other more than they compute
    with threadpool_limits(1, "blas"):
        if testable(Y).any():
            with stage("alignment"):
                probe = LinearProbe(principal_components(X), seed=seed)
                count = permutations or enough_permutations(len(Y), int(testable(Y).sum()))
                found = alignment(probe, Y, names, permutations=count, seed=seed)
            with stage("pairing"):
                explanation = explained(probe, dataset, found, groupings)
        if found is not None and (explanation is not None or found.verdict != NOT_AT_ALL):
            with stage("columns"):
                rebuilt = Y if explanation is None else explanation.pairing.repaired(Y)
                by_group = group_alignment(probe.scores(rebuilt), rebuilt, blocks, seed=seed)
                repeated = repeated_labels(Y, blocks)
                swaps += swapped_blocks(probe, rebuilt, names, dataset.files, blocks)
        if found is not None and explanation is None:
            described = [label.state == "describes" for label in found.labels]
            if any(described):
                with stage("label errors"):
                    folds = make_folds(split, Y, seed=seed) if folds is None else folds
                    P = out_of_fold_probabilities(X, Y, folds.fold, device=device)
                    P[:, ~np.array(described)] = np.nan
                    noise, likeliest = label_noise(P, Y, names), suspects(P, Y, names, top)
                    by_label = suspects(P, Y, names, each=each)
    if hashes is not None:
        with stage("duplicates"):
            duplicates = find_duplicates(dataset.digests, X, hashes, seed=seed)
    with stage("health"):
        health = file_health(dataset, hashes) + label_health(dataset, split)
    findings = [
        *alignment_findings(found),
        *explanation_findings(explanation, str(dataset.provenance.get("pairing", ""))),
        *group_findings(by_group, repeated),
        *label_error_findings(noise, likeliest, dataset.ids, split.part),
        *column_findings(swaps),
        *([] if duplicates is None else duplicate_findings(duplicates, dataset, split)),
        *health,
    ]
    return Examination(
        *(ranked(findings), found, explanation, swaps, duplicates, noise, likeliest, by_label),
        seconds=seconds,
    )


def explained(
    probe: LinearProbe, dataset: Dataset, found: Alignment, groupings: Sequence[Groups]
) -> Explanation | None:
    """Return the best explanation of a misalignment: a pairing of the whole, or a break.

    A break must be better by 0.005 of mean AUROC: one at the third row says no more than a shift.
    """
    try:
        directory = directory_listing(Path(dataset.root), dataset.files)
    except OSError:
        directory = None
    candidates = pairings(dataset.files, directory=directory, groupings=groupings)
    whole = explain(probe, dataset.Y, dataset.labels, found, candidates)
    broken = find_break(probe, dataset.Y, dataset.labels, dataset.files)
    if whole is None or broken is None:
        return whole or broken
    return broken if broken.auroc_after >= whole.auroc_after + _BETTER else whole


def _groupings(dataset: Dataset, split: Split) -> list[Groups]:
    """Parts of the split, and folders: the blocks in which a fault may sit."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    groupings: list[Groups] = [{name: rows for name, rows in parts.items() if len(rows)}]
    folders = np.array([str(Path(file).parent) for file in dataset.files])
    different = np.unique(folders)
    if 1 < len(different) <= _MOST_FOLDERS:
        groupings.append({f"folder {name}": np.flatnonzero(folders == name) for name in different})
    return groupings


def _filled(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give images without an embedding the mean of the others, which no probe learns from."""
    known = np.asarray(np.isfinite(X).all(axis=1))
    if not known.any():
        raise DataError("embeddings: expected one of some image, found none: embed them first")
    filled = X.copy()
    filled[~known] = X[known].mean(axis=0)
    return filled
