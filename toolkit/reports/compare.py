"""Compare: the paper, predictors that ignore the image, and ours, on held-out images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.data.split import Split
from toolkit.data.split_store import get_split
from toolkit.errors import MemberError, check_choice, check_whole, listed
from toolkit.members.find import Wanted, find_members
from toolkit.members.held_out import developed, held_out
from toolkit.members.member import Member
from toolkit.pages.escaping import csv_text
from toolkit.pages.tables import Table
from toolkit.reports.comparison import Row, compared_rows, document
from toolkit.reports.comparison_figure import comparison_figure
from toolkit.reports.headline import ranked_members
from toolkit.reports.pair_table import pair_table
from toolkit.reports.repeats import REPEATS, averaged
from toolkit.reports.selection import belonging, ordered, parse_kinds, parse_metrics
from toolkit.reports.table import comparison_table, label_table, number, records, table_title
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import choose_progress
from toolkit.statistics.metrics import METRICS
from toolkit.storage.artifacts import artifacts_folder
from toolkit.storage.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


@dataclass(frozen=True, repr=False)
class Comparison:
    """The rows of a comparison, and the tables that show them.

    Attributes:
        dataset: the data set's name.
        split: the split's name.
        part: ``test`` or ``development``.
        images: how many images are scored.
        rows: the paper's, references', and ours; see :class:`~toolkit.reports.comparison.Row`.
        members: those of our rows.
        left_out: members that a pattern found and that are damaged: name to what is wrong.
    """

    dataset: str
    split: str
    part: str
    images: int
    rows: list[Row]
    members: list[Member]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What is compared on what; it says so where a mean is not over all labels."""
        return table_title(self.dataset, self.split, self.part, self.images, self.rows)

    def table(self, *, per_label: bool = False) -> Table:
        """Return the table, or average precision by label and member, as text in cells."""
        table = (label_table if per_label else comparison_table)(self.rows, self.title)
        return self._with_left_out(table)

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit compare --json``; what is undefined is None."""
        return document(self.dataset, self.split, self.rows, self.part, self.left_out)

    def pairs(self) -> Table | None:
        """Return differences in mAP between members, with intervals and Holm's p; None for one."""
        table = pair_table(self.rows, self.title)
        return None if table is None else self._with_left_out(table)

    def _with_left_out(self, table: Table) -> Table:
        """Name in a table's notes what is missing in it."""
        return replace(table, remark=". ".join(filter(None, (table.remark, self._missing))))

    @property
    def _missing(self) -> str:
        return f"Left out, as it is damaged: {listed(self.left_out)}" if self.left_out else ""

    def to_frame(self, *, per_label: bool = False) -> pd.DataFrame:
        """Return every figure: one line per row, or one per row and label."""
        import pandas as pd

        return pd.DataFrame(records(self.rows, per_label=per_label))

    def to_csv(self, *, per_label: bool = False, escape_formulas: bool = True) -> str:
        """Return the same as CSV; what is undefined is empty.

        Args:
            per_label: one line per row and label.
            escape_formulas: put an apostrophe before names that a spreadsheet would run.
        """
        found = records(self.rows, per_label=per_label)
        heads = list(found[0]) if found else ["name"]
        lines = [heads, *(list(line.values()) for line in found)]
        return csv_text(lines, neutral=escape_formulas)

    def to_markdown(self, *, per_label: bool = False) -> str:
        """Return the table as Markdown."""
        return self.table(per_label=per_label).to_markdown()

    def to_latex(self, *, per_label: bool = False) -> str:
        """Return the table as LaTeX, for the package booktabs."""
        return self.table(per_label=per_label).to_latex()

    def to_svg(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return a figure of mAP with intervals as SVG that loads nothing; write it to a file."""
        svg = comparison_figure(self.rows, self.title)
        if path is not None:
            write_bytes(Path(path), svg.encode())
        return svg

    def __repr__(self) -> str:
        """Return the title, and the best members with their mAP."""
        lines = [self.title]
        for row in ranked_members(self.rows)[:5]:
            pair = row.ci.get("map")
            interval = f" [{pair[0]:.3f}, {pair[1]:.3f}]" if pair else ""
            lines.append(f"  {row.name}: mAP {number(row.metrics['map'], 3)}{interval}")
        return "\n".join([*lines, *filter(None, (self._missing,))])

    def _repr_html_(self) -> str:
        return self.to_svg() + self.table().to_html()


@checked
def compare(
    data: Dataset | str | None = None,
    members: Wanted = "*",
    *,
    kind: str | Iterable[str] = "all",
    sort: str = "map",
    part: str = "test",
    paper: bool | None = None,
    metrics: str | Iterable[str] = "",
    repeats: str = "each",
    resamples: int = 1000,
    split: str = "paper",
    seed: int = 0,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Comparison:
    """Compare the paper's rows, predictors that ignore the image, and ours on held-out images.

    Args:
        data: a data set, or the name of one.
        members: names, patterns, or members in hand.
        kind: ``all``, or some of ``paper``, ``reference``, ``head``, ``multitask``, ``finetuned``
            and ``ensemble``.
        sort: the metric that the rows of a kind are sorted by.
        part: ``test``; or ``development`` for out-of-fold scores to make choices by.
        paper: show the paper's rows; None for where the labels are the paper's, or the kind is
            asked for.
        metrics: further ones to compute, of ``exact_match``, ``sample_f1``, ``micro_ap``,
            ``ranking_ap``, ``coverage_error``, ``one_error``, ``ece`` and ``brier``, or ``all``;
            see :mod:`toolkit.statistics.further_metrics`.
        repeats: ``each``; or ``mean`` for one row of members that differ in their seed alone,
            with the deviation over seeds; see :mod:`toolkit.reports.repeats`.
        resamples: of the images for intervals; 0 for none.
        split: ``paper``, ``stratified``, ``grouped`` or ``file``.
        seed: of the resamples.
        artifacts: where everything is kept.
        progress: where progress is shown.

    Raises:
        UsageError: an option is not among its choices, or there is no member of a name.
        ArtifactError: a member that was named is damaged; one that a pattern found is left out with
            a warning, and named in the tables.
        MemberError: a member that was named cannot be compared here.
    """
    check_choice("sort", sort, METRICS)
    check_choice("repeats", repeats, REPEATS)
    more, kinds = parse_metrics(metrics), parse_kinds(kind)
    resamples, seed = check_whole("resamples", resamples), check_whole("seed", seed)
    progress, folder = choose_progress(progress), artifacts_folder(artifacts)
    dataset = open_dataset(data, folder, progress)
    kinds = belonging(kinds, dataset.labels, paper)
    chosen = get_split(dataset, split, folder)
    damaged = dict[str, str]()
    found = comparable(
        *(dataset, chosen, folder, members), kinds=kinds, part=part, say=progress.say,
        damaged=damaged,
    )  # fmt: skip
    rows = compared_rows(
        dataset,
        chosen,
        found,
        paper="paper" in kinds,
        part=part,
        metrics=more,
        resamples=resamples,
        seed=seed,
        progress=progress,
    )
    if repeats == "mean":
        rows = averaged(rows, found, len(chosen.test) / len(chosen.development))
    images = len(chosen.test if part == "test" else chosen.development)
    rows = ordered(rows, sort, kinds)
    return Comparison(dataset.name, split, part, images, rows, found, damaged)


def comparable(
    dataset: Dataset,
    split: Split,
    artifacts: Path,
    wanted: Wanted,
    *,
    kinds: Sequence[str],
    part: str = "test",
    say: Callable[[str], None],
    damaged: dict[str, str] | None = None,
) -> list[Member]:
    """Return the members that are meant, without those that a pattern found and do not belong.

    ``damaged`` is given those that are left out as they are damaged, and what is wrong.

    Raises:
        UsageError: there is no member of a name.
        MemberError: a member that was named cannot be compared here.
    """

    def check(member: Member) -> None:
        held_out(dataset, split, member)
        if part == "development" and not len(developed(dataset, split, member).rows):
            raise MemberError(f"member {member.name} has no scores of development images")

    found, left_out = find_members(artifacts, wanted, kinds=kinds, check=check, damaged=damaged)
    if left_out:
        lack = "" if part == "test" else ", or without development scores"
        say(f"left out, made on another data set or split{lack}: {listed(left_out)}")
    return found
