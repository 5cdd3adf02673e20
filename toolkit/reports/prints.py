"""Prints: the figures of a page as files for a paper, SVG, PDF and PNG, dark on white."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
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
# in names that are not Latin each letter comes from the first of these fonts that has it
_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans Arabic",
    "Noto Naskh Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Emoji",
    "Segoe UI Symbol",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
)
_LATIN = 0x2FF
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
    from matplotlib.text import Text

    for artist in figure.findobj():
        # fonts of all scripts are large, so only those are read that are needed
        if isinstance(artist, Text) and any(ord(letter) > _LATIN for letter in artist.get_text()):
            artist.set_fontfamily(["DejaVu Sans", *_fonts()])
        for part in _PAINTED:
            # many artists have no such part, or many colours in one, which are data's
            with suppress(AttributeError, ValueError, TypeError):
                found = to_hex(getattr(artist, f"get_{part}")())
                if found in inks:
                    getattr(artist, f"set_{part}")(inks[found])


@cache
def _fonts() -> list[str]:
    """Return the fonts that are there, so that none is missed with a warning."""
    from matplotlib.font_manager import fontManager

    there = set(fontManager.get_font_names())
    return [name for name in _FONTS if name in there]
