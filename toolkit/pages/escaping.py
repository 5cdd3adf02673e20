"""Escaping: a user's text in Markdown, LaTeX and CSV is data, and never markup or a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "–": "--", "§": r"\S{}", "°": r"$^\circ$", "*": r"$^*$",
    "[": "{[}", "]": "{]}", "Δ": r"$\Delta$",
}  # fmt: skip
_MARKDOWN = re.compile(r"([\\`*\[\]|~])")


def tex(text: str) -> str:
    r"""Escape text for LaTeX.

    >>> tex("a_b & 5 %")
    'a\\_b \\& 5 \\%'
    """
    return "".join(_TEX.get(character, character) for character in text)


def markdown(text: str) -> str:
    r"""Escape text for Markdown, in which HTML counts too.

    >>> markdown("<b>|[x](y)")
    '&lt;b&gt;\\|\\[x\\](y)'
    """
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", safe).replace("\n", " ")


def tex_line(texts: Sequence[str]) -> str:
    """Return a line of a LaTeX table."""
    return " & ".join(tex(text) for text in texts) + r" \\"


def markdown_line(texts: Sequence[str]) -> str:
    """Return a line of a Markdown table."""
    return "| " + " | ".join(markdown(text) for text in texts) + " |"


def csv_text(lines: Iterable[Sequence[Any]]) -> str:
    """Return lines as CSV; None is empty.

    A text that a spreadsheet would take for a formula begins with an apostrophe.

    >>> csv_text([["=1+1", None, -0.5]])
    "'=1+1,,-0.5\\n"
    """
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(
        [_cell(cell) for cell in line] for line in lines
    )
    return file.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return (
        f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
    )
