"""The recipes that ship, by name; a result of the paper is one too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import toolkit
from toolkit.errors import UsageError, listed
from toolkit.paper.results import RESULTS
from toolkit.reproduction.recipe import load_recipe

_PROTOCOLS = ("published", "corrected")


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that ship, by name, such as ``demo`` and ``future/heads``."""
    package = Path(toolkit.__file__).parent
    # in a wheel they lie inside the package, in a checkout beside it
    for folder in (package / "recipes", package.parent / "recipes"):
        if folder.is_dir():
            files = sorted(folder.rglob("*.toml"))
            return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}
    return {}


def find_recipe(name: str, known: Mapping[str, Collection[str]]) -> list[dict[str, Any]]:
    """Return the steps of a recipe.

    Args:
        name: the path of a TOML file; the name of a recipe that ships; or the key of a result of
            the paper, such as ``table3/6``, for its protocol as published and corrected.
        known: see :func:`~toolkit.reproduction.recipe.load_recipe`.

    Raises:
        UsageError: there is no such recipe, or it is not one.
    """
    if Path(name).is_file() or name.endswith(".toml"):
        return load_recipe(Path(name), known)
    if name in RESULTS:
        return [{"command": "finetune", "row": name, "protocol": each} for each in _PROTOCOLS]
    shipped = shipped_recipes()
    if name not in shipped:
        raise UsageError(
            f"recipe: expected a TOML file, a result of the paper such as table3/6, or one of "
            f"{listed(shipped, 20)}, found {name!r}"
        )
    return load_recipe(shipped[name], known)
