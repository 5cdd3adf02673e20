"""Figures of the scores: precision, curves, thresholds, reliability, correlation, weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.ensembles.fit import restore
from toolkit.members.held_out import Scored, developed
from toolkit.members.member import Member, load_state
from toolkit.reports.comparison import Row
from toolkit.reports.data_figures import CELLS, LINES, WIDTH, heat_map, label_lines
from toolkit.reports.drawing import (
    COLOURS,
    INK,
    Picture,
    both_ends,
    brief,
    drawn,
    line_style,
    markup,
    most_frequent,
)
from toolkit.statistics.metrics import (
    binarize,
    decision_counts,
    metrics_from_counts,
    rows_known,
    shares,
)

_POINTS = 120
_PANELS, _ACROSS = 24, 3
_BINS, _LEAST, _ENOUGH = 10, 5, 20
_STEPS = np.linspace(0.02, 0.98, 49)
_DOTTED: Any = {"color": INK, "linewidth": 0.8, "linestyle": (0, (1, 2))}


def label_precision(rows: Sequence[Row], labels: Sequence[str], known: np.ndarray) -> Picture:
    """Average precision of each label with 95 % intervals, and what chance gives.

    Args:
        rows: of members, the best first.
        labels: L names.
        known: ``int (L,)``, test images of which each label is known.
    """
    best = rows[0]
    support = np.array([int(best.per_label[label]["support"] or 0) for label in labels])
    aps = [best.per_label[label]["ap"] for label in labels]
    points = np.array([np.nan if value is None else value for value in aps])
    order, rest = both_ends(points, LINES)
    if len(labels) <= LINES:
        order, rest = most_frequent(support, LINES)
    else:
        low, middle, high = np.nanquantile(points, [0.25, 0.5, 0.75])
        rest += (
            f" Half of all labels of {best.name} lie between {low:.2f} and {high:.2f}, the middle "
            f"at {middle:.2f}."
        )
    alt = f"Average precision of {best.name}: " + ", ".join(
        f"{labels[at]} {_shown(best.per_label[labels[at]]['ap'])}" for at in order
    )
    names = [f"{brief(labels[at], 22)} ({support[at]:,})" for at in order]
    with label_lines(names) as (figure, axes, place):
        for number, row in enumerate(rows):
            lines = place + 0.2 * (number - (len(rows) - 1) / 2)
            values = [row.per_label[labels[at]]["ap"] for at in order]
            defined = [np.nan if value is None else value for value in values]
            style: Any = {"color": COLOURS[number], "ms": 4, "label": brief(row.name)}
            axes.plot(defined, lines, "osD"[number % 3], **style)
            for line, at in zip(lines, order, strict=True):
                pair = row.ap_ci.get(labels[at])
                if pair is not None:
                    axes.plot(pair, [line] * 2, color=COLOURS[number], linewidth=1.2)
        chance = support[order] / np.maximum(1, known[order])
        axes.plot(chance, place, "|", color=INK, ms=12, label="chance")
        axes.set(xlabel="average precision on the test images", xlim=(0, 1.02))
        figure.legend(loc="outside upper left", ncols=2, fontsize=8)
        svg = markup(figure, "ap", alt)
    caption = (
        "In brackets, positives among the test images. Bars: 95 % intervals over resampled images; "
        "upright marks: what ranking at random gives."
    )
    return Picture("Average precision by label", caption + rest, svg)


def precision_recall_curves(scored: Mapping[str, Scored], labels: Sequence[str]) -> Picture:
    """Precision over recall of all labels' cells together, then of each label, commonest first."""
    title, first = "Precision and recall", next(iter(scored.values()))
    support, rate = (first.truth == 1).sum(axis=0), shares(first.truth)
    chosen = most_frequent(support, _PANELS)[0]
    chosen = chosen[support[chosen] > 0]
    rest = _left_out(len(chosen), labels, "the table of labels has the rest")
    if not len(chosen):
        return Picture(title, "Left out: no test image carries a label.")
    cells = _known(first, slice(None))[0]
    shown: list[tuple[Any, float, str]] = [
        (at, rate[at], f"{brief(labels[at], 16)} ({support[at]:,})") for at in chosen
    ]
    if len(labels) > 1:
        shown.insert(0, (slice(None), float(cells.mean()), f"micro average ({cells.sum():,})"))
    with _panels(len(shown), "recall", "precision") as (figure, panels):
        for axes, (at, chance, head) in zip(panels, shown, strict=True):
            for number, (name, found) in enumerate(scored.items()):
                recall, precision = _curve(*_known(found, at))
                axes.plot(recall, precision, **line_style(number), linewidth=1.3, label=brief(name))
            axes.axhline(chance, label="chance", **_DOTTED)
            axes.set_title(head)
        alt = "Precision over recall, one panel per label, of " + ", ".join(scored)
        _legend(figure, panels[0])
        svg = markup(figure, "pr", alt)
    caption = (
        "On the test images; the dotted line is chance. The micro average ranks all labels' cells "
        "together."
    )
    return Picture(title, caption + rest, svg)


def threshold_sweep(dataset: Dataset, split: Split, member: Member) -> Picture:
    """Metrics of the development images' out-of-sample scores as one threshold moves."""
    title = "One threshold for all labels"
    scored = developed(dataset, split, member)
    if not (scored.truth == 1).any():
        return Picture(title, f"Left out: {member.name} has no scores of development positives.")
    values: dict[str, list[float]] = {}
    for threshold in _STEPS:
        counts = decision_counts(scored.truth, binarize(scored.scores, float(threshold)))
        for key, value in metrics_from_counts(*counts, rows_known(scored.truth)).items():
            values.setdefault(key.replace("_", " "), []).append(float(value))
    alt = f"Metrics of {member.name} as one threshold moves: " + ", ".join(
        f"{key} is highest at {_STEPS[int(np.nanargmax(each))]:.2f}" for key, each in values.items()
    )
    with drawn(WIDTH, 3.6) as (figure, axes):
        for number, (key, each) in enumerate(values.items()):
            axes.plot(_STEPS, each, **line_style(number), label=key)
        known = scored.truth[scored.truth >= 0]
        axes.axhline(1 - float(known.mean()), label="accuracy of always no", **_DOTTED)
        axes.set(xlabel="threshold", xlim=(0, 1), ylim=(0, 1.04))
        figure.legend(loc="outside upper left", ncols=3, fontsize=8)
        svg = markup(figure, "sweep", alt)
    caption = (
        f"{member.name} on {len(scored.rows):,} development images, scored by models that did not "
        "see them. Thresholds are chosen here, never on test images."
    )
    return Picture(title, caption, svg)


def reliability(scored: Mapping[str, Scored], labels: Sequence[str]) -> Picture:
    """Share of positives over mean score, in bins of equal width: of all labels, and of each."""
    first = next(iter(scored.values()))
    support = (first.truth == 1).sum(axis=0)
    chosen = most_frequent(support, _PANELS - 1)[0]
    chosen = chosen[support[chosen] >= _ENOUGH]
    rest = _left_out(len(chosen), labels, "each of them counts in the panel of all")
    columns = [slice(None), *chosen]
    titles = ["all labels", *(brief(labels[at], 22) for at in chosen)]
    with _panels(len(columns), "mean score", "share of positives") as (figure, panels):
        for axes, at, title in zip(panels, columns, titles, strict=True):
            axes.plot([0, 1], [0, 1], **_DOTTED)
            for number, (name, found) in enumerate(scored.items()):
                mean, share = _bins(*_known(found, at))
                axes.plot(mean, share, **line_style(number), marker=".", ms=4, label=brief(name))
            axes.set_title(title)
        alt = "Share of positives over mean score, one panel per label, of " + ", ".join(scored)
        _legend(figure, panels[0])
        svg = markup(figure, "reliability", alt)
    caption = (
        f"Test images in {_BINS} bins of equal width; a bin of fewer than {_LEAST} is left out, "
        f"and so is a label of fewer than {_ENOUGH} positives. On the dotted line scores are "
        "probabilities."
    )
    return Picture("Reliability", caption + rest, svg)


def member_correlation(scored: Mapping[str, Scored]) -> Picture:
    """Correlation of the members' errors (score - label), mean over labels, the best first.

    Each label's over the images of which it is known.
    """
    title = "Correlation of members"
    names = tuple(scored)[:CELLS]
    if len(names) < 2:
        return Picture(title, "Left out: it takes two members.")
    shared = set.intersection(*(set(scored[name].rows.tolist()) for name in names))
    errors: list[np.ndarray] = []
    for name in names:
        here = np.isin(scored[name].rows, list(shared))
        truth = scored[name].truth[here]
        error = scored[name].scores[here].astype(np.float64) - truth
        if (truth < 0).any():
            error = np.ma.masked_array(error, truth < 0)
            error = (error - error.mean(axis=0)).filled(0.0)
        else:
            error -= error.mean(axis=0)
        errors.append(error / np.maximum(np.linalg.norm(error, axis=0), 1e-12))
    stacked = np.stack(errors)
    if (truth < 0).any():  # a label that is known of no image is left out of the mean
        stacked = stacked[:, :, (truth >= 0).any(axis=0)]
    values = np.einsum("anl,bnl->abl", stacked, stacked).mean(axis=2)
    off = values[~np.eye(len(names), dtype=bool)]
    alt = f"Correlation of the errors of {len(names)} members: {off.min():.2f} to {off.max():.2f}"
    low = max(-1.0, np.floor(10 * off.min()) / 10)
    rows = [f"{brief(name, 32)}  {number}" for number, name in enumerate(names, 1)]
    columns = [str(number) for number in range(1, len(names) + 1)]
    svg = heat_map(values, rows, columns, "correlation", alt, "correlation", low, 1, digits=2)
    caption = (
        "Of errors on the test images, mean over labels. The less two members err alike, the more "
        "combining them can gain."
    )
    rest = f" Shown are the best {CELLS} of {len(scored)} members." if len(scored) > CELLS else ""
    return Picture(title, caption + rest, svg)


def ensemble_weights(member: Member, dataset: Dataset) -> Picture:
    """How much an ensemble counts each member for each label."""
    title, folder, notes = f"Weights of {member.name}", member.folder / "model", member.notes()
    states = {name: load_state(folder, name) for name in ("combiner", "calibration")}
    weights = restore(notes, states)[0].weights()
    if weights is None:
        return Picture(
            title, f"{member.source}: every member counts alike, so there are no weights to show."
        )
    means = zip(notes["members"], weights.mean(axis=1), strict=True)
    alt = f"Weights of members for {weights.shape[1]} labels; mean over labels: "
    alt += ", ".join(f"{name} {value:.2f}" for name, value in means)
    order, rest = most_frequent((dataset.Y == 1).sum(axis=0), CELLS)
    order = np.sort(order)
    low, high = min(0.0, float(weights.min())), max(1e-6, float(weights.max()))
    columns = [dataset.labels[at] for at in order]
    # a word of its own for each ensemble in the page
    name = "w" + "".join(c if c.isascii() and c.isalnum() else "-" for c in member.name)
    svg = heat_map(
        weights[:, order], notes["members"], columns, name, alt, "weight", low, high, digits=2
    )
    caption = f"{member.source}; weights of logits, fitted on scores of images not learned from."
    return Picture(title, caption + rest, svg)


@contextmanager
def _panels(count: int, x: str, y: str) -> Iterator[Any]:
    """Yield a figure of so many panels, each a unit square, and the panels."""
    across = min(_ACROSS, max(1, count))
    lines = -(-count // across)
    grid: Any = {"squeeze": False, "sharex": True, "sharey": True}
    size = max(3.6, 1.6 * across + 0.4), 1.45 * lines + 0.9
    with drawn(*size, nrows=lines, ncols=across, **grid) as (figure, axes):
        flat = axes.ravel()
        for spare in flat[count:]:
            spare.remove()
        for at, panel in enumerate(flat[:count]):
            panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
            panel.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
            panel.tick_params(labelsize=7, labelbottom=at + across >= count)
        figure.supxlabel(x, fontsize=9)
        figure.supylabel(y, fontsize=9)
        yield figure, flat[:count]


def _left_out(shown: int, labels: Sequence[str], rest: str) -> str:
    return f" {shown} of {len(labels):,} labels are shown; {rest}." if shown < len(labels) else ""


def _legend(figure: Any, panel: Any) -> None:
    lines, names = panel.get_legend_handles_labels()
    figure.legend(lines, names, loc="outside upper left", ncols=2, fontsize=8)


def _known(found: Scored, at: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of some columns, in one row, where the labels are known."""
    truth, scores = found.truth[:, at].ravel(), found.scores[:, at].ravel()
    known = truth >= 0
    return (truth, scores) if known.all() else (truth[known], scores[known])


def _curve(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and precision at each distinct score, thinned to what a panel can show."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    hits = np.cumsum(truth[order], dtype=np.float64)[last]
    recall, precision = hits / max(hits[-1], 1.0), hits / (last + 1.0)
    if len(recall) > _POINTS:
        wanted = np.linspace(0, 1, _POINTS)
        kept = np.unique(np.r_[np.searchsorted(recall, wanted).clip(0, len(recall) - 1), 0])
        recall, precision = recall[kept], precision[kept]
    return recall, precision


def _bins(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    place = np.minimum((scores * _BINS).astype(np.int64), _BINS - 1)
    sizes = np.bincount(place, minlength=_BINS)
    full = sizes >= _LEAST
    mean = np.bincount(place, scores, minlength=_BINS)[full] / sizes[full]
    share = np.bincount(place, truth, minlength=_BINS)[full] / sizes[full]
    return mean, share


def _shown(value: float | int | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
