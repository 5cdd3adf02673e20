"""Comparison: the paper's rows, reference rows and ours, scored alike on the test images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.ensembles.thresholds import tuned_thresholds
from toolkit.errors import MemberError, UsageError, check_choice, counted
from toolkit.members.held_out import developed, held_out
from toolkit.members.member import Member
from toolkit.paper.chance import blind_scores
from toolkit.paper.results import RESULTS
from toolkit.reports.differences import PAPER, REFERENCE, Blind, adjust, from_paper
from toolkit.reports.pairs import paired_members
from toolkit.runtime.progress import Progress
from toolkit.statistics.further_metrics import FURTHER
from toolkit.statistics.intervals import MetricIntervals, label_interval, metric_intervals
from toolkit.statistics.metrics import METRICS, binarize, score, shares
from toolkit.statistics.resampling import Draws, Weighted

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
_BLIND = "no image needed"


@dataclass(frozen=True)
class Row:
    """One row of the comparison.

    Attributes:
        name: what is compared.
        kind: ``paper``, ``reference``, ``head``, ``finetuned``, ``multitask`` or ``ensemble``.
        source: table and row of the paper, or what a member was made from.
        metrics: the seven metrics; None where undefined or not published.
        ci: 95 % intervals for the population of images, where there are scores; None where a label
            in the mean has too few positives for one.
        ci_note: which labels have too few; empty where none has.
        supported: of each mean over labels, the mean over the labels with enough: ``labels``,
            ``value`` and ``ci``.
        labels_scored: labels with positives, which the means over labels are over.
        repeats: of a row that is a mean over seeds: names of the ``members``, the ``deviation`` of
            each metric over them, and the ``reach`` of Nadeau & Bengio's interval; else empty.
        pairs: of a member, by other member's name: ``difference`` in mAP, ``low``, ``high``, ``p``
            and ``p_holm``; see :func:`toolkit.reports.pairs.paired_members`.
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
    ci_note: str = ""
    supported: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels_scored: int | None = None
    repeats: dict[str, Any] = field(default_factory=dict)
    pairs: dict[str, dict[str, float | None]] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """Return under which heading the row belongs: a table of the paper, or a kind."""
        if self.kind == "paper":
            table = self.source.split(",")[0]
            return f"The paper, {table.lower()}" if "Table" in table else "The paper's prose"
        return GROUPS[self.kind]

    def facts(self) -> dict[str, Any]:
        """Return the row of ``compare --json``."""
        return vars(self) | {"group": self.group}


def compared_rows(
    dataset: Dataset,
    split: Split,
    members: Sequence[Member],
    *,
    paper: bool = True,
    part: str = "test",
    metrics: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Row]:
    """Return the paper's rows, the reference rows, and one row per member.

    Args:
        dataset: gives the truth.
        split: its images are scored on.
        members: to be compared; each must have held-out scores for the test images.
        paper: whether the paper's figures are on the same labels: without, its rows are left out.
        part: ``test``; or ``development`` for out-of-fold scores, which choices may be made by.
        metrics: of :data:`~toolkit.statistics.further_metrics.FURTHER`, computed besides.
        resamples: of the bootstrap; 0 leaves intervals out.
        seed: of the bootstrap; every row sees the same resamples.
        progress: where progress is shown.

    Raises:
        UsageError: an option is not among its choices, or the split holds no such images.
        MemberError: a member is of another data set or lacks scores.
    """
    check_choice("part", part, PARTS)
    if resamples < 0:
        raise UsageError(f"resamples: expected 0 or more, found {resamples}")
    shown = progress or Progress()
    references = reference_rows(dataset, split, part, metrics)
    rate = shares(dataset.Y[split.development])
    blind = Blind(
        {NONE: np.zeros(len(rate)), FREQUENCY: rate},
        {row.name: row.metrics for row in references if row.name == CHANCE},
        dataset.labels,
        resamples=resamples,
        seed=seed,
    )
    how: dict[str, Any] = {"part": part, "resamples": resamples, "seed": seed, "blind": blind}
    found = []
    with shown.task("scoring", len(members)) as task:
        for member in members:
            found.append(_scored_row(dataset, split, member, paper=paper, metrics=metrics, **how))
            task.advance()
    ours = [row for row, _, _ in found]
    adjust(row.versus[REFERENCE] for row in ours)
    # resamples are paired where they are of the same images
    keys = [key for _, _, key in found]
    most = max(keys, key=keys.count, default=b"")
    drawn = {
        row.name: (row.metrics["map"], maps)
        for row, maps, key in found
        if key == most and maps is not None
    }
    paired = paired_members(drawn)
    ours = [replace(row, pairs=paired.get(row.name, {})) for row in ours]
    least = 2 * len(members) / (1 + resamples)
    if resamples and least > 0.05:
        of = f"{counted(resamples, 'resample')} of {counted(len(members), 'member')}"
        shown.say(
            f"{of}: Holm's p cannot fall below {least:.2g}; resamples={40 * len(members)} lets it "
            "reach 0.05"
        )
    return [*(paper_rows() if paper else ()), *references, *ours]


def document(
    dataset: str,
    split: str,
    rows: Sequence[Row],
    part: str = "test",
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what ``compare --json`` prints, and what a report holds.

    Args:
        dataset: its name.
        split: its name.
        rows: of the comparison.
        part: ``test`` or ``development``.
        left_out: damaged members, and what is wrong with them.
    """
    facts = [row.facts() for row in rows]
    found = {"dataset": dataset, "split": split, "part": part, "rows": facts}
    return found | {"left_out": dict(left_out or {})}


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


def reference_rows(
    dataset: Dataset, split: Split, part: str = "test", metrics: Sequence[str] = ()
) -> list[Row]:
    """Return what predictors that ignore the image score on the test or development images.

    Always no; chance at the label's own rate (expected values of a predictor that says yes to each
    label at random as often as it is true among the development images); and the label's frequency
    given to every image as its score.
    """
    rows = split.test if part == "test" else split.development
    if not len(rows):
        raise UsageError(
            f"split: expected {part} images, found none in split {split.name!r} of {dataset.name}: "
            "import more images, or use another split"
        )
    truth = dataset.Y[rows]
    rate = shares(dataset.Y[split.development])
    prevalence = shares(truth)
    none = score(truth, np.zeros(truth.shape), labels=dataset.labels)
    scored = none.labels_scored
    frequency = score(truth, np.broadcast_to(rate, truth.shape), labels=dataset.labels)
    # each label by the images of which it is known: the share of these in all cells, times L
    known = (truth >= 0).mean(axis=0)
    weight = known / known.mean() if 0 < known.mean() < 1 else np.ones(len(rate))
    right = weight * (1 - prevalence - rate + 2 * prevalence * rate)
    chance: Metrics = dict.fromkeys(METRICS) | {"accuracy": float(right.mean())}
    defined = prevalence > 0
    if defined.any():
        p, q = prevalence[defined], rate[defined]
        blind = blind_scores(p, q)
        chance |= {
            "macro_precision": blind.macro_precision,
            "macro_recall": blind.macro_recall,
            "macro_f1": float((2 * p * q / (p + q)).mean()),
            "micro_f1": float(
                2
                * (weight[defined] * p * q).sum()
                / ((weight[defined] * p).sum() + (weight * rate).sum())
            ),
            "map": frequency.metrics["map"],
            "auroc": frequency.metrics["auroc"],
        }
    rest: dict[str, Any] = {"images": len(rows), "labels_scored": scored}
    none.metrics.update(further(truth, np.zeros(truth.shape), metrics))
    frequency.metrics.update(further(truth, np.broadcast_to(rate, truth.shape), metrics))
    chance |= dict.fromkeys(metrics)
    return [
        Row(NONE, "reference", _BLIND, none.metrics, per_label=none.per_label, **rest),
        Row(CHANCE, "reference", "expected value", chance, **rest),
        Row(
            FREQUENCY, "reference", _BLIND, frequency.metrics, per_label=frequency.per_label, **rest
        ),
    ]


def member_row(
    dataset: Dataset,
    split: Split,
    member: Member,
    *,
    paper: bool = True,
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
    how: dict[str, Any] = {"resamples": resamples, "seed": seed, "blind": blind}
    return _scored_row(dataset, split, member, paper=paper, part=part, **how)[0]


def further(truth: np.ndarray, scores: np.ndarray, metrics: Sequence[str]) -> Metrics:
    """Return the further metrics that are asked for."""
    return {name: FURTHER[name](truth, scores) for name in metrics}


def _scored_row(
    dataset: Dataset,
    split: Split,
    member: Member,
    *,
    paper: bool,
    part: str,
    resamples: int,
    seed: int,
    blind: Blind | None,
    metrics: Sequence[str] = (),
) -> tuple[Row, np.ndarray | None, bytes]:
    """Return a member's row, its mAP in the resamples, and which images these are of."""
    scored = (held_out if part == "test" else developed)(dataset, split, member)
    truth, scores = scored.truth, scored.scores
    found = score(truth, scores, labels=dataset.labels)
    weighted, drawn = Weighted(truth, scores, binarize(scores)), None
    sure, aps = MetricIntervals({}, {}, ""), {}
    if resamples:
        drawn = weighted.draw(resamples, seed)
        sure = metric_intervals(weighted, drawn, dataset.labels)
        aps = _label_intervals(weighted, drawn, dataset.labels)
    intervals = {key: _listed(pair) for key, pair in sure.ci.items()}
    versus = {PAPER: from_paper(found.metrics, intervals) if paper else {}}
    if blind is not None:
        versus[REFERENCE] = blind.below(scored, found.metrics, drawn)
    row = Row(
        member.name,
        member.kind,
        member.source,
        found.metrics | further(truth, scores, metrics),
        intervals,
        found.per_label,
        len(truth),
        _tuned(dataset, split, member, truth, scores) if part == "test" else None,
        aps,
        versus,
        sure.note,
        {key: each | {"ci": _listed(each["ci"])} for key, each in sure.supported.items()},
        found.labels_scored,
    )
    return row, None if drawn is None else drawn.metrics["map"], scored.rows.tobytes()


def _label_intervals(
    weighted: Weighted, drawn: Draws, labels: Sequence[str]
) -> dict[str, list[float] | None]:
    points = weighted.point().ap[0].tolist()
    each = zip(labels, points, drawn.ap.T, weighted.positives.tolist(), strict=True)
    return {label: _listed(label_interval(*of)) for label, *of in each}


def _listed(pair: tuple[float, float] | None) -> list[float] | None:
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
