"""Label details: what a member scores and decides of each label, as a table and as CSV."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.members.held_out import Scored
from toolkit.pages.escaping import csv_text
from toolkit.reports.comparison import Row
from toolkit.statistics.metrics import binarize, rates_from_counts

# key in the CSV; head in the table, without one it stands in the column before; digits
COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("support", "positives", 0),
    ("ap", "AP", 3),
    ("ap_low", "95 %", 3),
    ("ap_high", "", 3),
    ("auroc", "AUROC", 3),
    ("threshold", "threshold", 3),
    ("precision", "precision", 3),
    ("recall", "recall", 3),
    ("f1", "F1", 3),
    ("tp", "TP", 0),
    ("fp", "FP", 0),
    ("fn", "FN", 0),
    ("tn", "TN", 0),
)
KEY = (
    "AP: average precision, and its 95 % interval; threshold: tuned on development images, "
    "0.5 where there was nothing to tune on; precision, recall, F1 and the counts of true and "
    "false positives and negatives are at the threshold."
)
Details = dict[str, Any]


def label_details(row: Row, scored: Scored, labels: Sequence[str]) -> list[Details]:
    """Return the keys of :data:`COLUMNS` and ``label`` for each label, the commonest first.

    Args:
        row: of the member.
        scored: its test images.
        labels: L names.
    """
    thresholds = tuned_or_half(row, labels)
    decided = np.asarray(binarize(scored.scores, thresholds)) == 1
    yes, no = scored.truth == 1, scored.truth == 0
    tp, fp = (yes & decided).sum(axis=0), (no & decided).sum(axis=0)
    fn, tn = (yes & ~decided).sum(axis=0), (no & ~decided).sum(axis=0)
    rates = rates_from_counts(tp, tp + fp, tp + fn)
    found: list[Details] = []
    for at in np.argsort(-(tp + fn), kind="stable").tolist():
        each = row.per_label[labels[at]]
        low, high = row.ap_ci.get(labels[at]) or (None, None)
        counts = {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
        rate = dict(zip(("precision", "recall", "f1"), rates, strict=True))
        found.append(
            {"label": labels[at], "support": int(tp[at] + fn[at]), "ap": each["ap"]}
            | {"ap_low": low, "ap_high": high, "auroc": each["auroc"]}
            | {"threshold": float(thresholds[at])}
            | {
                key: None if np.isnan(value[at]) else float(value[at])
                for key, value in rate.items()
            }
            | {key: int(value[at]) for key, value in counts.items()}
        )
    return found


def tuned_or_half(row: Row, labels: Sequence[str]) -> np.ndarray:
    """Return ``(L,)`` thresholds: tuned ones, or 0.5."""
    tuned: Mapping[str, float] = (row.tuned or {}).get("thresholds", {})
    return np.array([tuned.get(label, 0.5) for label in labels])


def shown_cells(details: Details) -> list[tuple[Any, str]]:
    """Return value and text of each column of the table."""
    cells: list[tuple[Any, str]] = []
    for key, head, digits in COLUMNS:
        value = details[key]
        text = "–" if value is None else f"{value:,.{digits}f}"
        if head:
            cells.append((value, text))
        elif value is not None:
            first, before = cells[-1]
            cells[-1] = first, f"{before} to {text}"
    return cells


def csv_address(members: Mapping[str, Sequence[Details]]) -> str:
    """Return a data address of all members' details as CSV, which needs no script to download."""
    heads = ["member", "label", *(key for key, _, _ in COLUMNS)]
    lines = [
        [name, *(each[key] for key in heads[1:])]
        for name, found in members.items()
        for each in found
    ]
    text = csv_text([heads, *lines])
    return "data:text/csv;charset=utf-8;base64," + b64encode(text.encode()).decode("ascii")
