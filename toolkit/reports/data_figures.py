"""Figures of the data and of training: labels, the parts of a split, pairs of labels, epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.reports.drawing import (
    COLOURS,
    INK,
    SOFT,
    Picture,
    both_ends,
    brief,
    drawn,
    line_style,
    markup,
    most_frequent,
    width_of,
)
from toolkit.statistics.arrays import known_shares

LINES, CELLS = 60, 40
WIDTH = 5.2


def label_distribution(dataset: Dataset) -> Picture:
    """Positives of each label (the paper's first figure), and how much of it is unknown."""
    counts, unknown = (dataset.Y == 1).sum(axis=0), dataset.unknown
    order, rest = both_ends(counts.astype(np.float64), LINES)
    said = [f"{counts[at]:,}" + _unknown(unknown[at]) for at in order]
    alt = "Positives of each label: " + ", ".join(
        f"{dataset.labels[at]} {text}" for at, text in zip(order, said, strict=True)
    )
    with label_lines([dataset.labels[at] for at in order]) as (figure, axes, place):
        bars = axes.barh(place, counts[order], color=COLOURS[0])
        axes.bar_label(bars, said, padding=3, fontsize=8)
        axes.set_xlabel(f"positives among {len(dataset):,} images")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.margins(x=0.4 if unknown.any() else 0.14)
        svg = markup(figure, "labels", alt)
    none = int((dataset.Y == 0).all(axis=1).sum())
    caption = f"{none:,} images carry no label at all; an image can carry several."
    if unknown.any():
        caption += (
            f" {unknown.mean():.1%} of the labels' cells are unknown, in brackets the share of "
            "each label's; they count nowhere on this page."
        )
    return Picture("Label distribution", caption + rest, svg)


def distribution_by_split(dataset: Dataset, split: Split) -> Picture:
    """Share of positives in each part of the split (the paper's second figure)."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    shares = {
        name: 100 * known_shares(dataset.Y[rows]) for name, rows in parts.items() if len(rows)
    }
    order, rest = both_ends((dataset.Y == 1).sum(axis=0).astype(np.float64), LINES)
    alt = f"Share of positives in {', '.join(shares)}: " + "; ".join(
        f"{dataset.labels[at]} " + ", ".join(_percent(each[at]) for each in shares.values())
        for at in order
    )
    with label_lines([dataset.labels[at] for at in order]) as (figure, axes, place):
        for number, (name, share) in enumerate(shares.items()):
            style: Any = {"color": COLOURS[number], "marker": "osD"[number], "alpha": 0.8, "ms": 5}
            label = f"{name} ({len(parts[name]):,})"
            axes.plot(share[order], place, linestyle="none", label=label, **style)
        partly = bool((dataset.Y < 0).any())
        axes.set_xlabel("images with the label, %" + (" of those where it is known" * partly))
        axes.set_xlim(left=0)
        figure.legend(loc="outside upper left", ncols=3, fontsize=8)
        svg = markup(figure, "parts", alt)
    caption = f"Split {split.name!r}. Nothing was learned or tuned on test images."
    return Picture("Distribution by split", caption + rest, svg)


def co_occurrence(dataset: Dataset) -> Picture:
    """How often images with one label carry another that is known of them, in percent."""
    if len(dataset.labels) < 2:
        return Picture("Labels that go together", "Left out: there is one label.")
    order, rest = most_frequent((dataset.Y == 1).sum(axis=0), CELLS)
    order = np.sort(order)
    names = [dataset.labels[at] for at in order]
    together, both = known_together(dataset.Y[:, order])
    partly = bool((dataset.Y < 0).any())
    share = 100 * together / np.maximum(both, 1)
    if partly:  # of no image with the one is the other known
        share[both == 0] = np.nan
    np.fill_diagonal(share, np.nan)
    pairs = [
        (value, names[a], names[b])
        for (a, b), value in np.ndenumerate(share)
        if a != b and both[a, b] > 0
    ]
    alt = "Labels that go together most: " + ", ".join(
        f"of images with {a}, {value:.0f} % carry {b}"
        for value, a, b in sorted(pairs, reverse=True)[:5]
    )
    svg = heat_map(share, names, names, "together", alt, "%", 0, 100)
    caption = "Of the images that carry the row's label, the percentage that carry the column's."
    if partly:
        caption = (
            "Of the images that carry the row's label and of which the column's is known, the "
            "percentage that carry it; empty where there are none."
        )
    return Picture("Labels that go together", caption + rest, svg)


def known_together(Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return in how many images two labels are, and in how many the first is, the second known.

    Args:
        Y: ``int8 (n, L)``, -1 for unknown.

    Returns:
        Each ``float64 (L, L)``.
    """
    yes, known = ((Y == 1).astype(np.float64), (Y >= 0).astype(np.float64))
    return yes.T @ yes, yes.T @ known


def _unknown(share: float) -> str:
    return f" ({100 * share:.0f} % unknown)" if share else ""


def _percent(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{value:.1f} %"


@contextmanager
def label_lines(labels: Sequence[str]) -> Iterator[Any]:
    """Yield a figure with a line for each label, the first on top: figure, axes, their places."""
    with drawn(WIDTH, 0.9 + 0.2 * len(labels)) as (figure, axes):
        place = np.arange(len(labels))
        axes.set_yticks(place, [brief(label, 30) for label in labels])
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        yield figure, axes, place


def heat_map(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    name: str,
    alt: str,
    unit: str,
    low: float,
    high: float,
    digits: int = 0,
) -> str:
    """Draw ``values`` (rows, columns), NaN left empty, each with its figure where there is room."""
    from matplotlib.colors import LinearSegmentedColormap

    blue = [int(COLOURS[0][at : at + 2], 16) / 255 for at in (1, 3, 5)]
    # from clear to blue, so that little is little on a light page and on a dark one
    shades = LinearSegmentedColormap.from_list("shades", [(*blue, 0.0), (*blue, 1.0)])
    rows, columns = [brief(each, 40) for each in rows], [brief(each, 24) for each in columns]
    written = values.size <= 600
    wide, tall = (0.36, 0.28) if written else (0.2, 0.2)
    longest = max(map(width_of, rows)), max(map(width_of, columns))
    # slanted names of columns reach as far to the left as they do down
    slanted = 0.055 * longest[1]
    sides = max(0.4 + 0.075 * longest[0], 0.3 + slanted), 0.3 + slanted
    width = sides[0] + wide * len(columns) + (0 if written else 0.8)
    with drawn(max(3.0, width), sides[1] + tall * len(rows)) as (figure, axes):
        mesh = axes.pcolormesh(
            np.ma.masked_invalid(values),
            cmap=shades, vmin=low, vmax=high, edgecolors=SOFT, linewidth=0.4,
        )  # fmt: skip
        slant: Any = {"rotation": 45, "ha": "right"} if max(map(len, columns)) > 2 else {}
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, **slant)
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        if not written:
            figure.colorbar(mesh, ax=axes, label=unit, shrink=0.8)
            return markup(figure, name, alt)
        middle: Any = {"ha": "center", "va": "center", "fontsize": 7}
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                full = (value - low) / max(high - low, 1e-12) > 0.75
                text = f"{value:.{digits}f}"
                colour = "#ffffff" if full else INK
                axes.text(column + 0.5, row + 0.5, text, color=colour, **middle)
        return markup(figure, name, alt)


def epoch_figures(
    journals: dict[str, list[dict[str, float]]], always_no: float | None
) -> list[Picture]:
    """Loss and validation accuracy by epoch (the paper's third and fourth figures).

    Args:
        journals: name of a training run to its lines.
        always_no: accuracy of a predictor that always says no, on the validation images.
    """
    titles = ("Loss by epoch", "Validation accuracy by epoch")
    if not journals:
        why = "Left out: no member here was trained in epochs; toolkit finetune makes such members."
        return [Picture(title, why) for title in titles]
    left_out = max(0, len(journals) - len(COLOURS))
    journals = dict(list(journals.items())[: len(COLOURS)])
    more = f" {left_out} further runs are not drawn." if left_out else ""
    keys = ("train_loss", "training, ", "-"), ("validation_loss", "validation, ", "--")
    loss = _by_epoch(journals, keys, "loss")
    accuracy = _by_epoch(
        journals, [("validation_accuracy", "", None)], "accuracy, %", 100, always_no
    )
    note = "Accuracy is 1 - Hamming loss, as in the paper; saying no to everything gives the line."
    return [
        Picture(titles[0], "Solid: training; dashed: validation images." + more, loss),
        Picture(titles[1], note + more, accuracy),
    ]


def _by_epoch(
    journals: dict[str, list[dict[str, float]]],
    keys: Sequence[tuple[str, str, str | None]],
    what: str,
    scale: float = 1,
    line: float | None = None,
) -> str:
    with drawn(WIDTH, 3.4) as (figure, axes):
        for number, (name, epochs) in enumerate(journals.items()):
            for key, kind, dashes in keys:
                known = [each for each in epochs if each.get(key) is not None]
                style = line_style(number) | ({"linestyle": dashes} if dashes else {})
                at, values = (
                    [each["epoch"] for each in known],
                    [scale * each[key] for each in known],
                )
                label = f"{kind}{brief(name)}"
                axes.plot(at, values, marker=".", label=label if known else None, **style)
        if line is not None:
            axes.axhline(scale * line, color=INK, linewidth=1, label="always no")
        axes.set(xlabel="epoch", ylabel=what)
        figure.legend(loc="outside upper left", ncols=2, fontsize=8)
        alt = f"{what.capitalize()} by epoch of {', '.join(journals)}"
        return markup(figure, what.partition(",")[0], alt)
