"""Steps: what a recipe may ask for, and each as a call of a verb."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toolkit.ensembles.ensemble import ensemble
from toolkit.features.backbones import DEFAULT
from toolkit.features.embed import embed
from toolkit.members.finetuned import finetune
from toolkit.members.frozen import ovr
from toolkit.members.multitask import ablate_tasks, multitask
from toolkit.reports.compare import compare
from toolkit.storage.names import names_of

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
_INVOCATION = frozenset({"data", "artifacts", "progress", "on", "workers"})


def known_keys() -> dict[str, list[str]]:
    """Return, for each command that a recipe may hold, the keys that it takes."""
    return {
        name: sorted(set(inspect.signature(verb).parameters) - _INVOCATION)
        for name, verb in VERBS.items()
    }


_MAKERS = ("ovr", "finetune", "multitask", "ensemble")


def needed(steps: Sequence[Mapping[str, Any]]) -> list[tuple[int, ...]]:
    """Return, for each step, the numbers of the earlier ones that must be done before it.

    A comparison or an ensemble needs the steps before it that make members; what reads embeddings
    needs the steps before it that embed with one of its backbones. All else depends on nothing.

    >>> made = {"command": "ovr", "head": "mlp"}
    >>> needed([{"command": "embed"}, made, dict(made, head="linear"), {"command": "compare"}])
    [(), (0,), (0,), (1, 2)]
    """
    found = []
    for number, step in enumerate(steps):
        earlier = list(enumerate(steps[:number]))
        if step["command"] in ("ensemble", "compare"):
            needs = [at for at, each in earlier if each["command"] in _MAKERS]
        else:
            own = _backbones(step)
            needs = [
                at for at, each in earlier if each["command"] == "embed" and own & _backbones(each)
            ]
        found.append(tuple(needs))
    return found


def _backbones(step: Mapping[str, Any]) -> set[str]:
    key = "backbone" if step["command"] in ("embed", "finetune") else "features"
    return set(names_of(step.get(key, DEFAULT)))
