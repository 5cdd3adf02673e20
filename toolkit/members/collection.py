"""The members kept under an artifacts folder."""

from __future__ import annotations

import os

from toolkit.members import member as files
from toolkit.members.member import Member
from toolkit.runtime.arguments import checked
from toolkit.storage.artifacts import artifacts_folder


@checked
def list_members(
    data: str | None = None, *, artifacts: str | os.PathLike[str] | None = None
) -> list[Member]:
    """Return all members and ensembles, in natural order of their names.

    Args:
        data: name of the data set that they were made on; None for any.
        artifacts: where everything is kept.

    Raises:
        ArtifactError: one is damaged, or was made by another version.
    """
    folder = artifacts_folder(artifacts)
    found = [files.load_member(folder, name) for name in files.list_members(folder)]
    return [each for each in found if data in (None, each.dataset)]


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
