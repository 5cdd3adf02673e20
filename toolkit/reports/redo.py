"""Redo: the recipe that makes the members of a report again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from toolkit.members.member import Member
from toolkit.storage.toml import dump_toml

_SETTINGS = ("options", "settings")


def redo_recipe(members: Sequence[Member], known: Mapping[str, Collection[str]]) -> str:
    """Return a recipe (TOML) for ``toolkit reproduce``, ensembles after what they are made of.

    Args:
        members: whose resolved recipes are gathered.
        known: for each command the keys that a recipe may hold; other facts are left out.
    """
    order = sorted(members, key=lambda member: member.kind == "ensemble")
    return dump_toml({"step": [_step(member, known) for member in order]})


def _step(member: Member, known: Mapping[str, Collection[str]]) -> dict[str, Any]:
    recipe = member.recipe()
    command = str(recipe["command"])
    step: dict[str, Any] = {"command": command, "name": member.name}
    keys = set(known.get(command, ()))
    step |= {k: v for k, v in recipe.items() if k in keys and k not in step}
    settings = [
        f"{key}={value!r}"
        for name in _SETTINGS
        for key, value in dict(recipe.get(name, {})).items()
        if not isinstance(value, dict)
    ]
    return step | ({"set": settings} if settings and "set" in keys else {})
