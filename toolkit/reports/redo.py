"""Redo: the recipe that makes the members of a report again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.heads.registry import ELSEWHERE
from toolkit.members.member import Member
from toolkit.storage.toml import dump_toml

# facts of a resolved recipe that are no options: what the others determine
_DERIVED = frozenset({"command", "name", "options", "settings", "tasks"})


def redo_recipe(members: Sequence[Member]) -> str:
    """Return a recipe (TOML) for ``toolkit reproduce``, ensembles after what they are made of."""
    order = sorted(members, key=lambda member: member.kind == "ensemble")
    return dump_toml({"step": [_step(member) for member in order]})


def _step(member: Member) -> dict[str, Any]:
    recipe = member.recipe()
    command = str(recipe["command"])
    step: dict[str, Any] = {"command": command, "name": member.name}
    derived = _DERIVED if command != "multitask" else _DERIVED | {"head"}
    step |= {key: value for key, value in recipe.items() if key not in derived}
    settings = {
        key: value
        for name in ("options", "settings")
        for key, value in dict(recipe.get(name, {})).items()
        if not isinstance(value, dict) and key not in ELSEWHERE
    }
    return step | ({"set": settings} if settings else {})
