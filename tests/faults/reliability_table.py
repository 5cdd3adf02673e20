"""The table of faults tried and their outcomes, written between two marks of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


@dataclass(frozen=True)
class Trial:
    """What a test tried, how often, and how that ended."""

    area: str
    what: str
    fault: str
    times: int
    outcome: str

    @classmethod
    def of(cls, report: pytest.TestReport) -> list[Trial]:
        """Read a test's trials from its report; one that failed or was skipped says so."""
        noted = [value for name, value in report.user_properties if name == "trial"]
        name = report.nodeid.rpartition("::")[2]
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            return [cls("not tried here", name, "", 0, str(reason).removeprefix("Skipped: "))]
        if report.failed:
            return [cls("FAILED", name, "", 1, "lost or wrong: see the test")]
        return [cls(*value) for value in noted]  # type: ignore[misc]


def table(trials: Sequence[Trial], version: str) -> str:
    """Return Markdown: one row for trials that agree in all but their number."""
    counts: dict[tuple[str, str, str, str], int] = {}
    for trial in trials:
        key = (trial.area, trial.what, trial.fault, trial.outcome)
        counts[key] = counts.get(key, 0) + trial.times
    lines = ["| area | struck | fault | times | outcome |", "|---|---|---|---:|---|"]
    for (area, what, fault, outcome), times in sorted(counts.items()):
        cells = (area, what, fault, f"{times:,}" if times else "–", outcome)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    failed = sum(trial.area == "FAILED" for trial in trials)
    total = sum(trial.times for trial in trials if trial.area != "FAILED")
    lines += ["", f"{version} version: {total:,} trials; tests that failed: {failed}."]
    return "\n".join(lines)


def write_table(page: Path, trials: Sequence[Trial], version: str) -> None:
    """Put the table between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(trials, version)}\n{END}{after}", encoding="utf-8")
