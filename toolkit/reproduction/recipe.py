"""Recipes: strict TOML that holds what differs from the defaults."""

from __future__ import annotations

import difflib
import itertools
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import UsageError


def load_recipe(path: Path, known: Mapping[str, Collection[str]]) -> list[dict[str, Any]]:
    """Read a recipe: an array of tables ``[[step]]``, each with a ``command`` and its options.

    Options listed under ``each`` make a step for every combination of their values.

    Args:
        path: the TOML file.
        known: for each command the option names that it takes.

    Returns:
        One dict a step, ``command`` among its keys.

    Raises:
        UsageError: the file is not a recipe, or names an unknown command or key; the known ones
            are listed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows write a byte-order mark
        recipe = tomllib.loads(text)
    except FileNotFoundError as error:
        raise UsageError(f"there is no recipe {path}: check the path") from error
    except OSError as error:
        raise UsageError(f"recipe {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"recipe {path} is not TOML: {error}") from error
    unknown = sorted(set(recipe) - {"step"})
    if unknown:
        raise UsageError(f"recipe {path}: unknown key {unknown[0]!r}; a recipe holds [[step]]s")
    steps = recipe.get("step")
    if not isinstance(steps, list) or not steps:
        raise UsageError(f"recipe {path} has no [[step]]: give at least one")
    found = []
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, dict):
            raise UsageError(f"recipe {path}, step {number}, is no table: write it as [[step]]")
        for each in _expanded(step, f"recipe {path}, step {number}"):
            _check(each, known, f"recipe {path}, step {number}")
            found.append(each)
    return found


def _expanded(step: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """Return a step for each combination of the values listed under ``each``, or the step."""
    plain = {key: value for key, value in step.items() if key != "each"}
    each = step.get("each", {})
    if not isinstance(each, dict) or not all(isinstance(v, list) and v for v in each.values()):
        raise UsageError(f"{where}: expected lists of values under each, found {each!r}")
    twice = sorted(set(plain) & set(each))
    if twice:
        raise UsageError(f"{where}: {twice[0]!r} stands by itself and under each: remove one")
    return [
        plain | dict(zip(each, values, strict=True)) for values in itertools.product(*each.values())
    ]


def _check(step: Mapping[str, Any], known: Mapping[str, Collection[str]], where: str) -> None:
    command = step.get("command")
    if not isinstance(command, str) or command not in known:
        raise UsageError(f"{where}: command {command!r} is not one of {', '.join(sorted(known))}")
    for key in step:
        if key != "command" and key not in known[command]:
            near = difflib.get_close_matches(key, known[command], n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(
                f"{where}: unknown key {key!r}; {hint}"
                f"{command} takes {', '.join(sorted(known[command]))}"
            )
