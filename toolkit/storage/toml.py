"""TOML on disk: what this toolkit wrote, read again, and facts as TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import ArtifactError


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file that this toolkit wrote.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}): make it again") from error


def dump_toml(facts: Mapping[str, Any]) -> str:
    """Return facts as TOML; a key whose value is None is left out, as TOML has none."""
    import tomli_w

    return tomli_w.dumps(_without_none(facts))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value]
    return value
