"""Verdicts: from the figures of each check to findings in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import NO_LINK, NOT_AT_ALL, WEAKLY, Alignment
from toolkit.auditing.columns import ColumnSwap
from toolkit.auditing.duplicates import Duplicates, Pair, unlike
from toolkit.auditing.findings import Finding, Severity, counted, p_text
from toolkit.auditing.groups import GroupAlignment
from toolkit.auditing.label_errors import LabelNoise, Suspect
from toolkit.auditing.pairing import Explanation
from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import listed, listed_labels

_REMEDIES = {
    "shift": "moved back",
    "number": "moved back",
    "order and shift": "joined by id and moved back",
    "reversed": "turned round",
    "break": "corrected from there on",
}
_SHOWN = 20
_NAMED = 3
PART_NAMES = ("train", "validation", "test")


def alignment_findings(found: Alignment | None) -> list[Finding]:
    """Return the verdict on all labels, and notes on single ones; None if none can be tested.

    That some labels do not describe is critical where no useful link of one of them fits its
    interval, and a warning where a weak one does.
    """
    again = "add images or labels, then audit again"
    if found is None:
        text = "whether labels describe the images cannot be told: no label has enough of both"
        return [Finding("warning", "alignment", text, again)]
    names: dict[str, list[str]] = {}
    for label in found.labels:
        names.setdefault(label.state, []).append(label.label)
    describing, bad = (names.get(state, []) for state in ("describes", "does not describe"))
    tested = sum(label.p is not None for label in found.labels)
    sure = any(
        label.state == "does not describe" and (label.auroc_high or 1) < NO_LINK
        for label in found.labels
    )
    text = (
        f"mean AUROC {found.mean_auroc:.2f}; by precision {found.pooled_auroc:.2f}, 95 % interval "
        f"{found.low:.2f} to {found.high:.2f}; {p_text(found.p)} against permuted labels"
    )
    other = "try other features: another backbone, or several joined"
    verdicts: dict[str, tuple[Severity, str, str]] = {
        "labels describe the images": (
            "passed", f"{found.verdict}: {len(describing)} of {tested} labels ({text})", ""
        ),
        NOT_AT_ALL: (
            "critical", f"{found.verdict}: a linear probe ranks them like chance ({text})",
            "train nothing on this data; find out how labels were joined to files",
        ),
        WEAKLY: (
            "warning", f"{found.verdict}, though no accident links them ({text})",
            f"{other}; and look at some images with their labels: either these features hardly "
            "show what the labels mean, or many labels belong to other images",
        ),
        "some labels do not describe the images": (
            "critical" if sure else "warning", f"{found.verdict}: {listed_labels(bad)} "
            f"({len(bad)} of {tested})",
            "check these labels' files or columns; leave them out until they are "
            f"corrected. If their files are right, {other}",
        ),
    }  # fmt: skip
    unknown = f"whether labels describe the images cannot be told ({text})"
    if found.linked:
        unknown = f"labels are linked to the images, but how well cannot be told ({text})"
    default: tuple[Severity, str, str] = ("warning", unknown, f"{again}, or {other}")
    severity, sentence, advice = verdicts.get(found.verdict, default)
    figures = (
        f"mean correlation {found.statistic:.3f}, {found.z:.1f} standard deviations from the mean "
        f"of {found.permutations:,} permutations"
    )
    findings = [Finding(severity, "alignment", sentence, advice, found.facts(), figures, weight=10)]
    for state, what, advice in (
        ("describes weakly", "hardly describe", "look at some of their images: the link is weak"),
        ("cannot be told", "have too few positives to tell whether they describe", "add positives"),
    ):
        if describing and state in names:
            chosen = names[state]
            text = f"{counted(len(chosen), 'label')} {what} the images: {listed_labels(chosen)}"
            findings.append(Finding("note", "alignment", text, advice, {"labels": chosen}))
    return findings


def explanation_findings(found: Explanation | None, pairing: str = "") -> list[Finding]:
    """Return what explains a misalignment; ``pairing`` is how the data set says it was imported."""
    if found is None:
        return []
    remedy = _REMEDIES.get(found.kind, "joined by id")
    advice = "join labels to images by id, never by position, and import again"
    if pairing == "published":
        advice += " with --pairing by-id (this data set was imported with --pairing published)"
    gain = f"mean AUROC {found.auroc_before:.2f} → {found.auroc_after:.2f}"
    figures = f"{p_text(found.p)}, corrected for the {found.searched:,} pairings that were searched"
    sentence = f"{found.sentence}: {remedy}, {gain}"
    return [Finding("critical", "pairing", sentence, advice, found.facts(), figures, weight=9)]


def group_findings(groups: Sequence[GroupAlignment], repeated: Sequence[str]) -> list[Finding]:
    """Return findings on groups of rows whose labels alone are at fault."""
    return [
        Finding(
            *("critical", "alignment"),
            f"labels of {group.group} do not describe its images (mean AUROC "
            f"{group.mean_auroc or 0.5:.2f}, elsewhere {group.outside or 0.5:.2f})",
            f"check how the labels of {group.group} were joined to its files",
            vars(group),
            f"{counted(group.rows, 'image')}; {p_text(group.p)} of labels dealt at random there, "
            f"{p_text(group.p_worse)} of being no worse than elsewhere",
            weight=8,
        )
        for group in groups
        if group.misaligned
    ] + [
        Finding(
            *("critical", "pairing"),
            f"labels of {name} repeat those of the first images: the list was started again, and "
            f"{name}'s own labels are not in this data set",
            "read the label file through once, over all parts, and import again",
            {"group": name},
            weight=8,
        )
        for name in repeated
    ]


def column_findings(swaps: Sequence[ColumnSwap]) -> list[Finding]:
    """Return findings on swapped columns."""
    advice = "give these columns back their names there, and check how columns were named"
    return [
        Finding(
            *("critical", "columns", swap.sentence, advice, swap.facts()),
            f"{p_text(swap.p)}, " + listed([
                f"AUROC of {name} {before:.2f} → {swap.auroc_after[name]:.2f}"
                for name, before in swap.auroc_before.items()
            ]),
            weight=7,
        )
        for swap in swaps
    ]  # fmt: skip


def duplicate_findings(found: Duplicates, dataset: Dataset, split: Split) -> list[Finding]:
    """Return findings on duplicates, leaks across the parts of a split, and conflicting labels."""
    if not found.pairs:
        return [Finding("passed", "duplicates", "no image is there twice", evidence=found.facts())]
    kinds = Counter(pair.kind for pair in found.pairs)
    findings = [
        Finding(
            *("note", "duplicates"),
            f"{kinds['exact']} exact and {kinds['near']} near duplicates among {len(dataset):,} "
            "images",
            "look at the pairs; keep one of each, or keep them together in a split",
            found.facts() | _shown(found.pairs, dataset),
            _named(found.pairs, dataset),
        )
    ]
    leaks, conflicts = found.across(split.part), found.conflicting(dataset.Y)
    if leaks:
        rows = {row for pair in leaks for row in (pair.first, pair.second)}
        findings.append(
            Finding(
                *("warning", "leakage"),
                f"{counted(len(leaks), 'pair')} of duplicates in different parts of the split, so "
                f"{len(rows)} images are learned from and tested on at once",
                "run 'toolkit audit --group-duplicates', then give every command --split grouped",
                _shown(leaks, dataset) | {"count": len(leaks)},
                _named(leaks, dataset),
                weight=len(leaks),
            )
        )
    if conflicts:
        Y, labels = dataset.Y, dataset.labels
        columns = [np.flatnonzero(unlike(Y[pair.first], Y[pair.second])) for pair in conflicts]
        differ = Counter(labels[j] for those in columns for j in those.tolist())
        most = listed_labels([f"{name} ({count})" for name, count in differ.most_common()])
        findings.append(
            Finding(
                *("warning", "conflicting labels"),
                f"{counted(len(conflicts), 'pair')} of duplicates with different labels: {most}",
                "decide which of the two is right",
                _shown(conflicts, dataset) | {"labels": dict(differ)},
                _named(conflicts, dataset),
                weight=len(conflicts) / 2,
            )
        )
    return findings


def _shown(pairs: Sequence[Pair], dataset: Dataset) -> dict[str, Any]:
    files = dataset.files
    shown = [
        vars(pair) | {"first": files[pair.first], "second": files[pair.second]}
        for pair in pairs[:_SHOWN]
    ]
    return {"pairs": shown}


def _named(pairs: Sequence[Pair], dataset: Dataset) -> str:
    texts = [
        f"{dataset.files[pair.first]} and {dataset.files[pair.second]} ({pair.likeness})"
        for pair in pairs
    ]
    return listed(texts, _NAMED)


def label_error_findings(
    noise: Sequence[LabelNoise],
    suspects: Sequence[Suspect],
    by_label: Sequence[Suspect],
    *,
    ids: Sequence[str],
    part: npt.NDArray[Any],
    partly: bool = False,
) -> list[Finding]:
    """Return one finding: the likeliest errors, and how many there are at most where that is known.

    Args:
        noise: of the labels that can be bounded.
        suspects: the likeliest errors.
        by_label: the likeliest of each label that was looked through.
        ids: of the rows.
        part: of the split, ``int (n,)``.
        partly: whether labels are unknown on some images, of which then nothing is said.
    """
    labels = {each.label for each in by_label}
    sentence = f"how many of {counted(len(labels), 'label')} are wrong cannot be told"
    if noise:
        worst = max(noise, key=lambda each: each.share)
        sentence = (
            f"{worst.label} is missing or wrong on at most {worst.share:.1%} of images"
            f"{' where it is known' if partly else ''}, with 95 % confidence if errors fall on any "
            "image alike"
        )
        if len(noise) > 1:
            sentence += f", and each of {len(noise) - 1} other labels on fewer"
    listing = [
        {"image": ids[each.row], "part": PART_NAMES[int(part[each.row])]}
        | {key: value for key, value in vars(each).items() if key != "row"}
        for each in suspects
    ]
    return [
        Finding(
            *("note", "label errors"),
            f"{sentence}; {counted(len(suspects), 'likeliest error')} listed",
            "look through the likeliest errors, the first first; correct training labels, and test "
            "labels only by a rule that does not look at predictions",
            {"labels": [label.facts() for label in noise], "likeliest": listing},
            listed([f"{ids[x.row]} {x.kind} {x.label}" for x in suspects], _NAMED),
            weight=len(suspects),
        )
    ]
