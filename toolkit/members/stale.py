"""Members that were fitted on labels that a data set had before a person's corrections."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from toolkit.data.dataset import Dataset
from toolkit.errors import ToolkitError
from toolkit.members.member import Member, list_members, load_member


def earlier_digests(dataset: Dataset) -> set[str]:
    """Return digests of the data sets that a data set is the corrected version of."""
    return {str(each["from_digest"]) for each in dataset.provenance.get("corrections", ())}


def said_other(member: Member, dataset: Dataset) -> str:
    """Return the sentence for a member of other data, or of labels that were since corrected."""
    if member.scored.dataset_digest in earlier_digests(dataset):
        return (
            f"member {member.name} is stale: it was made on the labels of {dataset.name} before "
            f"they were corrected; make it again with --data {dataset.name}"
        )
    return (
        f"member {member.name} was made on another data set than {dataset.name} (or on other "
        "labels or pairing): leave it out or make it again"
    )


def stale_members(artifacts: Path, digests: Iterable[str]) -> list[str]:
    """Return names of members made on data sets of these digests, in natural order.

    A member that cannot be read is passed over: it is refused wherever it is used.
    """
    wanted, found = set(digests), []
    for name in list_members(artifacts):
        try:
            if load_member(artifacts, name).scored.dataset_digest in wanted:
                found.append(name)
        except ToolkitError:
            continue
    return found
