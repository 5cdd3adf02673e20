"""Figures of the data: label distribution, its parts, and which labels go together."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.reports.drawing import (
    COLOURS,
    INK,
    SOFT,
    Picture,
    brief,
    drawn,
    line_style,
    markup,
)


def label_distribution(dataset: Dataset) -> Picture:
    """Positives of each label (the paper's first figure)."""
    counts = dataset.Y.sum(axis=0, dtype=np.int64)
    order = np.argsort(counts, kind="stable")
    names = [dataset.labels[at] for at in order]
    alt = "Positives of each label: " + ", ".join(
        f"{dataset.labels[at]} {counts[at]:,}" for at in order[::-1]
    )
    with drawn(7, 0.8 + 0.2 * len(names)) as (figure, axes):
        bars = axes.barh(names, counts[order], color=COLOURS[0])
        axes.bar_label(bars, [f"{value:,}" for value in counts[order]], padding=3, fontsize=8)
        axes.set_xlabel(f"positives among {len(dataset):,} images")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.12, y=0.02)
        svg = markup(figure, "labels", alt)
    none = int((dataset.Y.sum(axis=1) == 0).sum())
    caption = f"{none:,} images carry no label at all; an image can carry several."
    return Picture("Label distribution", svg, alt, caption)


def distribution_by_split(dataset: Dataset, split: Split) -> Picture:
    """Share of positives in each part of the split (the paper's second figure)."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    shares = {name: 100 * dataset.Y[rows].mean(axis=0) for name, rows in parts.items()}
    order = np.argsort(-shares["train"], kind="stable")
    alt = "Share of positives in train, validation and test: " + "; ".join(
        f"{dataset.labels[at]} " + ", ".join(f"{each[at]:.1f} %" for each in shares.values())
        for at in order
    )
    with drawn(7, 3.4) as (figure, axes):
        place = np.arange(len(order))
        for number, (name, share) in enumerate(shares.items()):
            title = f"{name} ({len(parts[name]):,})"
            axes.bar(
                place + 0.27 * (number - 1), share[order], 0.27, label=title, color=COLOURS[number]
            )
        axes.set_xticks(place, [dataset.labels[at] for at in order], rotation=45, ha="right")
        axes.set_ylabel("images with the label, %")
        axes.grid(visible=False, axis="x")
        axes.legend()
        svg = markup(figure, "parts", alt)
    caption = f"Split {split.name!r}. Nothing was learned or tuned on test images."
    return Picture("Distribution by split", svg, alt, caption)


def co_occurrence(dataset: Dataset) -> Picture:
    """How often images with one label carry another, in percent."""
    Y = dataset.Y.astype(np.float64)
    counts = Y.T @ Y
    own = np.diag(counts)
    share = 100 * counts / np.maximum(own, 1)[:, None]
    np.fill_diagonal(share, np.nan)
    pairs = [
        (share[a, b], dataset.labels[a], dataset.labels[b])
        for a in range(len(own))
        for b in range(len(own))
        if a != b and own[a] > 0
    ]
    first = sorted(pairs, reverse=True)[:5]
    alt = "Labels that go together most: " + ", ".join(
        f"of images with {a}, {value:.0f} % carry {b}" for value, a, b in first
    )
    svg = heat_map(share, dataset.labels, dataset.labels, "together", alt, "%", 0, 100)
    caption = "Of the images that carry the row's label, the percentage that carry the column's."
    return Picture("Labels that go together", svg, alt, caption)


def heat_map(
    values: np.ndarray,
    rows: tuple[str, ...],
    columns: tuple[str, ...],
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
    written = values.size <= 600
    sides = 0.4 + 0.075 * max(map(len, rows)), 0.3 + 0.05 * max(map(len, columns))
    width = sides[0] + 0.42 * len(columns) + (0 if written else 0.8)
    with drawn(max(3.0, width), sides[1] + 0.3 * len(rows)) as (figure, axes):
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
        if written:
            for (row, column), value in np.ndenumerate(values):
                if not np.isnan(value):
                    full = (value - low) / max(high - low, 1e-12) > 0.75
                    axes.text(
                        *(column + 0.5, row + 0.5, f"{value:.{digits}f}"),
                        **{"ha": "center", "va": "center", "fontsize": 7},
                        color="#ffffff" if full else INK,
                    )
        else:
            figure.colorbar(mesh, ax=axes, label=unit, shrink=0.8)
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
        why = (
            "Left out: no member here was trained in epochs with a journal. "
            "A member that toolkit finetune makes brings them."
        )
        return [Picture(title, "", "", why) for title in titles]
    left_out = max(0, len(journals) - len(COLOURS))
    journals = dict(list(journals.items())[: len(COLOURS)])
    more = f" {left_out} further runs are not drawn." if left_out else ""
    kinds = (("train_loss", "training"), ("validation_loss", "validation"))
    with drawn(7, 3.4) as (figure, axes):
        for number, (name, lines) in enumerate(journals.items()):
            style = line_style(number)
            for (key, kind), dash in zip(kinds, ("-", "--"), strict=True):
                known = [line for line in lines if line.get(key) is not None]
                if known:
                    at, values = [[line[k] for line in known] for k in ("epoch", key)]
                    label = f"{brief(name)}, {kind}"
                    axes.plot(at, values, dash, color=style["color"], marker=".", label=label)
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend(fontsize=8)
        alt = "Training and validation loss by epoch of " + ", ".join(journals)
        loss = markup(figure, "loss", alt)
    with drawn(7, 3.4) as (figure, axes):
        for number, (name, lines) in enumerate(journals.items()):
            known = [line for line in lines if line.get("validation_accuracy") is not None]
            if known:
                at, values = [[line[k] for line in known] for k in ("epoch", "validation_accuracy")]
                scaled = [100 * v for v in values]
                axes.plot(at, scaled, **line_style(number), marker=".", label=brief(name))
        if always_no is not None:
            axes.axhline(100 * always_no, color=INK, linewidth=1, label="always no")
        axes.set(xlabel="epoch", ylabel="accuracy, %")
        axes.legend(fontsize=8)
        seen = "Validation accuracy by epoch of " + ", ".join(journals)
        accuracy = markup(figure, "accuracy", seen)
    note = "Accuracy is 1 - Hamming loss, as in the paper; saying no to everything gives the line."
    return [
        Picture(titles[0], loss, alt, "Solid: training; dashed: validation images." + more),
        Picture(titles[1], accuracy, seen, note + more),
    ]
