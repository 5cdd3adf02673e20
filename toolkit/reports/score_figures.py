"""Figures of the scores: precision, curves, thresholds, reliability, correlation, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.ensembles.fit import restore
from toolkit.members.held_out import Scored, developed
from toolkit.members.member import Member, load_state
from toolkit.reports.comparison import Row
from toolkit.reports.data_figures import heat_map
from toolkit.reports.drawing import COLOURS, INK, Picture, brief, drawn, line_style, markup
from toolkit.statistics.metrics import binarize, decision_counts, metrics_from_counts
from toolkit.storage.files import read_json

_POINTS = 120
_PANELS = 24
_BINS, _LEAST = 10, 5
_STEPS = np.linspace(0.02, 0.98, 49)


def label_precision(rows: Sequence[Row], labels: tuple[str, ...]) -> Picture:
    """Average precision of each label with 95 % intervals, and what chance gives."""
    best = rows[0]
    support = [int(best.per_label[label]["support"] or 0) for label in labels]
    order = np.argsort(support, kind="stable")
    place = np.arange(len(labels), dtype=float)
    alt = f"Average precision of {best.name}: " + ", ".join(
        f"{labels[at]} {_shown(best.per_label[labels[at]]['ap'])}" for at in order[::-1]
    )
    with drawn(7, 1.1 + 0.27 * len(labels)) as (figure, axes):
        for number, row in enumerate(rows):
            shift = 0.2 * (number - (len(rows) - 1) / 2)
            for y, at in zip(place, order, strict=True):
                value, pair = row.per_label[labels[at]]["ap"], row.ap_ci.get(labels[at])
                if value is None:
                    continue
                colour = COLOURS[number]
                name = brief(row.name) if at == order[-1] else None
                axes.plot(value, y - shift, "osD"[number % 3], color=colour, ms=4, label=name)
                if pair is not None:
                    axes.plot(pair, [y - shift] * 2, color=colour, linewidth=1.2)
        chance = [support[at] / max(1, best.images) for at in order]
        axes.plot(chance, place, "|", color=INK, ms=12, label="chance")
        axes.set_yticks(place, [f"{labels[at]} ({support[at]:,})" for at in order])
        axes.tick_params(axis="y", length=0)
        axes.margins(y=0.03)
        axes.set(xlabel="average precision on the test images", xlim=(0, 1.02))
        figure.legend(loc="outside upper left", ncols=2, fontsize=8)
        svg = markup(figure, "ap", alt)
    caption = (
        "In brackets, positives among the test images. Bars: 95 % intervals over resampled images; "
        "upright marks: what ranking at random gives."
    )
    return Picture("Average precision by label", svg, alt, caption)


def precision_recall_curves(
    scored: Mapping[str, Scored], rows: Sequence[Row], labels: tuple[str, ...]
) -> Picture:
    """Precision over recall of each label, the commonest labels first."""
    support = {label: int(rows[0].per_label[label]["support"] or 0) for label in labels}
    chosen = [label for label in sorted(labels, key=lambda each: -support[each]) if support[label]]
    chosen = chosen[:_PANELS]
    alt = "Precision over recall, a panel a label, of " + ", ".join(scored)
    with _panels(len(chosen)) as (figure, panels):
        for axes, label in zip(panels, chosen, strict=True):
            at = labels.index(label)
            for number, (name, found) in enumerate(scored.items()):
                recall, precision = _curve(found.truth[:, at], found.scores[:, at])
                axes.plot(recall, precision, **line_style(number), linewidth=1.3, label=brief(name))
            rate = support[label] / max(1, rows[0].images)
            axes.axhline(rate, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), label="chance")
            axes.set(title=f"{label} ({support[label]:,})", xlim=(0, 1.02), ylim=(0, 1.04))
        _label_outer(figure, panels, "recall", "precision")
        svg = markup(figure, "pr", alt)
    return Picture(
        "Precision and recall", svg, alt, "On the test images; the dotted line is chance."
    )


def threshold_sweep(dataset: Dataset, split: Split, member: Member) -> Picture:
    """Metrics of the development images' out-of-sample scores as one threshold moves."""
    title = "Threshold sweep"
    scored = developed(dataset, split, member)
    if not len(scored.rows):
        return Picture(title, "", "", f"Left out: {member.name} has no development scores.")
    values: dict[str, list[float]] = {}
    for cut in _STEPS:
        counts = decision_counts(scored.truth, binarize(scored.scores, float(cut)))
        for key, value in metrics_from_counts(*counts, len(scored.rows)).items():
            values.setdefault(key, []).append(float(value))
    best = {key: float(_STEPS[int(np.nanargmax(each))]) for key, each in values.items()}
    alt = f"Metrics of {member.name} as one threshold moves: " + ", ".join(
        f"{key.replace('_', ' ')} is highest at {best[key]:.2f}" for key in values
    )
    with drawn(7, 3.6) as (figure, axes):
        for number, (key, each) in enumerate(values.items()):
            axes.plot(_STEPS, each, **line_style(number), label=key.replace("_", " "))
        none = 1 - float(scored.truth.mean())
        dots, said = (0, (1, 2)), "accuracy of always no"
        axes.axhline(none, color=INK, linewidth=0.8, linestyle=dots, label=said)
        axes.set(xlabel="one threshold for all labels", xlim=(0, 1), ylim=(0, 1.04))
        figure.legend(loc="outside upper left", ncols=3, fontsize=8)
        svg = markup(figure, "sweep", alt)
    caption = (
        f"{member.name} on {len(scored.rows):,} development images, scored by models that did not "
        "see them. Thresholds are chosen here, never on test images."
    )
    return Picture(title, svg, alt, caption)


def reliability(scored: Mapping[str, Scored], labels: tuple[str, ...]) -> Picture:
    """Share of positives over mean score, in bins of equal width, of each label."""
    first = next(iter(scored.values()))
    support = first.truth.sum(axis=0, dtype=np.int64)
    chosen = [int(at) for at in np.argsort(-support, kind="stable") if support[at]][:_PANELS]
    alt = "Share of positives over mean score, a panel a label, of " + ", ".join(scored)
    with _panels(len(chosen)) as (figure, panels):
        for axes, at in zip(panels, chosen, strict=True):
            axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
            for number, (name, found) in enumerate(scored.items()):
                mean, share = _bins(found.truth[:, at], found.scores[:, at])
                axes.plot(mean, share, **line_style(number), marker=".", ms=4, label=brief(name))
            axes.set(title=labels[at], xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        _label_outer(figure, panels, "mean score", "share of positives")
        svg = markup(figure, "reliability", alt)
    caption = (
        f"Test images in {_BINS} bins of equal width; a bin of fewer than {_LEAST} is left out. "
        "On the dotted line scores are probabilities."
    )
    return Picture("Reliability", svg, alt, caption)


def member_correlation(scored: Mapping[str, Scored]) -> Picture:
    """Correlation of the members' errors (score - label), mean over labels."""
    title = "Correlation of members"
    if len(scored) < 2:
        return Picture(title, "", "", "Left out: it takes two members.")
    shared = set.intersection(*(set(each.rows.tolist()) for each in scored.values()))
    errors = []
    for each in scored.values():
        here = np.isin(each.rows, list(shared))
        error = each.scores[here].astype(np.float64) - each.truth[here]
        error -= error.mean(axis=0)
        errors.append(error / np.maximum(np.linalg.norm(error, axis=0), 1e-12))
    stacked = np.stack(errors)
    values = np.einsum("anl,bnl->abl", stacked, stacked).mean(axis=2)
    names = tuple(scored)
    off = values[~np.eye(len(names), dtype=bool)]
    alt = f"Correlation of the errors of {len(names)} members: {off.min():.2f} to {off.max():.2f}"
    low = max(-1.0, np.floor(10 * off.min()) / 10)
    rows = tuple(f"{brief(name, 40)}  {number}" for number, name in enumerate(names, 1))
    columns = tuple(str(number) for number in range(1, len(names) + 1))
    svg = heat_map(values, rows, columns, "correlation", alt, "correlation", low, 1, digits=2)
    caption = (
        "Of errors on the test images, mean over labels. The less two members err alike, the more "
        "combining them can gain."
    )
    return Picture(title, svg, alt, caption)


def ensemble_weights(member: Member, labels: tuple[str, ...]) -> Picture:
    """How much an ensemble counts each member for each label."""
    title = f"Weights of {member.name}"
    folder = member.folder / "model"
    notes = read_json(folder / "notes.json", f"the notes of {member.name}")
    states = {name: load_state(folder, name) for name in ("combiner", "calibration")}
    weights = restore(notes, states)[0].weights()
    if weights is None:
        why = f"{member.source}: every member counts alike, so there are no weights to show."
        return Picture(title, "", "", why)
    names = tuple(notes["members"])
    mean = weights.mean(axis=1)
    alt = f"Weights of {len(names)} members for {len(labels)} labels; mean over labels: "
    alt += ", ".join(f"{name} {value:.2f}" for name, value in zip(names, mean, strict=True))
    low, high = min(0.0, float(weights.min())), max(1e-6, float(weights.max()))
    rows = tuple(brief(name) for name in names)
    svg = heat_map(weights, rows, labels, f"w{_slug(member.name)}", alt, "weight", low, high, 2)
    return Picture(title, svg, alt, f"{member.source}; weights of logits, fitted out of fold.")


def _slug(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)


def _panels(count: int) -> Any:
    """Return the context of a figure with that many panels in rows of four."""
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Any:
        columns = min(4, max(1, count))
        lines = -(-count // columns)
        size = (max(4.0, 1.65 * columns + 0.5), 1.45 * lines + 0.8)
        grid = {"squeeze": False, "sharex": True, "sharey": True}
        with drawn(*size, nrows=lines, ncols=columns, **grid) as (figure, axes):
            flat = axes.ravel()
            for spare in flat[count:]:
                spare.remove()
            for at, panel in enumerate(flat[:count]):
                panel.set_xticks([0, 0.5, 1])
                panel.set_yticks([0, 0.5, 1])
                lowest = at + columns >= count
                panel.tick_params(labelsize=7, labelbottom=lowest)
                panel.title.set_fontsize(9)
            yield figure, flat[:count]

    return opened()


def _label_outer(figure: Any, panels: Any, x: str, y: str) -> None:
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)
    lines, names = panels[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside upper left", ncols=2, fontsize=8)


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
