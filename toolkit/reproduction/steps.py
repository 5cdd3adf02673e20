"""Steps: what a recipe may ask for, and each as a call of a verb."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from toolkit.ensembles.ensemble import ensemble
from toolkit.features.embed import embed
from toolkit.members.finetuned import finetune
from toolkit.members.frozen import ovr
from toolkit.members.multitask import ablate_tasks, multitask
from toolkit.reports.compare import compare

VERBS: dict[str, Callable[..., Any]] = {
    "embed": embed,
    "ovr": ovr,
    "finetune": finetune,
    "multitask": multitask,
    "ablate": ablate_tasks,
    "ensemble": ensemble,
    "compare": compare,
}
# these belong to the invocation, not to a recipe
_INVOCATION = frozenset({"data", "artifacts", "progress", "on"})


def known_keys() -> dict[str, list[str]]:
    """Return, for each command that a recipe may hold, the keys that it takes."""
    return {
        name: sorted(set(inspect.signature(verb).parameters) - _INVOCATION)
        for name, verb in VERBS.items()
    }
