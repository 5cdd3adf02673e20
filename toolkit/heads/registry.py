"""The heads by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from toolkit.errors import UsageError, check_choice
from toolkit.heads.head import OneVsRestHead
from toolkit.runtime.options import check_names, parse_options

HEADS = {
    "linear": ("toolkit.heads.linear", "LinearHead"),
    "mlp": ("toolkit.heads.mlp", "MLPHead"),
    "lightgbm": ("toolkit.heads.lightgbm", "LightGBMHead"),
    "multitask": ("toolkit.heads.multitask", "MultitaskHead"),
}
# constructor parameters that a verb has options for
ELSEWHERE = {"device": "device", "random_state": "seed"}
_RENAMED = {"seed": "random_state", "averaging": "ema_decay"}


def head_options(settings: Mapping[str, Any] | Iterable[str] | None) -> dict[str, Any]:
    """Read constructor parameters that a verb was given as settings.

    Raises:
        UsageError: one cannot be read, or has an option of its own.
    """
    found = parse_options(settings)
    for name, option in ELSEWHERE.items():
        if name in found:
            raise UsageError(f"set: {name} is given by {option} (--{option}), not among settings")
    return found


def make_head(name: str, **options: Any) -> OneVsRestHead:
    """Build a head.

    Args:
        name: one of ``HEADS``.
        options: constructor parameters.

    Raises:
        UsageError: the head or an option is unknown, and the known ones are listed; or a value is
            not one that the option takes.
    """
    check_choice("head", name, HEADS)
    module, attribute = HEADS[name]
    head: type[OneVsRestHead] = getattr(importlib.import_module(module), attribute)
    check_names(f"the {name} head", options, sorted(head().get_params()), _RENAMED)
    made = head(**options)
    try:
        made.check()
    except (TypeError, ValueError) as error:
        raise UsageError(f"the {name} head: {error}") from error
    return made
