"""Chosen rows: the members that a comparison or a report is about, and their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.cli.options import Run

if TYPE_CHECKING:
    from toolkit.data.dataset import Dataset
    from toolkit.data.split import Split
    from toolkit.members.member import Member
    from toolkit.reports.comparison import Row


@dataclass(frozen=True)
class Chosen:
    """Members, and the rows of the paper, of references and of those members."""

    members: list[Member]
    rows: list[Row]


def choose_rows(
    run: Run,
    dataset: Dataset,
    split: Split,
    wanted: str,
    *,
    kinds: tuple[str, ...],
    on: str = "test",
    resamples: int,
    seed: int,
) -> Chosen:
    """Load and score the members that names and globs ask for, passing over what does not belong.

    Raises:
        UsageError: a name is unknown.
        MemberError: a member asked for by its very name cannot be compared here.
    """
    from fnmatch import fnmatchcase

    from toolkit.errors import MemberError, UsageError, listed
    from toolkit.members.member import list_members, load_member
    from toolkit.reports.comparison import compare
    from toolkit.reports.held_out import developed, held_out

    patterns = [pattern.strip() for pattern in wanted.split(",") if pattern.strip()]
    there = list_members(run.artifacts)
    unknown = [each for each in patterns if not set(each) & set("*?[") and each not in there]
    if unknown:
        known = listed(there, 12) if there else "none yet"
        raise UsageError(f"no member named {listed(unknown)}; there are: {known}")
    chosen, others = [], []
    for name in there:
        if not any(fnmatchcase(name, pattern) for pattern in patterns):
            continue
        member = load_member(run.artifacts, name)
        if member.kind not in kinds:
            continue
        try:
            held_out(dataset, split, member)
            if on == "development" and not len(developed(dataset, split, member).rows):
                raise MemberError(f"member {name} has no scores of development images")
        except MemberError:
            if name in patterns:
                raise
            others.append(name)
        else:
            chosen.append(member)
    if others:
        lack = "" if on == "test" else ", or without development scores"
        run.say(f"left out, made on another data set or split{lack}: {listed(others)}")
    with run.progress("scoring") as (start, advance):
        start(len(chosen))
        rows = compare(
            dataset, split, chosen, on=on, resamples=resamples, seed=seed, on_member=advance
        )
    least = 2 * len(chosen) / (1 + resamples)
    if resamples and least > 0.05:
        run.say(
            f"{resamples} resamples of {len(chosen)} members: Holm's p cannot fall below "
            f"{least:.2g}; --resamples {40 * len(chosen)} lets it reach 0.05"
        )
    return Chosen(chosen, rows)
