"""Reuse: a member that is up to date is not made again, and one command at a time makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from toolkit.errors import UsageError
from toolkit.members.member import Member, list_members, load_member
from toolkit.storage.files import locked, safe_name

Say = Callable[[str], None]


@contextmanager
def reuse_or_make(
    artifacts: Path,
    name: str,
    inputs: str,
    *,
    overwrite: bool,
    folder: Path,
    clear: Callable[[], None],
    pattern: str = "*",
    say: Say,
) -> Iterator[Member | None]:
    """Yield the member of that name where it is up to date, else None and the right to make it.

    Of several that would make it, one does; the others wait for it, and find it made.

    Args:
        artifacts: the artifacts folder.
        name: the member's name.
        inputs: digest of recipe and inputs.
        overwrite: make it in any case.
        folder: holds what is done of an unfinished member; the lock lies beside it.
        clear: removes what is no longer wanted there once the member is whole; also called where a
            kill came after the member was whole and before that.
        pattern: of what ``clear`` removes.
        say: is given remarks.

    Raises:
        UsageError: a member of that name was made from something else.
    """
    there = made_before(artifacts, name, inputs, overwrite=overwrite)
    if there is None or any(folder.glob(pattern)):
        lock = locked(folder.with_name(f".{folder.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"another process is making {name}: waiting for it to end")
            lock.acquire()
        try:
            there = made_before(artifacts, name, inputs, overwrite=overwrite)
            if there is None:
                yield None
            clear()
        finally:
            lock.release()
    if there is not None:
        say(f"member {name} is up to date (overwrite makes it again)")
        yield there


def default_name(artifacts: Path, name: str, dataset: str) -> str:
    """Return a name for a member of a data set, with the data set's where another's has the name.

    Raises:
        UsageError: it cannot be a folder's name.
        ArtifactError: the member of that name is damaged.
    """
    safe_name(name, "member name")
    if name not in list_members(artifacts):
        return name
    same = load_member(artifacts, name).dataset == dataset
    return name if same else safe_name(f"{name}-{dataset}", "member name")


def made_before(artifacts: Path, name: str, inputs: str, *, overwrite: bool) -> Member | None:
    """Return the member of that name if it was made from the same inputs, None if there is none.

    Raises:
        UsageError: it was made from something else.
    """
    if overwrite or name not in list_members(artifacts):
        return None
    there = load_member(artifacts, name)
    if there.inputs != inputs:
        raise UsageError(
            f"a member named {name!r} was made from other inputs (recipe, members or data set): "
            "choose another name, or replace it with --overwrite (overwrite=True)"
        )
    return there
