"""Options: read from text, and checked with messages that say what was expected."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from toolkit.errors import UsageError, listed


def check_ranges(given: object, ranges: Mapping[str, str]) -> None:
    """Check attributes that are numbers.

    Args:
        given: has them.
        ranges: names, separated by spaces, by interval such as ``[0, 1)``; after ``int`` for whole
            numbers, and before ``or None`` where None is allowed.

    Raises:
        ValueError: one is no number or lies outside its interval.

    >>> from types import SimpleNamespace as Given
    >>> check_ranges(Given(epochs=0, alpha=None), {"(0, 1) or None": "alpha"})
    >>> check_ranges(Given(epochs=0, alpha=None), {"int [1, inf)": "epochs"})
    Traceback (most recent call last):
    ValueError: epochs: expected a whole number in [1, inf), found 0
    """
    for text, names in ranges.items():
        whole, interval = text.startswith("int "), text.removeprefix("int ")
        ends = interval.removesuffix(" or None")
        low, high = (float(end) for end in ends[1:-1].split(","))
        for name in names.split():
            value: Any = getattr(given, name)
            if value is None and ends != interval:
                continue
            number = not isinstance(value, bool | str) and hasattr(
                value, "__index__" if whole else "__float__"
            )
            above = number and (value > low or (ends[0] == "[" and value == low))
            below = number and (value < high or (ends[-1] == "]" and value == high))
            if not (above and below):
                kind = "whole number" if whole else "number"
                raise ValueError(f"{name}: expected a {kind} in {interval}, found {value!r}")


def check_choices(given: object, **choices: Sequence[object]) -> None:
    """Check attributes that have one of a few values.

    Raises:
        ValueError: one has another; the choices are listed.
    """
    for name, known in choices.items():
        value = getattr(given, name)
        if not isinstance(value, str | bool | None) or value not in known:
            listed = ", ".join(map(repr, known))
            raise ValueError(f"{name}: expected one of {listed}, found {value!r}")


def check_names(
    what: str, given: Collection[str], known: Collection[str], renamed: Mapping[str, str]
) -> None:
    """Check the names of options.

    Args:
        what: has the options, for the message.
        given: names.
        known: the options there are.
        renamed: today's name by an earlier one.

    Raises:
        UsageError: a name is unknown; today's name, or near ones, are given.
    """
    for name in given:
        if name in known:
            continue
        if renamed.get(name) in known:
            raise UsageError(f"{name} is now called {renamed[name]}")
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{what} has no option {name!r}; {hint}it takes {', '.join(known)}")


def parse_options(settings: Mapping[str, Any] | Iterable[str] | None) -> dict[str, Any]:
    """Return settings given by name, or read from ``key=value`` texts.

    Values in texts are numbers, True, False, None, lists, or plain words.

    ``true`` and ``false`` are True and False, as in TOML.

    Raises:
        UsageError: a text has no ``=``, or a name is no text.

    >>> parse_options(["gamma=2", "loss=focal", "Cs=[0.1, 1]"])
    {'gamma': 2, 'loss': 'focal', 'Cs': [0.1, 1]}
    >>> parse_options("epochs=2")
    {'epochs': 2}
    """
    if settings is None or isinstance(settings, Mapping):
        given = dict(settings or {})
        if not all(isinstance(key, str) for key in given):
            raise UsageError(f"set: expected names of settings, found {listed(given)}")
        # numbers and arrays of NumPy are kept as Python's, which recipes can hold
        return {
            key: value.tolist() if hasattr(value, "tolist") else value
            for key, value in given.items()
        }
    options: dict[str, Any] = {}
    for setting in [settings] if isinstance(settings, str) else settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"set: expected key=value, found {setting!r}")
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            word = text.strip()
            value = {"true": True, "false": False}.get(word, word)
        options[key.strip()] = value
    return options
