"""Making a member: one command at a time, and none that need not be made again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.options import Run

if TYPE_CHECKING:
    from toolkit.members.member import Member


@contextmanager
def making(
    run: Run,
    name: str,
    inputs: str,
    overwrite: bool,
    folder: Path,
    clear: Callable[[], None],
    pattern: str = "*",
) -> Iterator[Member | None]:
    """Yield the member of that name where it is up to date, else None and the right to make it.

    Of several commands that would make it, one does; the others wait for it, and find it made.

    Args:
        run: the invocation.
        name: the member's name.
        inputs: digest of recipe and inputs.
        overwrite: make it in any case.
        folder: holds what is done of an unfinished member; the lock lies beside it.
        clear: removes what is no longer wanted there once the member is whole; also called where a
            kill came after the member was whole and before that.
        pattern: of what ``clear`` removes.

    Raises:
        UsageError: a member of that name was made from something else.
    """
    from filelock import Timeout

    from toolkit.storage.files import locked

    there = _made_before(run, name, inputs, overwrite)
    if there is None or any(folder.glob(pattern)):
        lock = locked(folder.with_name(f".{folder.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            run.say(f"another command is making {name}: waiting for it to end")
            lock.acquire()
        try:
            there = _made_before(run, name, inputs, overwrite)
            if there is None:
                yield None
            clear()
        finally:
            lock.release()
    if there is not None:
        run.say(f"member {name} is up to date (--overwrite makes it again)")
        yield there


def _made_before(run: Run, name: str, inputs: str, overwrite: bool) -> Member | None:
    from toolkit.errors import UsageError
    from toolkit.members.member import list_members, load_member

    if overwrite or name not in list_members(run.artifacts):
        return None
    there = load_member(run.artifacts, name)
    if there.inputs != inputs:
        raise UsageError(
            f"a member named {name!r} was made from another recipe or data set: choose another "
            "--name, or replace it with --overwrite"
        )
    return there
