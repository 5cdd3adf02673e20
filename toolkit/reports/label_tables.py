"""Label tables: average precision by label, as CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.pages.escaping import csv_text, markdown_line, tex_line
from toolkit.reports.comparison import Row
from toolkit.reports.headline import ranked_members
from toolkit.reports.table import number


def csv_labels(rows: Sequence[Row]) -> str:
    """Return one line a row and label."""
    lines: list[list[Any]] = [
        ["name", "kind", "label", "support", "images", "ap", "ap_low", "ap_high",
         "auroc", "precision", "recall", "f1"]
    ]  # fmt: skip
    for row in rows:
        for label, each in row.per_label.items():
            pair: list[Any] = row.ap_ci.get(label) or [None, None]
            lines.append(
                [row.name, row.kind, label, each["support"], row.images, each["ap"], *pair]
                + [each[key] for key in ("auroc", "precision", "recall", "f1")]
            )
    return csv_text(lines)


def markdown_labels(rows: Sequence[Row]) -> str:
    """Return a Markdown table of average precision: a line a label, a column a member."""
    heads, lines = _matrix(rows)
    rule = "|---|" + "---:|" * (len(heads) - 1)
    return "\n".join([markdown_line(heads), rule, *(markdown_line(each) for each in lines)]) + "\n"


def latex_labels(rows: Sequence[Row]) -> str:
    """Return the same as a ``tabular`` for the package booktabs."""
    heads, lines = _matrix(rows)
    top = [f"\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule", tex_line(heads)]
    body = [r"\midrule", *(tex_line(each) for each in lines)]
    return "\n".join([*top, *body, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _matrix(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    ours = ranked_members(rows)
    heads = ["label", "positives", "chance", *(row.name for row in ours)]
    lines = []
    for label in ours[0].per_label if ours else ():
        support = ours[0].per_label[label]["support"] or 0
        line = [label, f"{support:,}", f"{support / max(1, ours[0].images):.3f}"]
        lines.append([*line, *(number(row.per_label[label]["ap"], 3) for row in ours)])
    return heads, lines
