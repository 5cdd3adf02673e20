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
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "–": "--", "§": r"\S{}",
    "°": r"$^\circ$", "*": r"$^*$", "[": "{[}", "]": "{]}", "Δ": r"$\Delta$",
    "≥": r"$\ge$", "≤": r"$\le$", "±": r"$\pm$", "×": r"$\times$", "≈": r"$\approx$",
    "†": r"\dag{}", "…": r"\ldots{}", "`": r"\textasciigrave{}",
    "\"": r"\textquotedbl{}", "'": r"\textquotesingle{}",
}  # fmt: skip
SIGNS = frozenset(_TEX)
_MARKDOWN = re.compile(r"([\\`*_\[\]|~])")
_LINE_BREAKS = re.compile(r"\s*[\r\n\v\f\x85\u2028\u2029]\s*")


def tex(text: str) -> str:
    r"""Escape text for LaTeX.

    >>> tex("a_b & 5 %")
    'a\\_b \\& 5 \\%'
    """
    return "".join(_TEX.get(character, character) for character in _LINE_BREAKS.sub(" ", text))


def tex_name(text: str, chunk: int = 12) -> str:
    r"""Escape a name for a column of LaTeX that wraps; words of more than two chunks may be broken.

    >>> tex_name("a_b 1234567", 3)
    'a\\_b 123\\allowbreak{}456\\allowbreak{}7'
    """
    words = _LINE_BREAKS.sub(" ", text).split(" ")
    return " ".join(
        tex(word)
        if len(word) <= 2 * chunk
        else r"\allowbreak{}".join(tex(word[at : at + chunk]) for at in range(0, len(word), chunk))
        for word in words
    )


def tex_figure(text: str) -> str:
    """Escape a cell of figures for LaTeX: signs are minus signs, and ranges have their dash.

    >>> tex_figure("-0.5 0.1-0.2")
    '$-$0.5 0.1--0.2'
    """
    safe = re.sub(r"(?<![\w.-])-(?=\d)", "$-$", tex(text))
    return re.sub(r"(?<=\d)-(?=\d)", "--", safe)


def markdown(text: str) -> str:
    r"""Escape text for Markdown, in which HTML counts too.

    >>> markdown("<b>|[x](y)")
    '&lt;b&gt;\\|\\[x\\](y)'
    """
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", _LINE_BREAKS.sub(" ", safe))


def tex_line(texts: Sequence[str]) -> str:
    """Return a line of a LaTeX table."""
    return " & ".join(map(tex, texts)) + r" \\"


def markdown_line(texts: Sequence[str]) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(map(markdown, texts))} |"


_RISKY = ("=", "+", "-", "@", "\t", "\0")


def csv_text(lines: Iterable[Sequence[Any]], *, neutral: bool = True) -> str:
    """Return lines as CSV; None is empty.

    A text that a spreadsheet would take for a formula begins with an apostrophe, as OWASP advises;
    without ``neutral`` it stands as it is. Numbers are never touched.

    >>> csv_text([["=1+1", None, -0.5]])
    "'=1+1,,-0.5\\n"
    """
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(
        map(_safe if neutral else _line, line) for line in lines
    )
    return file.getvalue()


def without_apostrophe(text: str) -> str:
    """Return a name as it was before :func:`csv_text` kept a spreadsheet from running it.

    >>> without_apostrophe("'=cat"), without_apostrophe("'s-Hertogenbosch")
    ('=cat', "'s-Hertogenbosch")
    """
    bare = text.removeprefix("'")
    return bare if bare.lstrip().startswith(_RISKY) else text


def _line(value: Any) -> Any:
    return _LINE_BREAKS.sub(" ", value) if isinstance(value, str) else value


def _safe(value: Any) -> Any:
    text = _line(value)
    risky = isinstance(text, str) and text.lstrip().startswith(_RISKY)
    return f"'{text}" if risky else text
