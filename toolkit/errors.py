"""The named errors of the library; the command line turns each into one sentence and a code."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable
from typing import SupportsIndex


class ToolkitError(Exception):
    """Something the user can act on: the message says what is wrong, where, and what to do."""

    exit_code = 1


class UsageError(ToolkitError):
    """An option or a name was wrong; the message lists the valid choices."""

    exit_code = 2


class DataError(ToolkitError):
    """Images, label files or a data set are not what they must be."""


class WeightsError(ToolkitError):
    """A backbone's weights cannot be had or do not fit."""


class ArtifactError(ToolkitError):
    """Something under the artifacts folder is missing, damaged, or of another format version."""


class MemberError(ToolkitError):
    """Members cannot be combined or compared: the message names the member and the difference."""


class ExportError(ToolkitError):
    """A model cannot be written in a format; the message says why, and the way on."""


class FetchError(ToolkitError):
    """A download could not be completed or did not verify."""


class ClusterError(ToolkitError):
    """A cluster cannot be had, cannot run the work, or lost it more often than it is tried."""


class LeftOutWarning(UserWarning):
    """Something that was meant was left out; a command that says so ends with exit code 3."""


STOPPED = "stopped; what was done is kept, and the same call goes on from there"


class StoppedError(ToolkitError):
    """Work was asked to stop; what was done is kept, and the same call goes on from there."""

    exit_code = 128 + 15


ROOM = 48  # letters of a label that a sentence has room for


def shortened(name: str, room: int = ROOM) -> str:
    """Return a name whose middle is left out where it is longer than a sentence has room for.

    >>> shortened("a very long name", 9)
    'a ve…name'
    """
    half = (room - 1) // 2
    return name if len(name) <= room else f"{name[: room - 1 - half]}…{name[-half:]}"


def listed(items: Iterable[object], limit: int = 5) -> str:
    """Join the first few items for a message, and count the rest.

    >>> listed(["a", "b"])
    'a, b'
    >>> listed(range(7), limit=3)
    '0, 1, 2 and 4 more'
    """
    names = [str(item) for item in items]
    shown = ", ".join(names[:limit])
    rest = len(names) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def listed_labels(items: Iterable[str], limit: int = 5) -> str:
    """Join the first few labels for a sentence, very long ones shortened, and count the rest."""
    return listed((shortened(item) for item in items), limit)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "member"), counted(2000, "image")
    ('1 member', '2,000 images')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


LARGEST = 2**32 - 1  # what random generators take as a seed


def check_whole(name: str, value: object, low: int = 0) -> int:
    """Return a whole number, NumPy's too, as an ``int``; raise UsageError if it is none.

    Args:
        name: of the option, for the message.
        value: what was given.
        low: the smallest that is allowed; the largest is :data:`LARGEST`.

    >>> check_whole("seed", -1)
    Traceback (most recent call last):
    toolkit.errors.UsageError: seed: expected a whole number from 0, found -1
    """
    whole = not isinstance(value, bool) and isinstance(value, SupportsIndex)
    if not whole or operator.index(value) < low:  # type: ignore[arg-type]
        raise UsageError(f"{name}: expected a whole number from {low}, found {value!r}")
    if operator.index(value) > LARGEST:  # type: ignore[arg-type]
        raise UsageError(f"{name}: expected a whole number up to {LARGEST}, found {value!r}")
    return operator.index(value)  # type: ignore[arg-type]


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise UsageError, naming the choices, if a value is not one of them.

    >>> check_choice("crop", "middle", ["center", "full"])
    Traceback (most recent call last):
    toolkit.errors.UsageError: crop: expected center or full, found 'middle'
    """
    if value not in choices:
        *others, last = choices
        known = f"{', '.join(others)} or {last}" if others else last
        raise UsageError(f"{name}: expected {known}, found {value!r}")
