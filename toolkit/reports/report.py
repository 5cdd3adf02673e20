"""Report: the comparison and all that stands behind it, as one page to show a colleague."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.auditing.audit import Audit
from toolkit.auditing.findings import Finding
from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.data.split_store import get_split
from toolkit.errors import UsageError, check_whole, listed
from toolkit.members.find import Wanted
from toolkit.pages.page import write_page
from toolkit.pages.tables import facts_table
from toolkit.reports.audited import kept_findings
from toolkit.reports.compare import comparable
from toolkit.reports.comparison import KINDS, compared_rows, document
from toolkit.reports.page import report_page
from toolkit.reports.prints import printed_to
from toolkit.reports.selection import belonging, ordered
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder


@dataclass(frozen=True)
class Report:
    """A page that was written.

    Attributes:
        path: of the page.
        bytes: its size.
        seconds: it took to make.
        members: names of the members shown.
        document: the comparison, as of ``toolkit compare --json``.
    """

    path: Path
    bytes: int
    seconds: float
    members: tuple[str, ...]
    document: dict[str, Any] = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit report --json``."""
        made = {"path": str(self.path), "bytes": self.bytes, "seconds": self.seconds}
        return made | self.document

    def _repr_html_(self) -> str:
        shown = {"page": self.path, "members": ", ".join(self.members), "seconds": self.seconds}
        return facts_table(shown)


@checked
def report(
    data: Dataset | str | None = None,
    out: str | os.PathLike[str] = "report.html",
    *,
    members: Wanted = "*",
    audit: str | os.PathLike[str] | Audit | None = None,
    figures: str | os.PathLike[str] | None = None,
    paper: bool | None = None,
    resamples: int = 1000,
    split: str = "paper",
    seed: int = 0,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Report:
    """Write the comparison and all that stands behind it as one HTML file that needs no network.

    Unknown labels count in none of its figures and tables; how many there are is shown.

    Args:
        data: a data set, or the name of one.
        out: the page to write.
        members: names, patterns, or members in hand.
        audit: an audit to show too, or the file that ``toolkit audit --json`` printed.
        figures: a folder to keep every figure in too, as SVG, PDF and PNG for print.
        paper: show the paper's rows; None for where the labels are the paper's.
        resamples: of the test images for intervals; 0 for none.

    The others are those of :func:`~toolkit.reports.compare.compare`.

    Raises:
        UsageError: ``out`` is a folder, there is no member of a name, or the audit is another's.
        MemberError: a member that was named cannot be compared here.
    """
    place = Path(out)
    if figures is not None and Path(figures).is_file():
        raise UsageError(f"figures: expected a folder, found the file {figures}")
    if place.is_dir():
        raise UsageError(f"out: expected a file's name, found the folder {place}")
    began = time.perf_counter()
    resamples, seed = check_whole("resamples", resamples), check_whole("seed", seed)
    progress, folder = choose_progress(progress), artifacts_folder(artifacts)
    dataset = open_dataset(data, folder, progress)
    findings = _findings(audit, dataset)
    kinds = belonging(KINDS, dataset.labels, paper)
    part = get_split(dataset, split, folder)
    damaged = dict[str, str]()
    chosen = comparable(
        dataset, part, folder, members, kinds=kinds, say=progress.say, damaged=damaged
    )
    how: dict[str, Any] = {"resamples": resamples, "seed": seed}
    rows = compared_rows(dataset, part, chosen, paper="paper" in kinds, progress=progress, **how)
    rows = ordered(rows, kinds=kinds, best_first=True)
    facts = {name: f"{value:,}" for name, value in how.items()}
    facts |= {"left out, damaged": listed(damaged)} if damaged else {}
    with printed_to(None if figures is None else Path(figures)):
        page = report_page(
            dataset, part, chosen, rows, folder, facts=facts, findings=findings, progress=progress
        )
    write_page(page, place.absolute())
    return Report(
        place,
        len(page.encode()),
        round(time.perf_counter() - began, 3),
        tuple(member.name for member in chosen),
        document(dataset.name, split, rows, left_out=damaged),
    )


def _findings(
    audit: str | os.PathLike[str] | Audit | None, dataset: Dataset
) -> list[Finding] | None:
    if audit is None:
        return None
    if not isinstance(audit, Audit):
        return kept_findings(Path(audit), dataset.name)
    if audit.dataset.digest != dataset.digest:
        raise UsageError(f"audit: expected one of {dataset.name}, found {audit.dataset.name}")
    return list(audit.ranked)
