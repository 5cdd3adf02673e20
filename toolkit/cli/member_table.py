"""What a command shows of the member it made: scores on development images, by label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.cli.run import Run

if TYPE_CHECKING:
    from toolkit.members.member import Member


def show_member(run: Run, member: Member) -> None:
    """Show a member's development scores; the test images are for compare."""
    from rich.text import Text

    from toolkit.cli.terminal_table import figures_table, shown

    facts = member.facts()
    if run.json:
        run.emit(facts)
    else:
        title = f"{member.name}: {facts['origin']} on {facts['images']:,} development images"
        keys = ("ap", "auroc", "precision", "recall", "f1")
        lines = [
            [label, f"{each['support']:,}", *(shown(each[key], 3) for key in keys)]
            for label, each in facts["per_label"].items()
        ]
        heads = ["label", "positives", "AP", "AUROC", "precision", "recall", "F1"]
        metrics = "  ".join(f"{key} {shown(value)}" for key, value in facts["metrics"].items())
        run.show(*figures_table(title, heads, lines, run.console().width))
        run.show(Text(metrics + _over(facts["per_label"])))
        run.show(Text(f"{member.folder} ({facts['seconds']:.1f} s)"))
    run.leave_if_skipped(member.skipped)


def _over(per_label: dict[str, Any]) -> str:
    known = sum(1 for each in per_label.values() if each["support"])
    if known == len(per_label):
        return ""
    return (
        f"\nmeans over {known:,} of {len(per_label):,} labels; the others have no positive "
        "in these images"
    )
