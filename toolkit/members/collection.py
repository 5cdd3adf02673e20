"""The members kept under an artifacts folder."""

from __future__ import annotations

import os

from toolkit.errors import check_choice
from toolkit.members import member as files
from toolkit.members.member import Member
from toolkit.runtime.arguments import checked
from toolkit.statistics.metrics import METRICS
from toolkit.storage.artifacts import artifacts_folder


@checked
def list_members(
    data: str | None = None,
    *,
    sort: str = "map",
    artifacts: str | os.PathLike[str] | None = None,
) -> list[Member]:
    """Return all members and ensembles, those of a data set and split together.

    Args:
        data: name of the data set that they were made on; None for any.
        sort: the metric on development images that they are sorted by, the highest first;
            or ``name``, for natural order whatever they were made on.
        artifacts: where everything is kept.

    Raises:
        UsageError: ``sort`` is not among its choices.
        ArtifactError: one is damaged, or was made by another version.
    """
    check_choice("sort", sort, ("name", *METRICS))
    folder = artifacts_folder(artifacts)
    found = [files.load_member(folder, name) for name in files.list_members(folder)]
    kept = [each for each in found if data in (None, each.dataset)]
    return kept if sort == "name" else sorted(kept, key=lambda each: _place(each, sort))


def _place(member: Member, sort: str) -> tuple[str, str, float]:
    value = member.metrics.get(sort)
    return member.dataset, member.split, 1.0 if value is None else -value


@checked
def load_member(name: str, *, artifacts: str | os.PathLike[str] | None = None) -> Member:
    """Return the member of that name, every one of its files checked.

    Args:
        name: of a member or an ensemble.
        artifacts: where everything is kept.

    Raises:
        UsageError: there is none of this name; those there are are listed.
        ArtifactError: it is damaged, or was made by another version.
    """
    return files.load_member(artifacts_folder(artifacts), name)
