"""What a command shows of the member it made: scores on development images, by label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.run import Run

if TYPE_CHECKING:
    from toolkit.members.member import Member


def show_member(run: Run, member: Member) -> None:
    """Show a member's development scores; the test images are for compare."""
    from rich.table import Table
    from rich.text import Text

    facts = member.facts()
    if run.json:
        run.emit(facts)
    else:
        table = Table(
            title=f"{member.name}: {facts['origin']} on {facts['images']:,} development images",
            title_justify="left",
        )
        table.add_column("label")
        for column in ("positives", "AP", "AUROC", "precision", "recall", "F1"):
            table.add_column(column, justify="right")
        for label, each in facts["per_label"].items():
            cells = [each[key] for key in ("ap", "auroc", "precision", "recall", "f1")]
            table.add_row(
                Text(label),
                f"{each['support']:,}",
                *("–" if cell is None else f"{cell:.3f}" for cell in cells),
            )
        metrics = "  ".join(
            f"{key} {'–' if value is None else format(value, '.4f')}"
            for key, value in facts["metrics"].items()
        )
        run.show(table, Text(metrics), Text(f"{member.folder} ({facts['seconds']:.1f} s)"))
    run.leave_if_skipped(member.skipped)
