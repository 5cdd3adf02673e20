"""Prints: the figures of a page as files for a paper, SVG, PDF and PNG, dark on white."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.storage.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS: dict[str, dict[str, Any]] = {
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
    "png": {"dpi": 300, "metadata": {"Software": None}},
}
_PAINTED = ("color", "edgecolor", "facecolor")
_folder: ContextVar[Path | None] = ContextVar("figures", default=None)


@contextmanager
def printed_to(folder: Path | None) -> Iterator[None]:
    """Let every figure drawn inside the block be kept as files in a folder; None for nowhere."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def keep_print(figure: Figure, name: str, svg: str, inks: dict[str, str]) -> None:
    """Write a figure's files where :func:`printed_to` asks for them.

    Args:
        figure: drawn; its colours are changed to those of print.
        name: of the files, without an ending.
        svg: as it is to be kept.
        inks: colours of the page to those of print.
    """
    folder = _folder.get()
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / f"{name}.svg", svg.encode())
    _repaint(figure, inks)
    for kind, options in _FORMATS.items():
        file = io.BytesIO()
        figure.savefig(file, format=kind, facecolor="white", **options)
        write_bytes(folder / f"{name}.{kind}", file.getvalue())


def _repaint(figure: Figure, inks: dict[str, str]) -> None:
    from matplotlib.colors import to_hex

    for artist in figure.findobj():
        for part in _PAINTED:
            # many artists have no such part, or many colours in one, which are data's
            with suppress(AttributeError, ValueError, TypeError):
                found = to_hex(getattr(artist, f"get_{part}")())
                if found in inks:
                    getattr(artist, f"set_{part}")(inks[found])
