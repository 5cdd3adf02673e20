"""Verdicts: from the figures of each check to findings in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.alignment import Alignment
from toolkit.auditing.columns import ColumnSwap
from toolkit.auditing.duplicates import Duplicates, Pair
from toolkit.auditing.findings import Finding, Severity
from toolkit.auditing.groups import GroupAlignment
from toolkit.auditing.label_errors import Suspect
from toolkit.auditing.noise import LabelNoise
from toolkit.auditing.pairing import Explanation
from toolkit.errors import listed

_REMEDIES = {
    "shift": "moved back",
    "number": "moved back",
    "order and shift": "joined by id and moved back",
    "reversed": "turned round",
    "break": "put right from there",
}
_SHOWN = 20


def alignment_findings(found: Alignment | None) -> list[Finding]:
    """Return the verdict on all labels, and notes on single ones; None if none can be tested."""
    if found is None:
        text = "whether labels describe the images cannot be told: no label has enough of both"
        return [Finding("warning", "alignment", text, "add images or labels, then audit again")]
    by_state: dict[str, list[str]] = {}
    for label in found.labels:
        by_state.setdefault(label.state, []).append(label.label)
    figures = f"mean AUROC {found.mean_auroc:.2f}, {p_text(found.p)} against permuted labels"
    describing, tested = by_state.get("describes", []), sum(x.p is not None for x in found.labels)
    verdicts: dict[str, tuple[Severity, str, str]] = {
        "labels describe the images": (
            "passed",
            f"labels describe the images: {len(describing)} of {tested} labels, {figures}",
            "",
        ),
        "labels do not describe the images": (
            "critical",
            f"labels do not describe the images: a probe ranks them like chance ({figures})",
            "train nothing on this data; find out how labels were joined to files",
        ),
        "labels hardly describe the images": (
            "warning",
            f"labels hardly describe the images, though no accident links them ({figures})",
            "look at some images with their labels, and try other features: either these do not "
            "show what the labels mean, or many labels belong to other images",
        ),
        "some labels do not describe the images": (
            "critical",
            f"{len(by_state.get('does not describe', []))} of {tested} labels do not describe the "
            f"images: {listed(by_state.get('does not describe', []))}",
            "check these labels' files or columns; leave them out until they are mended",
        ),
        "cannot be told": (
            "warning",
            f"whether labels describe the images cannot be told: too few positives ({figures})",
            "add images or labels, then audit again",
        ),
    }
    severity, sentence, advice = verdicts[found.verdict]
    findings = [Finding(severity, "alignment", sentence, advice, found.facts(), weight=10)]
    for state, what, then in (
        ("hardly describes", "hardly describe", "is no accident but of little use"),
        ("cannot be told", "have too few positives to tell whether they describe", ""),
    ):
        names = by_state.get(state, [])
        if names and describing:
            text = f"{len(names)} labels {what} the images: {listed(names)}"
            advice = f"the link {then}: look at some of their images" if then else "add positives"
            findings.append(Finding("note", "alignment", text, advice, {"labels": names}))
    return findings


def explanation_findings(found: Explanation | None, pairing: str = "") -> list[Finding]:
    """Return what explains a misalignment; ``pairing`` is how the data set says it was imported."""
    if found is None:
        return []
    remedy = _REMEDIES.get(found.kind, "joined by id")
    advice = "join labels to images by id, never by position, and import again"
    if pairing == "published":
        advice += " with --pairing by-id (this data set was imported with --pairing published)"
    sentence = (
        f"{found.sentence}: {remedy}, mean AUROC {found.auroc_before:.2f} → {found.auroc_after:.2f}"
    )
    return [Finding("critical", "pairing", sentence, advice, found.facts(), weight=9)]


def group_findings(groups: Sequence[GroupAlignment], repeated: Sequence[str]) -> list[Finding]:
    """Return findings on groups of rows whose labels alone are at fault."""
    findings = [
        Finding(
            "critical",
            "alignment",
            f"labels of {group.group} do not describe its images (mean AUROC "
            f"{group.mean_auroc or 0.5:.2f}, elsewhere {group.outside or 0.5:.2f})",
            f"check how the labels of {group.group} were joined to its files",
            vars(group),
            weight=8,
        )
        for group in groups
        if group.misaligned()
    ]
    return findings + [
        Finding(
            "critical",
            "pairing",
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
    return [
        Finding(
            "critical",
            "columns",
            swap.sentence,
            "give these columns back their names there, and check how columns were named",
            swap.facts(),
            weight=7,
        )
        for swap in swaps
    ]


def duplicate_findings(
    found: Duplicates,
    files: Sequence[str],
    labels: Sequence[str],
    Y: npt.NDArray[Any],
    part: npt.NDArray[Any] | None = None,
) -> list[Finding]:
    """Return findings on duplicates, leaks across the parts of a split, and conflicting labels."""
    if not found.pairs:
        return [Finding("passed", "duplicates", "no image is there twice", evidence=found.facts())]
    kinds = Counter(pair.kind for pair in found.pairs)
    counts = f"{kinds['exact']} exact and {kinds['near']} near duplicates"

    def shown(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
        return [
            vars(pair) | {"first": files[pair.first], "second": files[pair.second]}
            for pair in pairs[:_SHOWN]
        ]

    findings = [
        Finding(
            "note",
            "duplicates",
            f"{counts} among {len(files):,} images",
            "look at the pairs; keep one of each, or keep them together in a split",
            found.facts() | {"pairs": shown(found.pairs)},
        )
    ]
    leaks = found.across(part) if part is not None else []
    if leaks:
        rows = {pair.second for pair in leaks} | {pair.first for pair in leaks}
        findings.append(
            Finding(
                "warning",
                "leakage",
                f"{_pairs(len(leaks))} of duplicates in different parts of the split, so "
                f"{len(rows)} images are learned from and tested on at once",
                "run 'toolkit audit --group-duplicates', then give every command --split grouped",
                {"pairs": shown(leaks), "count": len(leaks)},
                weight=len(leaks),
            )
        )
    conflicts = found.conflicting(Y)
    if conflicts:
        differ = Counter(
            labels[j]
            for pair in conflicts
            for j in np.flatnonzero(Y[pair.first] != Y[pair.second]).tolist()
        )
        most = listed([f"{name} {count}" for name, count in differ.most_common()])
        findings.append(
            Finding(
                "warning",
                "conflicting labels",
                f"{_pairs(len(conflicts))} of duplicates with different labels: {most}",
                "decide which of the two is right",
                {"pairs": shown(conflicts), "labels": dict(differ)},
                weight=len(conflicts) / 2,
            )
        )
    return findings


def label_error_findings(
    noise: Sequence[LabelNoise],
    worst: Sequence[Suspect],
    ids: Sequence[str],
    part: npt.NDArray[Any] | None = None,
    names: Sequence[str] = ("train", "validation", "test"),
) -> list[Finding]:
    """Return one finding on label errors: the noise of each label and the likeliest errors."""
    if not noise:
        return []
    missing, wrong = sum(x.missing for x in noise), sum(x.wrong for x in noise)
    noisiest = max(noise, key=lambda label: label.low)
    clean = noisiest.low < 0.005
    head = f"at most about {missing:,.0f} labels are missing and {wrong:,.0f} wrong"
    sentence = (
        f"{head}; the most in {noisiest.label}: {noisiest.rate:.1%} of images "
        f"(95 % interval {noisiest.low:.1%} to {noisiest.high:.1%})"
    )
    listing = [
        {
            "image": ids[suspect.row],
            "label": suspect.label,
            "kind": suspect.kind,
            "probability": suspect.probability,
            "score": suspect.score,
        }
        | ({} if part is None else {"part": names[int(part[suspect.row])]})
        for suspect in worst
    ]
    return [
        Finding(
            "note" if clean else "warning",
            "label errors",
            sentence,
            "look through the likeliest errors, the first first; mend training labels, and test "
            "labels only by a rule that does not look at predictions",
            {"labels": [label.facts() for label in noise], "likeliest": listing},
            weight=missing + wrong,
        )
    ]


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"


def p_text(p: float) -> str:
    """Write a p-value.

    >>> p_text(0.0005), p_text(1e-16)
    ('p = 0.0005', 'p < 1e-15')
    """
    return "p < 1e-15" if p <= 1e-15 else f"p = {p:.2g}"
