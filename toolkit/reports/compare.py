"""Compare: the paper, predictors that ignore the image, and ours, on held-out images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.data.split import Split
from toolkit.data.split_store import get_split
from toolkit.errors import MemberError, UsageError, check_choice, listed
from toolkit.members.find import Wanted, find_members
from toolkit.members.held_out import developed, held_out
from toolkit.members.member import Member
from toolkit.pages.tables import html_table
from toolkit.paper.results import POSITIVES
from toolkit.reports import label_tables, table
from toolkit.reports.comparison import PARTS, Row, compared_rows, document
from toolkit.reports.comparison_figure import comparison_picture
from toolkit.reports.headline import ranked_members
from toolkit.reports.selection import SORTS, ordered, parse_kinds
from toolkit.runtime.progress import Progress, choose_progress
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
    """

    dataset: str
    split: str
    part: str
    images: int
    rows: list[Row]
    members: list[Member]

    @property
    def title(self) -> str:
        """What is compared on what; it says so where a mean is not over all labels."""
        title = f"{self.dataset}, split {self.split}: {self.images:,} {self.part} images"
        ours = ranked_members(self.rows)
        if ours:
            labels = ours[0].per_label
            lacking = [label for label, each in labels.items() if not each["support"]]
            if lacking:
                title += (
                    f"; mAP over {len(labels) - len(lacking)} of {len(labels)} labels, "
                    f"{len(lacking)} without positives here ({listed(lacking)})"
                )
        return title

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit compare --json``; what is undefined is None."""
        return document(self.dataset, self.split, self.rows, self.part)

    def to_frame(self, *, per_label: bool = False) -> pd.DataFrame:
        """Return one row per line of the table, or one per line and label."""
        import pandas as pd

        if per_label:
            return pd.DataFrame(
                {"name": row.name, "kind": row.kind, "label": label, **each}
                for row in self.rows
                for label, each in row.per_label.items()
            )
        return pd.DataFrame(
            {
                "name": row.name,
                "kind": row.kind,
                "source": row.source,
                **row.metrics,
                **{
                    f"{key}_{end}": pair[at] if pair else None
                    for key, pair in row.ci.items()
                    for at, end in enumerate(("low", "high"))
                },
            }
            for row in self.rows
        )

    def to_csv(self, *, per_label: bool = False) -> str:
        """Return the table as CSV."""
        return label_tables.csv_labels(self.rows) if per_label else table.csv_table(self.rows)

    def to_markdown(self, *, per_label: bool = False) -> str:
        """Return the table as Markdown."""
        if per_label:
            return label_tables.markdown_labels(self.rows)
        return table.markdown_table(self.rows)

    def to_latex(self, *, per_label: bool = False) -> str:
        """Return the table as LaTeX, for the package booktabs."""
        return label_tables.latex_labels(self.rows) if per_label else table.latex_table(self.rows)

    def to_svg(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return a figure of mAP with intervals as SVG that loads nothing; write it to a file."""
        svg = comparison_picture(self.rows, self.title)
        if path is not None:
            write_bytes(Path(path), svg.encode())
        return svg

    def __repr__(self) -> str:
        """Return the title, and the best members with their mAP."""
        lines = [self.title]
        for row in ranked_members(self.rows)[:5]:
            pair = row.ci.get("map")
            interval = f" [{pair[0]:.3f}, {pair[1]:.3f}]" if pair else ""
            lines.append(f"  {row.name}: mAP {table.number(row.metrics['map'], 3)}{interval}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        heads = ["", "group", *(column.short for column in table.COLUMNS)]
        lines = [
            [table.short_title(row), row.group, *(cell.text for cell in table.cells(row))]
            for row in self.rows
        ]
        return self.to_svg() + html_table(heads, lines, self.title)


def compare(
    data: Dataset | str | None = None,
    members: Wanted = "*",
    *,
    kind: str | Iterable[str] = "all",
    sort: str = "map",
    part: str = "test",
    paper: bool | None = None,
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
        paper: show the paper's rows; None for where the labels are the paper's.
        resamples: of the images for intervals; 0 for none.
        split: ``paper``, ``stratified``, ``grouped`` or ``file``.
        seed: of the resamples.
        artifacts: where everything is kept.
        progress: where progress is shown.

    Raises:
        UsageError: an option is not among its choices, or there is no member of a name.
        MemberError: a member that was named cannot be compared here.
    """
    kinds = parse_kinds(kind)
    check_choice("sort", sort, SORTS)
    check_choice("part", part, PARTS)
    if resamples < 0:
        raise UsageError(f"resamples: expected 0 or more, found {resamples}")
    told, folder = choose_progress(progress), artifacts_folder(artifacts)
    dataset = open_dataset(data, folder, told)
    if not (set(dataset.labels) == set(POSITIVES) if paper is None else paper):
        kinds = tuple(each for each in kinds if each != "paper")
    chosen = get_split(dataset, split, folder)
    found = comparable(dataset, chosen, folder, members, kinds=kinds, part=part, say=told.say)
    rows = score_rows(
        dataset, chosen, found, part=part, resamples=resamples, seed=seed, progress=told
    )
    images = len(chosen.test if part == "test" else chosen.development)
    return Comparison(dataset.name, split, part, images, ordered(rows, sort, kinds), found)


def comparable(
    dataset: Dataset,
    split: Split,
    artifacts: Path,
    wanted: Wanted,
    *,
    kinds: Sequence[str],
    part: str = "test",
    say: Callable[[str], None],
) -> list[Member]:
    """Return the members that are meant, without those that a pattern found and do not belong.

    Raises:
        UsageError: there is no member of a name.
        MemberError: a member that was named cannot be compared here.
    """

    def check(member: Member) -> None:
        held_out(dataset, split, member)
        if part == "development" and not len(developed(dataset, split, member).rows):
            raise MemberError(f"member {member.name} has no scores of development images")

    found, left_out = find_members(artifacts, wanted, kinds=kinds, check=check)
    if left_out:
        lack = "" if part == "test" else ", or without development scores"
        say(f"left out, made on another data set or split{lack}: {listed(left_out)}")
    return found


def score_rows(
    dataset: Dataset,
    split: Split,
    members: Sequence[Member],
    *,
    part: str = "test",
    resamples: int,
    seed: int,
    progress: Progress,
) -> list[Row]:
    """Return the paper's rows, the references' and the members'."""
    with progress.task("scoring", len(members)) as task:
        rows = compared_rows(
            dataset,
            split,
            members,
            part=part,
            resamples=resamples,
            seed=seed,
            on_member=task.advance,
        )
    least = 2 * len(members) / (1 + resamples)
    if resamples and least > 0.05:
        progress.say(
            f"{resamples} resamples of {len(members)} members: Holm's p cannot fall below "
            f"{least:.2g}; resamples={40 * len(members)} lets it reach 0.05"
        )
    return rows
