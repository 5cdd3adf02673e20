"""Place: what ``on`` may say, and Ray, which is imported only where it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import Any

from toolkit.errors import UsageError

HERE, RAY = "here", "ray"
_ADDRESS = re.compile(r"ray://[^\s/]+:\d{1,5}")


def check_place(on: object) -> None:
    """Raise UsageError if ``on`` is no place, or is one for which Ray is missing.

    >>> check_place("here")
    >>> check_place("there")
    Traceback (most recent call last):
    toolkit.errors.UsageError: on: expected here, ray or ray://host:port, found 'there'
    """
    if on == HERE:
        return
    if on != RAY and not (isinstance(on, str) and _ADDRESS.fullmatch(on)):
        raise UsageError(f"on: expected here, ray or ray://host:port, found {on!r}")
    if importlib.util.find_spec("ray") is None:
        raise UsageError(
            f"on: {on} needs Ray, which is not installed: install the extra toolkit[ray], on every "
            "machine of the cluster, or leave it at here"
        )


def import_ray() -> Any:
    """Return the module ``ray``."""
    return importlib.import_module("ray")
