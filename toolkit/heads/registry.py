"""The heads by name, and their options from text."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from toolkit.errors import UsageError, check_choice
from toolkit.heads.head import OneVsRestHead
from toolkit.heads.options import check_names

HEADS = {
    "linear": ("toolkit.heads.linear", "LinearHead"),
    "mlp": ("toolkit.heads.mlp", "MLPHead"),
    "lightgbm": ("toolkit.heads.lightgbm", "LightGBMHead"),
    "multitask": ("toolkit.heads.multitask", "MultitaskHead"),
}
_RENAMED = {"seed": "random_state", "averaging": "ema_decay"}


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


def parse_options(settings: Mapping[str, Any] | Iterable[str] | None) -> dict[str, Any]:
    """Return settings given by name, or read from ``key=value`` texts.

    Values in texts are numbers, True, False, None, lists, or plain words.

    ``true`` and ``false`` are True and False, as in TOML.

    Raises:
        UsageError: a text has no ``=``.

    >>> parse_options(["gamma=2", "loss=focal", "Cs=[0.1, 1]"])
    {'gamma': 2, 'loss': 'focal', 'Cs': [0.1, 1]}
    """
    if settings is None or isinstance(settings, Mapping):
        return dict(settings or {})
    options: dict[str, Any] = {}
    for setting in settings:
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
