"""Extensions: code of a user's own that the command line loads before it does anything."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

from toolkit.errors import UsageError

VARIABLE = "TOOLKIT_EXTENSIONS"


def load_extensions(named: str | None = None) -> list[str]:
    """Import modules that register backbones, heads, label formats, metrics or commands.

    Args:
        named: names of modules, or paths of ``.py`` files, separated by commas; None for what the
            environment variable ``TOOLKIT_EXTENSIONS`` names.

    Returns:
        Names of the modules, in order.

    Raises:
        UsageError: one is not there, or importing it fails.
    """
    named = os.environ.get(VARIABLE, "") if named is None else named
    return [_load(each.strip()) for each in named.split(",") if each.strip()]


def _load(named: str) -> str:
    try:
        if not named.endswith(".py"):
            importlib.import_module(named)
            return named
        name = Path(named).stem
        if name not in sys.modules:
            _run(name, Path(named))
        elif not _is(name, Path(named)):
            raise ImportError(f"another module is named {name}")
        return name
    except Exception as error:  # a user's module may raise anything
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UsageError(
            f"{VARIABLE}: {named!r} cannot be imported ({type(error).__name__}: {reason}): "
            "expected names of modules or paths of .py files, separated by commas"
        ) from error


def _run(name: str, file: Path) -> None:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError("no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as a head names its module, for members to find it again
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _is(name: str, file: Path) -> bool:
    there = getattr(sys.modules[name], "__file__", None)
    return there is not None and file.exists() and os.path.samefile(there, file)
