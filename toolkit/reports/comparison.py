"""Comparison: the paper's rows, reference rows and ours, scored alike on the test images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.ensembles.thresholds import tuned_thresholds
from toolkit.errors import MemberError
from toolkit.members.held_out import developed, held_out
from toolkit.members.member import Member
from toolkit.paper.chance import blind_scores
from toolkit.paper.results import RESULTS
from toolkit.reports.differences import PAPER, REFERENCE, Blind, adjust, from_paper
from toolkit.statistics.intervals import draw_metrics, percentile_interval
from toolkit.statistics.metrics import METRICS, score

Metrics = dict[str, float | None]
GROUPS = {
    "reference": "No image needed",
    "head": "One-vs-rest heads",
    "multitask": "Multitask heads",
    "finetuned": "Fine-tuned",
    "ensemble": "Ensembles",
}
PARTS = ("test", "development")
KINDS = ("paper", *GROUPS)
NONE, CHANCE, FREQUENCY = (
    "always no",
    "chance at each label's rate",
    "label frequency as score",
)


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
        ap_ci: 95 % intervals of each label's average precision.
        versus: differences of a member: under ``paper`` from the paper's best printed figures,
            under ``reference`` from the best predictor that ignores the image.
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
    ap_ci: dict[str, list[float] | None] = field(default_factory=dict)
    versus: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """Return under which heading the row belongs: a table of the paper, or a kind."""
        if self.kind == "paper":
            table = self.source.split(",")[0]
            return f"The paper, {table.lower()}" if "Table" in table else "The paper's prose"
        return GROUPS[self.kind]

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
            "group": self.group,
            "ap_ci": self.ap_ci,
            "versus": self.versus,
        }


def compared_rows(
    dataset: Dataset,
    split: Split,
    members: Sequence[Member],
    *,
    part: str = "test",
    resamples: int = 1000,
    seed: int = 0,
    on_member: Callable[[int], None] | None = None,
) -> list[Row]:
    """Return the paper's rows, the reference rows, and one row a member.

    Args:
        dataset: gives the truth.
        split: its images are scored on.
        members: to be compared; each must have held-out scores for the test images.
        part: ``test``; or ``development`` for out-of-fold scores, which choices may be made by.
        resamples: of the bootstrap; 0 leaves intervals out.
        seed: of the bootstrap; every row sees the same resamples.
        on_member: called with 1 for each member scored.

    Raises:
        MemberError: a member is of another data set or lacks scores.
    """
    references = reference_rows(dataset, split, part)
    rate = dataset.Y[split.development].mean(axis=0)
    blind = Blind(
        {NONE: np.zeros(len(rate)), FREQUENCY: rate},
        {row.name: row.metrics for row in references if row.name == CHANCE},
        dataset.labels,
        resamples=resamples,
        seed=seed,
    )
    ours = []
    for member in members:
        row = member_row(
            dataset, split, member, part=part, resamples=resamples, seed=seed, blind=blind
        )
        ours.append(row)
        if on_member is not None:
            on_member(1)
    adjust(row.versus[REFERENCE] for row in ours)
    return [*paper_rows(), *references, *ours]


def document(dataset: str, split: str, rows: Sequence[Row], part: str = "test") -> dict[str, Any]:
    """Return what ``compare --json`` prints, and what a report holds."""
    facts = [row.facts() for row in rows]
    return {"dataset": dataset, "split": split, "part": part, "rows": facts}


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


def reference_rows(dataset: Dataset, split: Split, part: str = "test") -> list[Row]:
    """Return what predictors that ignore the image score on the test or development images.

    Always no; chance at the label's own rate (expected values of a predictor that says yes to each
    label at random as often as it is true among the development images); and the label's frequency
    given to every image as its score.
    """
    truth = dataset.Y[split.test if part == "test" else split.development]
    rate = dataset.Y[split.development].mean(axis=0)
    prevalence = truth.mean(axis=0)
    constant = np.broadcast_to(rate, truth.shape)
    none = score(truth, np.zeros(truth.shape), labels=dataset.labels)
    frequency = score(truth, constant, labels=dataset.labels)
    defined = prevalence > 0
    blind = blind_scores(prevalence[defined], rate[defined]) if defined.any() else None
    accuracy = blind_scores(prevalence, rate).accuracy
    f1 = 2 * prevalence * rate / np.maximum(prevalence + rate, 1e-12)
    chance: Metrics = {
        "accuracy": float(accuracy),
        "macro_precision": blind and float(blind.macro_precision),
        "macro_recall": blind and float(blind.macro_recall),
        "macro_f1": float(f1[defined].mean()) if defined.any() else None,
        "micro_f1": float(2 * (prevalence * rate).sum() / (prevalence.sum() + rate.sum())),
        "map": frequency.metrics["map"],
        "auroc": frequency.metrics["auroc"],
    }
    n = len(truth)
    return [
        Row(NONE, "reference", "no image needed", none.metrics, {}, none.per_label, n),
        Row(CHANCE, "reference", "expected value", chance, images=n),
        Row(
            FREQUENCY,
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
    part: str = "test",
    resamples: int = 1000,
    seed: int = 0,
    blind: Blind | None = None,
) -> Row:
    """Score one member; ``blind`` are predictors to hold it against.

    Out of fold there are no tuned thresholds: they are tuned on the very same scores.

    Raises:
        MemberError: the member belongs to another data set, or to another split: some test images
            have no held-out score.
    """
    scored = (held_out if part == "test" else developed)(dataset, split, member)
    truth, scores = scored.truth, scored.scores
    found = score(truth, scores, thresholds, dataset.labels)
    drawn = (
        draw_metrics(truth, scores, thresholds, resamples=resamples, seed=seed)
        if resamples
        else None
    )
    intervals = {} if drawn is None else {k: _pair(v) for k, v in drawn.metrics.items()}
    versus = {PAPER: from_paper(found.metrics, intervals)}
    if blind is not None:
        versus[REFERENCE] = blind.below(scored, found.metrics, drawn)
    return Row(
        member.name,
        member.kind,
        member.source,
        found.metrics,
        intervals,
        found.per_label,
        len(truth),
        _tuned(dataset, split, member, truth, scores) if part == "test" else None,
        {}
        if drawn is None
        else {name: _pair(each) for name, each in zip(dataset.labels, drawn.ap.T, strict=True)},
        versus,
    )


def _pair(drawn: np.ndarray) -> list[float] | None:
    pair = percentile_interval(drawn)
    return None if pair is None else list(pair)


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
