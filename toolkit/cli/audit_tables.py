"""What toolkit audit shows a person: findings, the alignment of each label, the paper's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.cli.terminal_table import figures_table

if TYPE_CHECKING:
    from rich.table import Table

    from toolkit.auditing.alignment import Alignment
    from toolkit.auditing.findings import Finding

_STYLES = {"critical": "bold red", "warning": "bold yellow", "note": "bold blue", "passed": "green"}


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return each finding: its severity and sentence, what to do, the figures behind it."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for found in findings:
        text = Text(found.sentence, style="bold" if found.severity == "critical" else "")
        table.add_row(Text(found.severity, style=_STYLES[found.severity]), text)
        if found.advice:
            table.add_row("", Text(f"→ {found.advice}"))
        if found.figures:
            table.add_row("", Text(found.figures, style="dim"))
    table.add_row()
    return table


def alignment_table(found: Alignment, width: int) -> tuple[Any, Any]:
    """Return each label's linear probe against permuted labels, and notes."""
    lines = []
    partly = any(label.unknown for label in found.labels)
    for label in found.labels:
        cells = ["–"] * 3
        if label.p is not None:
            cells = [f"{label.auroc:.3f}", f"{label.z:.1f}", f"{label.p_adjusted:.2g}"]
        shares = [f"{label.unknown:.1%}"] if partly else []
        lines.append([label.label, f"{label.positives:,}", *shares, *cells, label.state])
    title = "labels against permuted labels (AUROC 0.5 is chance)"
    figures = ("positives", *(["unknown"] if partly else []), "AUROC", "z", "p (maxT)")
    heads = ["label", *figures, "verdict"]
    return figures_table(title, heads, lines, width, texts=(0, len(heads) - 1))


def published_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the paper's rows next to a predictor that ignores the image."""
    from rich.text import Text

    title = (
        "the paper's rows (T: its table). yes %: how often a predictor that ignores the image says "
        "yes at that accuracy"
    )
    figures = ("acc %", "prec", "rec", "yes %", "p (Holm)")
    table = _table(title, ["row", "what"], figures, between=1)
    for row in rows:
        low, high = f"{row['holm_low']:.2g}", f"{row['holm_high']:.2g}"
        table.add_row(
            Text(row["key"].replace("table", "T")),
            Text(row["name"].replace(" epochs", " ep").replace(", SGD", "")),
            f"{100 * row['accuracy']:.2f}",
            f"{row['macro_precision']:.2f}",
            f"{row['macro_recall']:.2f}",
            f"{100 * row['rate']:.1f}",
            low if low == high else f"{low}-{high}",
            row["verdict"].removeprefix("hidden by "),
        )
    return table


def _table(title: str, texts: Sequence[str], figures: Sequence[str], between: int = 2) -> Table:
    """Return a table of texts, which are folded where there is no room, figures and a word."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, between, 0, 0),
    )
    for text in texts:
        table.add_column(text, overflow="fold")
    for figure in (*figures, ""):
        table.add_column(figure, justify="right" if figure else "left", no_wrap=True)
    return table
