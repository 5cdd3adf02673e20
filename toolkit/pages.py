"""Pages: one style and one way to write HTML files that need nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.store import write_bytes

if TYPE_CHECKING:
    from jinja2 import Environment


def page_environment(*folders: Path) -> Environment:
    """Return what renders templates of these folders; ``page.css`` is there for all of them.

    Everything is escaped unless marked, and a name that a template does not know is an error.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(page: str, path: Path) -> None:
    """Write a page whole or not at all."""
    write_bytes(path, page.encode())
