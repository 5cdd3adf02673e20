"""Health: files and labels that will spoil a run, and splits that are not alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.audit.findings import Finding
from toolkit.audit.pixels import Survey
from toolkit.audit.probe import Floats
from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.errors import listed
from toolkit.intervals import holm

TINY = 32
LONG = 4.0
COMMON = 0.95
FEWEST_LEARNED = 10
FEWEST_TESTED = 5
DRAWS = 9999
_GREY = ("1", "L", "LA", "I", "I;16", "F")
_SHOWN = 20


def file_health(dataset: Dataset, looks: Survey | None = None) -> list[Finding]:
    """Return findings on the files: unreadable, truncated, tiny, odd-sized, flat, single-channel.

    Args:
        dataset: the data set; sizes and modes are those at import.
        looks: what decoding showed; without it only headers are judged.
    """
    found = []
    problems = {
        row: "its header cannot be read" for row, mode in enumerate(dataset.modes) if not mode
    }
    if looks is not None:
        problems |= {row: text for row, text in enumerate(looks.problem) if text}
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
    if looks is not None:
        decoded = np.array([not text for text in looks.problem])
        found += _rows_finding(
            *(dataset, looks.flat & decoded, "note", "flat", "of one even colour, or nearly"),
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
        found += _drift(Y, names, split)
    bare = int((Y.sum(axis=1) == 0).sum())
    if bare:
        found.append(
            Finding(
                "note",
                "unlabelled",
                f"{_images(bare)} ({bare / len(Y):.1%}) carry no label at all",
                "make sure that no label means none of these labels applies, not that nobody looked",
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
            chosen = {names[j]: int(count[j]) for j in np.flatnonzero(rare)}
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


def drift_p_values(
    Y: npt.ArrayLike, part: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """Return ``(L,)``: p that a label is as frequent in every part, by a Monte Carlo exact test.

    The statistic is Pearson's chi-square over the parts; given its positives and the parts' sizes,
    a label's counts are multivariate hypergeometric, so no cell need be large. NaN for a label with
    one class only.

    Args:
        Y: 0/1 ``(n, L)``.
        part: ``int (n,)``, codes from 0.
        draws: from each label's distribution.
        seed: of the draws.
    """
    labels, codes = np.asarray(Y), np.asarray(part)
    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    codes = np.unique(codes, return_inverse=True)[1]
    random = np.random.default_rng(seed)
    p = np.full(labels.shape[1], np.nan)
    for j in range(labels.shape[1]):
        counts = np.bincount(codes[labels[:, j] == 1], minlength=len(sizes))
        positives = int(counts.sum())
        if not 0 < positives < len(labels) or len(sizes) < 2:
            continue
        expected = positives * sizes / len(labels)
        drawn = random.multivariate_hypergeometric(sizes, positives, draws, method="marginals")
        scaled = expected * (1 - positives / len(labels))
        far = ((counts - expected) ** 2 / scaled).sum()
        reached = (((drawn - expected) ** 2 / scaled).sum(axis=1) >= far - 1e-9).sum()
        p[j] = (1 + reached) / (1 + draws)
    return p


def _drift(Y: npt.NDArray[Any], names: Sequence[str], split: Split) -> list[Finding]:
    p = drift_p_values(Y, split.part)
    adjusted = holm(p)
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    shares = {
        name: {where: float(Y[rows, j].mean()) for where, rows in parts.items() if len(rows)}
        for j, name in enumerate(names)
    }
    drifting = [j for j in range(len(names)) if adjusted[j] <= 0.05]
    evidence = {
        names[j]: {"p": float(p[j]), "p_holm": float(adjusted[j]), **shares[names[j]]}
        for j in range(len(names))
        if not np.isnan(p[j])
    }
    if not drifting:
        text = f"every label is about as frequent in each part of the {split.name} split"
        return [Finding("passed", "prevalence drift", text, evidence={"labels": evidence})]
    first = min(drifting, key=lambda j: adjusted[j])
    share = ", ".join(f"{value:.1%} of {where}" for where, value in shares[names[first]].items())
    return [
        Finding(
            "warning",
            "prevalence drift",
            f"{_labels(len(drifting))} on unlike shares of the parts of the {split.name} split: "
            f"{listed([names[j] for j in drifting])} ({names[first]}: {share}; "
            f"p = {adjusted[first]:.2g} after Holm)",
            "use the stratified split, unless the parts are meant to differ",
            {"labels": evidence},
            weight=len(drifting),
        )
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
    return [names[j] for j in np.flatnonzero(chosen)]


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _labels(count: int) -> str:
    return "1 label is" if count == 1 else f"{count} labels are"
