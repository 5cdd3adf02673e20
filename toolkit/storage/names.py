"""Names that a user lists: separated by commas in a shell, a list in Python or in a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from toolkit.errors import UsageError


def names_of(value: str | Iterable[str] | None) -> list[str]:
    """Return the names in a text separated by commas, or in a list, without blanks.

    >>> names_of("a, b,")
    ['a', 'b']
    >>> names_of(["a", "b"])
    ['a', 'b']
    """
    if value is None:
        return []
    each = value.split(",") if isinstance(value, str) else value
    if not isinstance(each, Iterable) or not all(isinstance(name, str) for name in each):
        raise UsageError(f"expected a name or several, found {value!r}")
    return [name.strip() for name in each if name.strip()]


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name is one of the patterns, or matches one."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
