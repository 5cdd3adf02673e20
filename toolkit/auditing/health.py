"""Health: files and labels that will spoil a run, and splits that are not alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.auditing.drift import drift_findings
from toolkit.auditing.findings import Finding
from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import listed
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
        hashes: what decoding showed; without it only headers are judged.
    """
    found = []
    problems = {
        row: "its header cannot be read" for row, mode in enumerate(dataset.modes) if not mode
    }
    if hashes is not None:
        problems |= {row: text for row, text in enumerate(hashes.problem) if text}
    if problems:
        first = [f"{dataset.files[row]} {text}" for row, text in problems.items()]
        found.append(
            Finding(
                "warning",
                "unreadable",
                f"{_images(len(problems))} cannot be decoded: {listed(first, 3)}",
                "replace or remove these files, or run on without them: they are skipped and named",
                {"images": {dataset.files[r]: t for r, t in list(problems.items())[:_SHOWN]}},
                weight=len(problems),
            )
        )
    width, height = dataset.shapes[:, 0].astype(float), dataset.shapes[:, 1].astype(float)
    known = (width > 0) & (height > 0)
    short, long = np.minimum(width, height), np.maximum(width, height)
    found += _rows_finding(
        *(dataset, known & (short < TINY), "warning", "tiny"),
        f"smaller than {TINY} pixels on a side",
        "look whether they are thumbnails or placeholders; a backbone sees them blown up",
    )
    sizes = Counter(map(tuple, dataset.shapes[known].tolist()))
    (usual, count), *_ = sizes.most_common(1) or [((0, 0), 0)]
    odd = known & (long > LONG * short)
    what = f"more than {LONG:g} times as long as wide, or wide as long"
    if count >= COMMON * known.sum() and len(sizes) > 1:
        odd |= known & ((dataset.shapes != usual).any(axis=1))
        what = f"not {usual[0]} x {usual[1]} like the others"
    found += _rows_finding(
        *(dataset, odd, "note", "odd-sized", what),
        "look at a few: they may come from another source, or be cropped badly",
    )
    if hashes is not None:
        decoded = np.array([not text for text in hashes.problem])
        found += _rows_finding(
            *(dataset, hashes.flat & decoded, "note", "flat", "of one even colour, or nearly"),
            "look whether they are placeholders for images that were not to be had",
        )
    grey = np.array([mode in _GREY for mode in dataset.modes])
    if 0 < grey.sum() < len(grey):
        found += _rows_finding(
            *(dataset, grey, "note", "single-channel", "single-channel"),
            "nothing: they are repeated to three channels when embedded",
        )
    return found


def label_health(dataset: Dataset, split: Split | None = None) -> list[Finding]:
    """Return findings on the labels: empty, full, alike, too rare for the split, drifting."""
    Y, names = dataset.Y, dataset.labels
    positives = Y.sum(axis=0, dtype=np.int64)
    found = []
    for bad, what in ((positives == 0, "no image"), (positives == len(Y), "every image")):
        if bad.any():
            chosen = _named(names, bad)
            found.append(
                Finding(
                    "warning",
                    "one-class label",
                    f"{_labels(len(chosen))} on {what}: {listed(chosen)}",
                    "leave these labels out, or mend their label files: there is nothing to learn",
                    {"labels": chosen},
                )
            )
    found += _alike(Y, names)
    if split is not None:
        found += _too_rare(Y, names, split)
        found += drift_findings(Y, names, split)
    bare = int((Y.sum(axis=1) == 0).sum())
    if bare:
        found.append(
            Finding(
                "note",
                "unlabelled",
                f"{_images(bare)} ({bare / len(Y):.1%}) carry no label at all",
                "make sure that no label means that none applies, not that nobody looked",
                {"images": bare, "share": bare / len(Y)},
            )
        )
    return found


def _too_rare(Y: npt.NDArray[Any], names: Sequence[str], split: Split) -> list[Finding]:
    inside = Y[split.development].sum(axis=0, dtype=np.int64)
    outside = Y[split.test].sum(axis=0, dtype=np.int64)
    found = []
    for count, least, where, why in (
        (inside, FEWEST_LEARNED, "development", "folds can hardly learn from"),
        (outside, FEWEST_TESTED, "test", "no score means much on"),
    ):
        rare = (count < least) & (Y.any(axis=0))
        if rare.any():
            chosen = {names[j]: int(count[j]) for j in np.flatnonzero(rare).tolist()}
            shown = listed([f"{name} {number}" for name, number in chosen.items()])
            found.append(
                Finding(
                    "warning",
                    "rare label",
                    f"{_labels(len(chosen))} on fewer than {least} {where} images, which {why}: "
                    f"{shown}",
                    "use the stratified split, add positives, or leave these labels out of means",
                    {"part": where, "positives": chosen},
                )
            )
    return found


def _alike(Y: npt.NDArray[Any], names: Sequence[str]) -> list[Finding]:
    groups: dict[bytes, list[str]] = {}
    for j, name in enumerate(names):
        if Y[:, j].any():
            groups.setdefault(np.packbits(Y[:, j]).tobytes(), []).append(name)
    return [
        Finding(
            "warning",
            "identical labels",
            f"the labels {listed(same)} are on exactly the same images",
            "check whether one label file was copied over another",
            {"labels": same},
        )
        for same in groups.values()
        if len(same) > 1
    ]


def _rows_finding(
    dataset: Dataset,
    chosen: npt.NDArray[np.bool_],
    severity: Any,
    kind: str,
    what: str,
    advice: str,
) -> list[Finding]:
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return []
    files = [dataset.files[row] for row in rows]
    sentence = f"{_images(len(rows))} ({len(rows) / len(dataset):.1%}) are {what}"
    evidence = {"images": files[:_SHOWN], "count": len(rows)}
    return [Finding(severity, kind, f"{sentence}: {listed(files, 3)}", advice, evidence)]


def _named(names: Sequence[str], chosen: npt.NDArray[np.bool_]) -> list[str]:
    return [names[j] for j in np.flatnonzero(chosen).tolist()]


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _labels(count: int) -> str:
    return "1 label is" if count == 1 else f"{count} labels are"
