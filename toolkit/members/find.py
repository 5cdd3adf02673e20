"""Which members are meant, by names, patterns such as ``mlp-*``, or members in hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Iterable
from pathlib import Path

from toolkit.errors import ArtifactError, LeftOutWarning, MemberError, UsageError, listed
from toolkit.members.member import KINDS, Member, list_members, load_member
from toolkit.storage.files import natural_key
from toolkit.storage.names import matches, names_of

Wanted = str | Member | Iterable[str | Member]


def find_members(
    artifacts: Path,
    wanted: Wanted,
    *,
    kinds: Container[str] = KINDS,
    check: Callable[[Member], None] = lambda member: None,
    damaged: dict[str, str] | None = None,
) -> tuple[list[Member], list[str]]:
    """Return the members that are meant, in the natural order of their names.

    Args:
        artifacts: the artifacts folder.
        wanted: names and patterns, as ``"a,mlp-*"`` or as a list, in which members may stand too;
            ``all`` is ``*``. One that a pattern finds and that is damaged is left out with a
            warning.
        kinds: the kinds that a pattern finds; what is named is found whatever its kind.
        check: raises :class:`MemberError` for a member that does not belong to what it is wanted
            for: one found by a pattern is then left out.
        damaged: is given the names of damaged members that are left out, and what is wrong.

    Returns:
        The members, and the names of those left out by ``check``.

    Raises:
        UsageError: nothing is named, or there is no member of a name or pattern other than ``*``.
        ArtifactError: a member that was named is damaged.
        MemberError: by ``check``, for a member that was named.
    """
    each = [wanted] if isinstance(wanted, Member) else wanted
    listing = names_of(each) if isinstance(each, str) else list(each)
    found = {given.name: given for given in listing if isinstance(given, Member)}
    asked = [name for given in listing if isinstance(given, str) for name in names_of(given)]
    asked = ["*" if name == "all" else name for name in asked]
    if not found and not asked:
        raise UsageError(
            "members: expected names, patterns such as mlp-*, or members in hand, found none; '*' "
            "is every one"
        )
    there = list_members(artifacts) if asked else []
    unknown = [name for name in asked if name != "*" and not any(matches(n, [name]) for n in there)]
    if unknown:
        known = listed(there, 12) if there else "none yet; ovr makes one"
        raise UsageError(f"no member named {listed(unknown)}; there are: {known}")
    for member in found.values():
        check(member)
    left_out = []
    for name in there:
        if name in found or not matches(name, asked):
            continue
        try:
            member = load_member(artifacts, name)
        except ArtifactError as error:
            if name in asked:
                raise
            warnings.warn(LeftOutWarning(f"left out, {error}"), stacklevel=2)
            if damaged is not None:
                damaged[name] = str(error)
            continue
        if name not in asked and member.kind not in kinds:
            continue
        try:
            check(member)
        except MemberError:
            if name in asked:
                raise
            left_out.append(name)
        else:
            found[name] = member
    return sorted(found.values(), key=lambda member: natural_key(member.name)), left_out


def home_of(wanted: Wanted) -> Path | None:
    """Return the artifacts folder that members in hand lie in, None if there are none in hand.

    Raises:
        UsageError: they lie in several.
    """
    each = [wanted] if isinstance(wanted, Member) else wanted
    homes = {given.folder.parent.parent for given in each if isinstance(given, Member)}
    if len(homes) > 1:
        raise UsageError(
            f"expected members of one artifacts folder, found members in {listed(sorted(homes))}"
        )
    return next(iter(homes), None)
