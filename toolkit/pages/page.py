"""Pages: one style and one way to write HTML files that need nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.storage.files import write_bytes

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def page_environment(*folders: Path) -> Environment:
    """Return what renders templates of these folders; ``page.css`` is there for all of them.

    Everything is escaped unless marked, and a name that a template does not know is an error.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    return environment


def breakable(text: str) -> Markup:
    """Return text whose long names may be broken where their parts meet.

    >>> str(breakable("mlp-a+b<c, +4 points"))
    'mlp-<wbr>a<wbr>+b&lt;c, +4 points'
    """
    from markupsafe import Markup, escape

    safe = re.sub(r"(?<=\w)([-/])(?=\w)", r"\1<wbr>", str(escape(text)))
    return Markup(re.sub(r"(?<=\w)\+(?=\w)", "<wbr>+", safe))


def write_page(page: str, path: Path) -> None:
    """Write a page whole or not at all."""
    write_bytes(path, page.encode())
