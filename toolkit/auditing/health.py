"""Health: files and labels that will spoil a run, and splits that are not alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.drift import UNBALANCED, drift_findings
from toolkit.auditing.findings import Finding, Severity, counted
from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import listed, listed_labels
from toolkit.images.hashes import ImageHashes

TINY = 32
LONG = 4.0
COMMON = 0.95
FEWEST_LEARNED = 10
FEWEST_TESTED = 5
_GREY = ("1", "L", "LA", "I", "I;16", "F")
_SHOWN = 20


def file_health(dataset: Dataset, hashes: ImageHashes | None = None) -> list[Finding]:
    """Return findings on the files: unreadable, truncated, tiny, odd-sized, flat, single-channel.

    Args:
        dataset: the data set; sizes and modes are those at import.
        hashes: what decoding showed; without it only headers are examined.
    """
    problems = {
        row: "its header cannot be read" for row, mode in enumerate(dataset.modes) if not mode
    }
    if hashes is not None:
        problems |= {row: text for row, text in enumerate(hashes.problem) if text}
    found = []
    if problems:
        first = [f"{dataset.files[row]} {text}" for row, text in problems.items()]
        found.append(
            Finding(
                *("warning", "unreadable"),
                f"{counted(len(problems), 'image')} cannot be decoded: {listed(first, 3)}",
                "replace or remove these files, or run on without them: they are skipped and named",
                {"images": {dataset.files[r]: t for r, t in list(problems.items())[:_SHOWN]}},
                weight=len(problems),
            )
        )
    width, height = dataset.shapes[:, 0].astype(float), dataset.shapes[:, 1].astype(float)
    known = (width > 0) & (height > 0)
    short, long = np.minimum(width, height), np.maximum(width, height)
    sizes = Counter(map(tuple, dataset.shapes[known].tolist()))
    (usual, count), *_ = sizes.most_common(1) or [((0, 0), 0)]
    odd = known & (long > LONG * short)
    unlike = f"more than {LONG:g} times as long as wide, or wide as long"
    if count >= COMMON * known.sum() and len(sizes) > 1:
        odd |= known & ((dataset.shapes != usual).any(axis=1))
        unlike = f"not {usual[0]} x {usual[1]} like the others"
    flat, grey = np.zeros(len(dataset), bool), np.isin(dataset.modes, _GREY)
    if hashes is not None:
        flat = hashes.flat & (np.array(hashes.problem) == "")
    checks: list[tuple[Severity, str, npt.NDArray[np.bool_], str, str]] = [
        ("warning", "tiny", known & (short < TINY), f"smaller than {TINY} pixels on a side",
         "look whether they are thumbnails or placeholders; a backbone sees them blown up"),
        ("note", "odd-sized", odd, unlike,
         "look at a few: they may come from another source, or be cropped badly"),
        ("note", "flat", flat, "of one even colour, or nearly",
         "look whether they are placeholders for images that were not to be had"),
        ("note", "single-channel", grey & ~grey.all(), "single-channel",
         "nothing: they are repeated to three channels when embedded"),
    ]  # fmt: skip
    for severity, kind, chosen, what, advice in checks:
        files = [dataset.files[row] for row in np.flatnonzero(chosen)]
        if files:
            evidence = {"images": files[:_SHOWN], "count": len(files)}
            text = f"{counted(len(files), 'image')} ({len(files) / len(grey):.1%}) are {what}: "
            found.append(Finding(severity, kind, text + listed(files, 3), advice, evidence))
    return found


def label_health(dataset: Dataset, split: Split) -> list[Finding]:
    """Return findings on the labels: unknown, empty, full, alike, too rare, drifting."""
    Y, names = dataset.Y, dataset.labels
    positives, known = (Y == 1).sum(axis=0), (Y >= 0).sum(axis=0)
    found, partly = _unknown(dataset), known < len(Y)
    one = [(positives == 0, "no image"), (positives == len(Y), "every image")]
    one = [(bad & ~partly, what) for bad, what in one]
    for bad, what in ((positives == 0, "no image"), (positives == known, "every image")):
        one.append((bad & partly & (known > 0), f"{what} where it is known"))
    for bad, what in one:
        chosen = [names[j] for j in np.flatnonzero(bad)]
        if chosen:
            text = f"{counted(len(chosen), 'label is', 'labels are')} on {what}: "
            text += listed_labels(chosen)
            advice = "leave these labels out, or correct their files: there is nothing to learn"
            found.append(Finding("warning", "one-class label", text, advice, {"labels": chosen}))
    alike: dict[bytes, list[str]] = {}
    for j in np.flatnonzero(positives).tolist():
        column = np.concatenate([Y[:, j] == 1, Y[:, j] < 0])
        alike.setdefault(np.packbits(column).tobytes(), []).append(names[j])
    for same in alike.values():
        if len(same) > 1:
            text = f"the labels {listed_labels(same)} are on exactly the same images"
            advice = "check whether one label file was copied over another"
            found.append(Finding("warning", "identical labels", text, advice, {"labels": same}))
    found += _too_rare(Y, names, split) + drift_findings(Y, names, split)
    bare = int((Y == 0).all(axis=1).sum())
    if bare:
        text = f"{counted(bare, 'image')} ({bare / len(Y):.1%}) carry no label at all"
        advice = "make sure that no label means that none applies, not that nobody looked"
        evidence = {"images": bare, "share": bare / len(Y)}
        found.append(Finding("note", "unlabelled", text, advice, evidence))
    return found


def _unknown(dataset: Dataset) -> list[Finding]:
    """Return what nobody looked at: share of each label, and images of which nothing is known."""
    unknown, names = dataset.unknown, dataset.labels
    if not unknown.any():
        return []
    order = np.argsort(-unknown, kind="stable")
    shown = listed_labels([f"{names[j]} {unknown[j]:.1%}" for j in order if unknown[j]])
    text = f"{unknown.mean():.1%} of the labels' cells are unknown, and left out: {shown}"
    nothing = int((dataset.Y < 0).all(axis=1).sum())
    if nothing:
        text += f"; of {counted(nothing, 'image')} no label is known"
    never = [names[j] for j in np.flatnonzero(unknown == 1)]
    advice = "remember that every other finding is about the images where a label is known"
    if never:
        text += f"; known for no image: {listed_labels(never)}"
        advice += "; leave out the labels that are known for none"
    evidence = {
        "share": float(unknown.mean()),
        "images": nothing,
        "labels": dict(zip(names, unknown.tolist(), strict=True)),
    }
    return [Finding("note", "unknown labels", text, advice, evidence, weight=0.5)]


def _too_rare(Y: npt.NDArray[Any], names: Sequence[str], split: Split) -> list[Finding]:
    found = []
    advice = "add positives, or leave these labels out of means"
    if split.name in UNBALANCED:
        advice = f"use the stratified split, {advice}"
    for rows, least, where, why in (
        (split.development, FEWEST_LEARNED, "development", "folds can hardly learn from"),
        (split.test, FEWEST_TESTED, "test", "no score means much on"),
    ):
        count = (Y[rows] == 1).sum(axis=0)
        rare = np.flatnonzero((count < least) & (Y == 1).any(axis=0)).tolist()
        if rare:
            chosen = {names[j]: int(count[j]) for j in rare}
            shown = listed_labels([f"{name} ({number})" for name, number in chosen.items()])
            text = (
                f"{counted(len(rare), 'label is', 'labels are')} on fewer than {least} {where} "
                f"images, which {why}: {shown}"
            )
            evidence = {"part": where, "positives": chosen}
            found.append(Finding("warning", "rare label", text, advice, evidence))
    return found
