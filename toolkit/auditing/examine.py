"""Examine: every check of the audit on one data set and its embeddings, as ranked findings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from toolkit.auditing.alignment import (
    NOT_AT_ALL,
    PERMUTATIONS,
    UNDECIDED,
    WEAKLY,
    Alignment,
    alignment,
    testable,
)
from toolkit.auditing.breaks import find_break
from toolkit.auditing.column_blocks import swapped_blocks
from toolkit.auditing.columns import ColumnSwap, swaps_by_counts
from toolkit.auditing.duplicates import Duplicates, find_duplicates
from toolkit.auditing.findings import Finding, ranked
from toolkit.auditing.groups import GroupAlignment, group_alignment, repeated_labels
from toolkit.auditing.health import FEWEST_LEARNED, file_health, label_health
from toolkit.auditing.label_errors import (
    LabelNoise,
    Suspect,
    label_noise,
    out_of_fold_probabilities,
    suspects,
)
from toolkit.auditing.linear_probe import LinearProbe, principal_components
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

_MOST_FOLDERS = 12
_BETTER = 0.005


def stage_ends(labels: int) -> dict[str, int]:
    """Return how far an examination is at the end of each stage, in shares of its usual cost.

    They are rough: measured on sets of 25 to 1,000 labels, where comparing columns with each other
    takes the most with many labels, and learning label errors otherwise.
    """
    costs = {
        "alignment": 3,
        "pairing": 3,
        "columns": 3 + labels // 15,
        "label errors": 20,
        "duplicates": 2,
        "health": 1,
    }
    return dict(zip(costs, accumulate(costs.values()), strict=True))


class Stages:
    """Seconds by stage; calls ``done`` with each stage's name at its end."""

    def __init__(self, done: Callable[[str], object] | None = None) -> None:
        """Start without any."""
        self.seconds: dict[str, float] = {}
        self._done = done

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a stage."""
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 3)
        if self._done is not None:
            self._done(name)


@dataclass(frozen=True, eq=False, kw_only=True)
class Links:
    """Whether labels and images belong together, and if not, what went wrong.

    Attributes:
        alignment: of the labels as they stand; None where no label has enough of both classes.
        explanation: of a misalignment; None where there is none or none is known.
        by_group: the alignment of each group of rows; empty where that of all shows no link.
        repeated: groups whose labels repeat those of the first images.
        swaps: columns swapped.
    """

    alignment: Alignment | None = None
    explanation: Explanation | None = None
    by_group: Sequence[GroupAlignment] = ()
    repeated: Sequence[str] = ()
    swaps: Sequence[ColumnSwap] = ()

    def link_findings(self, pairing: str = "") -> list[Finding]:
        """Return what they say; ``pairing`` is how the data set says it was imported."""
        return [
            *alignment_findings(self.alignment),
            *explanation_findings(self.explanation, pairing),
            *group_findings(self.by_group, self.repeated),
            *column_findings(self.swaps),
        ]


@dataclass(frozen=True, eq=False, kw_only=True)
class Examination(Links):
    """What an audit of one data set found.

    Attributes:
        findings: ranked, the worst first.
        duplicates: None if files were not decoded.
        noise: of each label that it can be bounded for; empty where labels describe nothing.
        suspects: the likeliest label errors over all labels that describe the images.
        by_label: the same of each label, for a look at all of them.
        seconds: by stage.
    """

    findings: Sequence[Finding]
    duplicates: Duplicates | None = None
    noise: Sequence[LabelNoise] = ()
    suspects: Sequence[Suspect] = ()
    by_label: Sequence[Suspect] = ()
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
    trained: bool = True,
    permutations: int = PERMUTATIONS,
    top: int = 50,
    each: int = 12,
    seed: int = 0,
    device: str = "cpu",
    on_stage: Callable[[str], object] | None = None,
) -> Examination:
    """Run every check.

    Test rows are looked at, for faults of the data only: nothing that a model is chosen by comes
    out. A label is examined on the images where it is known. Label errors are learned on the
    development rows; test rows are only scored.

    Args:
        dataset: the data set.
        X: ``float (n, d)`` embeddings of its images in order; NaN rows for images without.
        split: its split; the parts are searched for faults of their own.
        folds: over the development rows; made from ``split`` if not given.
        hashes: of its images; None leaves out duplicates and damaged files.
        prevalence: published share of positives by label name, if the data is a sample of such.
        trained: whether the embeddings come from trained weights. That random ones show no link
            says nothing of the labels.
        permutations: of the alignment test.
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
    X, stage, partly = _filled(X), Stages(on_stage), bool((Y < 0).any())
    errors: dict[str, Any] = {}
    # probes are many small products, on which threads wait for each other more than they compute
    with threadpool_limits(1, "blas"):
        links = find_links(
            dataset,
            X,
            split,
            stage,
            prevalence=prevalence,
            trained=trained,
            permutations=permutations,
            seed=seed,
        )
        searched = _searchable(links, Y[split.development])
        if searched.any():
            with stage("label errors"):
                folds = make_folds(split, Y, seed=seed) if folds is None else folds
                P = out_of_fold_probabilities(X, Y, folds.fold, device=device)
                P[:, ~searched] = np.nan
                errors["noise"] = label_noise(P, Y, names)
                errors["suspects"] = suspects(P, Y, names, top)
                errors["by_label"] = suspects(P, Y, names, each=each)
    duplicates = None
    if hashes is not None:
        with stage("duplicates"):
            duplicates = find_duplicates(dataset.digests, X, hashes, seed=seed)
    with stage("health"):
        health = file_health(dataset, hashes) + label_health(dataset, split)
    findings = [
        *links.link_findings(str(dataset.provenance.get("pairing", ""))),
        *(
            label_error_findings(**errors, ids=dataset.ids, part=split.part, partly=partly)
            if errors
            else []
        ),
        *([] if duplicates is None else duplicate_findings(duplicates, dataset, split)),
        *health,
    ]
    return Examination(
        **vars(links),
        **errors,
        findings=ranked(findings),
        duplicates=duplicates,
        seconds=stage.seconds,
    )


def find_links(
    dataset: Dataset,
    X: npt.NDArray[np.float32],
    split: Split,
    stage: Stages,
    *,
    prevalence: Mapping[str, float] | None = None,
    trained: bool = True,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Links:
    """Say whether labels and images belong together, and search what went wrong.

    Groups and columns are searched where the labels as they stand, or as an explanation puts them,
    are linked to the images: elsewhere nothing can be said of them. An explanation proves that
    labels which show no use as they stand are those of other images. The arguments are those of
    :func:`examine`; no row of ``X`` is NaN.
    """
    Y, names = dataset.Y, dataset.labels
    swaps = swaps_by_counts(Y, names, prevalence, "published counts") if prevalence else []
    if not testable(Y).any():
        return Links(swaps=swaps)
    groupings = _groupings(dataset, split)
    blocks = {name: rows for groups in groupings for name, rows in groups.items()}
    with stage("alignment"):
        probe = LinearProbe(principal_components(X), seed=seed)
        found = alignment(probe, Y, names, permutations=permutations, seed=seed)
    with stage("pairing"):
        explanation = _explained(probe, dataset, found, groupings)
    if explanation is not None and found.verdict in (WEAKLY, UNDECIDED):
        found = replace(found, verdict=NOT_AT_ALL)
    elif found.verdict == NOT_AT_ALL and not trained:
        found = replace(found, verdict=UNDECIDED)
    if explanation is None and not found.linked:
        return Links(alignment=found, swaps=swaps)
    with stage("columns"):
        rebuilt = Y if explanation is None else explanation.pairing.repaired(Y)
        return Links(
            alignment=found,
            explanation=explanation,
            by_group=group_alignment(probe.scores(rebuilt), rebuilt, blocks, seed=seed),
            repeated=repeated_labels(Y, blocks),
            swaps=swaps + swapped_blocks(probe, rebuilt, names, dataset.files, blocks),
        )


def _searchable(links: Links, learned: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell whose errors can be looked for: labels that describe, with enough rows to learn from."""
    if links.alignment is None or links.explanation is not None:
        return np.zeros(learned.shape[1], bool)
    describing = [label.state == "describes" for label in links.alignment.labels]
    enough: npt.NDArray[np.bool_] = (learned == 1).sum(axis=0) >= FEWEST_LEARNED
    return enough & describing


def _explained(
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
    whole = explain(probe, dataset.Y, found, candidates)
    broken = find_break(probe, dataset.Y, dataset.files)
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
