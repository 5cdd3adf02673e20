"""Smoke: a recipe's step made so small that all recipes together take a minute or two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.finetuning.protocols import settings_for
from toolkit.storage.names import names_of

IMAGES = 200
STAND_IN = "timm/test_efficientnet"
_SIZE = 32
_SMALL_HEADS = {"linear": {"Cs": [0.1]}, "mlp": {"epochs": 1}, "lightgbm": {"n_estimators": 4}}


@contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """Compute in one thread: several would mostly wait for each other over so little work."""
    if not wanted:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def smoke_step(step: dict[str, Any]) -> dict[str, Any]:
    """Return a step with a tiny network, random weights and one epoch in place of its own.

    >>> smoke_step({"command": "multitask", "aux": ["any", "teacher:vgg16"]})["aux"]
    ['any', 'teacher:timm/test_efficientnet']
    """
    small = dict(step)
    command = step["command"]
    if command in ("embed", "ovr", "finetune", "multitask", "ablate"):
        small["precision"] = "fp32"  # converting a network for bf16 takes most of a minute
    if "aux" in step:
        small["aux"] = list(dict.fromkeys(_small_task(task) for task in names_of(step["aux"])))
    if command in ("embed", "finetune"):
        small |= {"backbone": STAND_IN, "weights": "none"}
    if command in ("ovr", "multitask", "ablate"):
        small |= {"features": [STAND_IN], "weights": "none", "folds": 2}
    if command == "ablate":
        small["seeds"] = 2
    if command in ("ovr", "multitask"):
        small["name"] = step.get("name") or f"{command}-{'-'.join(_identity(step))}"
    if command == "ovr":
        small["set"] = _SMALL_HEADS.get(step.get("head", "linear"), {})
    if command == "ensemble":
        small["folds"] = 2  # those of its members
    if command in ("multitask", "ablate"):
        small["set"] = {"epochs": 1}
    if command == "finetune":
        small |= {"epochs": 1} | ({"folds": 2} if step.get("folds") else {})
        small.pop("size", None)
        if _trains_trunk(step):
            small["size"] = _SIZE
    return small


def _identity(step: dict[str, Any]) -> list[str]:
    """Return what distinguishes steps that the stand-in makes alike."""
    given = [step.get("head", "linear"), *names_of(step.get("features", "default"))]
    return [str(part).replace("/", "-") for part in given]


def _small_task(task: str) -> str:
    return f"teacher:{STAND_IN}" if task.startswith("teacher:") else task


def _trains_trunk(step: dict[str, Any]) -> bool:
    own = settings_for(step.get("protocol", "modern"), step.get("row"))
    return bool(step.get("pretrain", own.pretrain) == "finetune")
