"""Slices: how a member does on parts of the test images, and which labels it confuses.

Slices share nothing but the member, and there are many: of twenty 95 % intervals one is expected
to leave out its true value, so a single odd slice proves little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.members.held_out import Scored
from toolkit.statistics.metrics import binarize

_LEAST = 10  # images of a slice
_SIDES = (480, 1024)  # pixels of the longer side
_COLUMNS, _VALUES = 10, 8  # of metadata, and of one of them
_GREY = ("1", "L", "LA", "I", "I;16", "F")


@dataclass(frozen=True)
class Slice:
    """A part of the images.

    Attributes:
        kind: what it is cut by.
        name: which part.
        images: how many.
        micro_f1: F1 of all labels' decisions pooled; None without any positive.
        low: of its 95 % interval.
        high: of its 95 % interval.
        accuracy: share of right decisions.
    """

    kind: str
    name: str
    images: int
    micro_f1: float | None
    low: float | None
    high: float | None
    accuracy: float


def slices(
    dataset: Dataset,
    scored: Scored,
    thresholds: np.ndarray,
    *,
    brightness: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Slice]:
    """Return each slice of ten images or more, all images first.

    Args:
        dataset: tells sizes, colour and metadata.
        scored: images with scores.
        thresholds: ``(L,)``.
        brightness: ``(n,)`` of the scored images, of [0, 1]; NaN where it is not known.
        resamples: of a slice's images, for its interval; 0 for none.
        seed: of the resamples.
    """
    decided = np.asarray(binarize(scored.scores, thresholds)) == 1
    yes, no = scored.truth == 1, scored.truth == 0
    # of each image: right positives, positives and predicted positives, right and known decisions
    counts = np.stack(
        [
            (yes & decided).sum(axis=1),
            yes.sum(axis=1) + ((yes | no) & decided).sum(axis=1),
            (yes & decided).sum(axis=1) + (no & ~decided).sum(axis=1),
            (yes | no).sum(axis=1),
        ],
        axis=1,
    ).astype(np.float64)
    found: list[Slice] = []
    for kind, name, here in _parts(dataset, scored, brightness):
        part, n = counts[here], int(here.sum())
        # a part that is all of them is none
        if n < _LEAST or (n == len(counts) and found):
            continue
        total = part.sum(axis=0)
        low = high = None
        if resamples and total[1]:
            rng = np.random.default_rng(seed)
            drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples) @ part[:, :2]
            values = 2 * drawn[:, 0] / np.maximum(drawn[:, 1], 1)
            low, high = np.quantile(values, [0.025, 0.975]).tolist()
        f1 = 2 * total[0] / total[1] if total[1] else None
        found.append(Slice(kind, name, n, f1, low, high, total[2] / max(total[3], 1.0)))
    return found


def _parts(
    dataset: Dataset, scored: Scored, brightness: np.ndarray | None
) -> Iterator[tuple[str, str, np.ndarray]]:
    rows = scored.rows
    yield "all", "all images", np.ones(len(rows), bool)
    labels = (scored.truth == 1).sum(axis=1)
    for count, name in enumerate(("none", "one", "two")):
        yield "number of labels", name, labels == count
    yield "number of labels", "three or more", labels >= 3
    modes = np.array([dataset.modes[row] for row in rows])
    yield "colour", "grey", np.isin(modes, _GREY)
    yield "colour", "in colour", ~np.isin(modes, (*_GREY, ""))
    if brightness is not None and np.isfinite(brightness).any():
        yield from _in_thirds("brightness", brightness, ("dark", "middling", "bright"), ".2f")
    side = dataset.shapes[rows].max(axis=1)
    small, large = _SIDES
    yield "longer side", f"below {small} pixels", side < small
    yield "longer side", f"{small} to {large - 1} pixels", (side >= small) & (side < large)
    yield "longer side", f"{large} pixels or more", side >= large
    # copies of one file in the data set, in whatever part
    _, place, times = np.unique(dataset.digests, axis=0, return_inverse=True, return_counts=True)
    yield "copies", "there more than once", times[place.ravel()[rows]] > 1
    for name, cells in list(dataset.metadata.items())[:_COLUMNS]:
        yield from _by_metadata(name, [cells[row] for row in rows])


def _by_metadata(name: str, cells: Sequence[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Cut images by a column of metadata: numbers in thirds, else its commonest values."""
    texts = np.array(cells, dtype=object)
    given = texts != ""
    values = _numbers(texts[given])
    if values is not None and len(np.unique(values)) > _VALUES:
        numbers = np.full(len(texts), np.nan)
        numbers[given] = values
        yield from _in_thirds(name, numbers)
    else:
        for value, _ in Counter(texts[given].tolist()).most_common(_VALUES):
            yield name, value, texts == value
    yield name, "not given", ~given


def _in_thirds(
    kind: str, numbers: np.ndarray, words: Sequence[str] = ("", "", ""), form: str = "g"
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Cut images by numbers, at values that are there; NaN is in no part."""
    known = numbers[np.isfinite(numbers)]
    low, high = np.quantile(known, [1 / 3, 2 / 3], method="inverted_cdf").tolist()
    names = f"below {low:{form}}", f"{low:{form}} to {high:{form}}", f"above {high:{form}}"
    within = numbers < low, (numbers >= low) & (numbers <= high), numbers > high
    for word, name, here in zip(words, names, within, strict=True):
        yield kind, f"{word}, {name}" if word else name, here


def _numbers(texts: np.ndarray) -> np.ndarray | None:
    try:
        values = texts.astype(np.float64)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


@dataclass(frozen=True)
class Confusion:
    """A label that is predicted where another one is missed.

    Attributes:
        missed: the label that is carried and not predicted.
        predicted: the label that is predicted and not carried.
        images: in how many images both happen.
        of: in how many the first is missed and the second not carried.
        elsewhere: share of the other images without the second label that it is predicted in.
    """

    missed: str
    predicted: str
    images: int
    of: int
    elsewhere: float

    @property
    def share(self) -> float:
        """Share of these images in which the second label is predicted."""
        return self.images / self.of

    @property
    def lift(self) -> float | None:
        """How many times as often as elsewhere; None where it is never predicted elsewhere."""
        return self.share / self.elsewhere if self.elsewhere else None


def confusions(
    dataset: Dataset, scored: Scored, thresholds: np.ndarray, most: int = 20
) -> list[Confusion]:
    """Return pairs of labels of which one is predicted where the other is missed.

    Those that are likelier there than elsewhere, the most frequent first; of two images or more.

    Args:
        dataset: names the labels.
        scored: images with scores.
        thresholds: ``(L,)``.
        most: how many pairs.
    """
    decided = np.asarray(binarize(scored.scores, thresholds)) == 1
    yes, no = scored.truth == 1, scored.truth == 0
    missed, alarm, without = (
        each.astype(np.float32) for each in (yes & ~decided, no & decided, no)
    )
    both, of = missed.T @ alarm, missed.T @ without
    rest = np.maximum(without.sum(axis=0) - of, 1)
    elsewhere = (alarm.sum(axis=0) - both) / rest
    share = both / np.maximum(of, 1)
    likely = np.where((both >= 2) & (share > elsewhere), both, 0)
    order = np.argsort(-likely.ravel(), kind="stable")[:most]
    places = np.stack(np.unravel_index(order, both.shape), axis=1).tolist()
    return [
        Confusion(
            dataset.labels[a], dataset.labels[b], int(both[a, b]), int(of[a, b]),
            float(elsewhere[a, b]),
        )
        for a, b in places
        if likely[a, b]
    ]  # fmt: skip


def lifts(dataset: Dataset, most: int = 20) -> list[tuple[str, str, int, float]]:
    """Return pairs of labels, in how many images they stand together, and their lift.

    Lift is how many times as often as if they had nothing to do with each other. The pairs are
    those of five images or more that are farthest from 1 either way, as a ratio. Time and memory
    grow with the square of the labels, since every pair is looked at.

    Args:
        dataset: with labels.
        most: how many pairs.
    """
    yes = (dataset.Y == 1).astype(np.float32)
    known = (dataset.Y >= 0).astype(np.float32)
    both, rows = yes.T @ yes, np.maximum(known.T @ known, 1)
    expected = (yes.T @ known) * (known.T @ yes) / rows
    lift = both / np.maximum(expected, 1e-9)
    # a pair that is never there counts where five were to be expected
    enough = np.triu(np.maximum(both, expected) >= 5, 1)
    far = np.where(enough, np.abs(np.log((both + 0.5) / (expected + 0.5))), 0)
    order = np.argsort(-far.ravel(), kind="stable")[:most]
    places = np.stack(np.unravel_index(order, far.shape), axis=1).tolist()
    return [
        (dataset.labels[a], dataset.labels[b], int(both[a, b]), float(lift[a, b]))
        for a, b in places
        if far[a, b]
    ]
