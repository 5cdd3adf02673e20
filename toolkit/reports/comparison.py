"""Comparison: the paper's rows, reference rows and ours, scored alike on the test images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toolkit.chance import blind_scores
from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.ensembles.thresholds import tuned_thresholds
from toolkit.errors import MemberError
from toolkit.intervals import bootstrap_metrics
from toolkit.members.member import Member
from toolkit.members.predictions import HELD_OUT
from toolkit.metrics import METRICS, score
from toolkit.paper import RESULTS

Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Row:
    """One row of the comparison.

    Attributes:
        name: what is compared.
        kind: ``paper``, ``reference``, ``head``, ``finetuned``, ``multitask`` or ``ensemble``.
        source: table and row of the paper, or what a member was made from.
        metrics: the seven metrics; None where undefined or not published.
        ci: 95 % percentile intervals over resampled test images, where there are scores.
        per_label: metrics of each label.
        images: test images scored.
        tuned: ``objective``, ``thresholds`` and the ``metrics`` at them; None where there are no
            development scores to tune on.
    """

    name: str
    kind: str
    source: str
    metrics: Metrics
    ci: dict[str, list[float] | None] = field(default_factory=dict)
    per_label: dict[str, dict[str, float | int | None]] = field(default_factory=dict)
    images: int = 0
    tuned: dict[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        """Return the row of ``compare --json``."""
        return {
            "name": self.name,
            "kind": self.kind,
            "source": self.source,
            "metrics": self.metrics,
            "ci": self.ci,
            "per_label": self.per_label,
            "images": self.images,
            "tuned": self.tuned,
        }


def compare(
    dataset: Dataset,
    split: Split,
    members: Sequence[Member],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Row]:
    """Return the paper's rows, the reference rows, and one row a member.

    Args:
        dataset: gives the truth.
        split: its test images are scored on.
        members: to be compared; each must have held-out scores for the test images.
        resamples: of the bootstrap; 0 leaves intervals out.
        seed: of the bootstrap; every row sees the same resamples.

    Raises:
        MemberError: a member is of another data set or lacks scores.
    """
    rows = list(paper_rows())
    rows += reference_rows(dataset, split)
    rows += [member_row(dataset, split, m, resamples=resamples, seed=seed) for m in members]
    return rows


def paper_rows() -> Iterable[Row]:
    """Return every result of the paper as published; what it does not give is None."""
    for result in RESULTS.values():
        metrics: Metrics = dict.fromkeys(METRICS)
        metrics |= {
            "accuracy": result.accuracy,
            "macro_precision": result.macro_precision,
            "macro_recall": result.macro_recall,
        }
        yield Row(result.name, "paper", result.source, metrics, images=result.test_rows)


def reference_rows(dataset: Dataset, split: Split) -> list[Row]:
    """Return what predictors that ignore the image score on the test images.

    Always no; chance at the label's own rate (expected values of a predictor that says yes to each
    label at random as often as it is true among the development images); and the label's frequency
    given to every image as its score.
    """
    truth = dataset.Y[split.test]
    rate = dataset.Y[split.development].mean(axis=0)
    prevalence = truth.mean(axis=0)
    constant = np.broadcast_to(rate, truth.shape)
    none = score(truth, np.zeros(truth.shape), labels=dataset.labels)
    frequency = score(truth, constant, labels=dataset.labels)
    defined = prevalence > 0
    blind = blind_scores(prevalence[defined], rate[defined])
    accuracy = blind_scores(prevalence, rate).accuracy
    f1 = 2 * prevalence * rate / np.maximum(prevalence + rate, 1e-12)
    chance: Metrics = {
        "accuracy": float(accuracy),
        "macro_precision": float(blind.macro_precision),
        "macro_recall": float(blind.macro_recall),
        "macro_f1": float(f1[defined].mean()),
        "micro_f1": float(2 * (prevalence * rate).sum() / (prevalence.sum() + rate.sum())),
        "map": frequency.metrics["map"],
        "auroc": frequency.metrics["auroc"],
    }
    n = len(truth)
    return [
        Row("always no", "reference", "no image needed", none.metrics, {}, none.per_label, n),
        Row("chance at each label's rate", "reference", "expected value", chance, images=n),
        Row(
            "label frequency as score",
            "reference",
            "no image needed",
            frequency.metrics,
            {},
            frequency.per_label,
            n,
        ),
    ]


def member_row(
    dataset: Dataset,
    split: Split,
    member: Member,
    thresholds: np.ndarray | float = 0.5,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Row:
    """Score one member on the test images.

    Raises:
        MemberError: the member belongs to another data set, or to another split: some test images
            have no held-out score.
    """
    predictions = member.predictions
    if predictions.dataset_digest != dataset.digest:
        raise MemberError(
            f"member {member.name} was made on another data set than {dataset.name} "
            "(or on other labels or pairing): leave it out or make it again"
        )
    ids = [dataset.ids[row] for row in split.test]
    here = [image for image in ids if image in predictions.row]
    at = [predictions.row[image] for image in here]
    if not here or (predictions.origin[at] != HELD_OUT).any():
        raise MemberError(
            f"member {member.name} learned from images that split {split.name!r} holds for "
            "testing: compare it under the split it was made on"
        )
    part = set(here)
    truth = dataset.Y[[row for row in split.test if dataset.ids[row] in part]]
    scores = predictions.scores[at]
    found = score(truth, scores, thresholds, dataset.labels)
    intervals = (
        bootstrap_metrics(truth, scores, thresholds, resamples=resamples, seed=seed)
        if resamples
        else {}
    )
    return Row(
        member.name,
        member.kind,
        member.source,
        found.metrics,
        {key: None if pair is None else list(pair) for key, pair in intervals.items()},
        found.per_label,
        len(here),
        _tuned(dataset, split, member, truth, scores),
    )


def _tuned(
    dataset: Dataset, split: Split, member: Member, truth: np.ndarray, scores: np.ndarray
) -> dict[str, Any] | None:
    """Score at thresholds that were tuned on development images, out of fold."""
    try:
        tuned = tuned_thresholds(member, dataset, split)
    except MemberError:
        return None
    return {
        "objective": tuned.objective,
        "thresholds": dict(zip(dataset.labels, tuned.per_label.tolist(), strict=True)),
        "metrics": score(truth, scores, tuned.per_label, dataset.labels).metrics,
    }
