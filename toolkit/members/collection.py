"""The members kept under an artifacts folder."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping

from toolkit.errors import ArtifactError, check_choice
from toolkit.members import member as files
from toolkit.members.member import Member
from toolkit.runtime.arguments import checked
from toolkit.statistics.metrics import METRICS
from toolkit.storage.artifacts import artifacts_folder


class MemberList(list[Member]):
    """Members, and those that cannot be read.

    Attributes:
        damaged: name to reason.
    """

    def __init__(self, members: Iterable[Member] = (), damaged: Mapping[str, str] | None = None):
        super().__init__(members)
        self.damaged: dict[str, str] = dict(damaged or {})


@checked
def list_members(
    data: str | None = None,
    *,
    sort: str = "map",
    artifacts: str | os.PathLike[str] | None = None,
) -> MemberList:
    """Return all members and ensembles, those of a data set and split together.

    One that is damaged, or was made by another version, is named in ``damaged`` of what is
    returned, with a warning.

    Args:
        data: name of the data set that they were made on; None for any.
        sort: the metric on development images that they are sorted by, the highest first;
            or ``name``, for natural order whatever they were made on.
        artifacts: where everything is kept.

    Raises:
        UsageError: ``sort`` is not among its choices.
    """
    check_choice("sort", sort, ("name", *METRICS))
    folder = artifacts_folder(artifacts)
    kept, damaged = list[Member](), dict[str, str]()
    for name in files.list_members(folder):
        try:
            member = files.load_member(folder, name)
            _place(member, sort)  # reads its metrics
        except ArtifactError as error:
            damaged[name] = str(error)
            warnings.warn(f"left out, {error}", stacklevel=2)
            continue
        if data in (None, member.dataset):
            kept.append(member)
    if sort != "name":
        kept.sort(key=lambda each: _place(each, sort))
    return MemberList(kept, damaged)


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
