"""Drawing: matplotlib figures as SVG inside a page, in the page's own colours.

Lines take the colours of Okabe & Ito (2008), which people with any colour vision can tell apart,
and differ in dashes too. Axes and text take the page's ink, so a figure follows light and dark.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import combining, east_asian_width, normalize

import numpy as np

from toolkit.reports.prints import keep_print

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
# stand-ins for the page's ink and its lines
INK, SOFT = "#010203", "#040506"
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "figure.facecolor": "none",
    "font.size": 9,
    "grid.color": SOFT,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "toolkit",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}
_WIDE = frozenset("WM@%")
# letters written above others are as high as a line themselves
_ACCENTS = re.compile("([\u0300-\u0362]?)[\u0300-\u036f]*")
_PRINTED = {INK: "#1f2328", SOFT: "#d0d7de"}
_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_SIZE = re.compile(r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', re.DOTALL)


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        title: a heading.
        caption: how to read it, or why it is not there.
        svg: markup; empty where there is nothing to draw.
    """

    title: str
    caption: str
    svg: str = ""


@contextmanager
def drawn(width: float, height: float, **grid: Any) -> Iterator[tuple[Figure, Any]]:
    """Yield a figure of ``width`` by ``height`` inches, and its axes, in the page's style.

    No window system is touched: figures are made without pyplot, which keeps them alive.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(_STYLE):
        figure = Canvas(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(**grid)


def markup(figure: Figure, name: str, alt: str) -> str:
    """Return a figure's SVG for use inside a page; call it within :func:`drawn`.

    Args:
        figure: drawn.
        name: a word of its own, which keeps the ids of several figures in a page apart.
        alt: what it shows.
    """
    file = io.StringIO()
    # a date would make two pages of the same data differ
    nobody = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with warnings.catch_warnings():
        # in a page the letters that count are those of whoever looks at it, and a name too long
        # for its place is shortened
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("ignore", ".*constrained_layout not applied")
        figure.savefig(file, format="svg", metadata=nobody)
        text = _inside_a_page(file.getvalue(), figure, name, alt)
        keep_print(figure, name, standalone(text), _PRINTED)
    return text


def _inside_a_page(drawn: str, figure: Figure, name: str, alt: str) -> str:
    from markupsafe import escape

    text = _HEAD.sub("", drawn, count=1)
    # a style element would reach beyond its figure
    for element in ("metadata", "style"):
        text = re.sub(rf"<{element}.*?</{element}>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(?<= id=")', f"{name}-", text)
    text = re.sub(r'(?<=href="#)|(?<=url\(#)', f"{name}-", text)
    # its own width, so that a page gives the letters of all figures one size
    inches = f"--inches:{figure.get_figwidth():.2f}"
    head = f'role="img" aria-label="{escape(_printable(alt))}" class="plot" style="{inches}"'
    # a function: in a template of expand() a label's backslashes would be taken for groups
    text = _SIZE.sub(lambda found: f'<svg viewBox="{found.group(1)}" {head}>', text, count=1)
    text = text.replace(INK, "currentColor").replace(SOFT, "var(--line)")
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", text)


def standalone(svg: str) -> str:
    """Return a figure of a page as a picture of its own, dark on white."""
    opening = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    style = "background:#fff;color:#1f2328;--line:#d0d7de;font-family:sans-serif;"
    return svg.replace("<svg ", opening, 1).replace('style="', f'style="{style}', 1)


def brief(name: str, limit: int = 36) -> str:
    """Return a name that fits in a figure; the middle of a long one is left out.

    The limit counts Latin letters; those of Chinese, Japanese and Korean are twice as wide, and
    some of the Latin ones wider than the others.

    >>> brief("mlp-efficientnet_lite0+efficientnet_lite1", 20)
    'mlp-effici…net_lite1'
    >>> brief("画像認識", 6)
    '画…識'
    """
    name = _printable(name)
    if width_of(name) <= limit:
        return name
    head: list[str] = []
    tail: list[str] = []
    room = limit - 1.0
    for at in range(len(name)):
        # in turns from both ends, so that what tells two long names apart is kept
        side, place = (tail, len(name) - 1 - at // 2) if at % 2 else (head, at // 2)
        room -= width_of(name[place])
        if room < 0:
            break
        side.append(name[place])
    return f"{''.join(head)}…{''.join(reversed(tail))}"


def width_of(text: str) -> float:
    """Return how wide a text is drawn, in letters of usual width.

    >>> width_of("abc"), width_of("画像"), width_of("WWWWW")
    (3.0, 4.0, 8.0)
    """
    return sum(
        2.0 if east_asian_width(each) in "WF" else 1.6 if each in _WIDE else 1.0
        for each in text
        if not combining(each)
    )


def _printable(text: str) -> str:
    """Return a text that may stand in SVG, each letter as high as a line.

    Control characters are not allowed there; joiners are part of words and emoji. Accents on
    accents would push a name out of its line: one stays on a letter.
    """
    kept = "\u200c\u200d"
    text = _ACCENTS.sub(r"\1", normalize("NFC", text))
    return "".join(each if each.isprintable() or each in kept else " " for each in text)


def most_frequent(counts: np.ndarray, most: int) -> tuple[np.ndarray, str]:
    """Return which labels a figure has room for, the commonest first, and what to say of others.

    >>> most_frequent(np.array([1, 5, 3]), 2)
    (array([1, 2]), ' Shown are the 2 most frequent of 3 labels.')
    """
    order = np.argsort(-counts, kind="stable")[:most]
    said = f" Shown are the {most} most frequent of {len(counts):,} labels."
    return order, said if len(counts) > most else ""


def both_ends(values: np.ndarray, most: int) -> tuple[np.ndarray, str]:
    """Return which of many labels a figure shows, the highest first, and what to say of others.

    Of too many the highest and the lowest are shown; NaN are left out then.

    >>> both_ends(np.array([0.1, 0.5, 0.3, 0.2]), 2)
    (array([1, 0]), ' Shown are the 1 highest and the 1 lowest of 4 labels; the table has all.')
    """
    order = np.argsort(-values, kind="stable")
    if len(values) <= most:
        return order, ""
    order = order[: len(values) - int(np.isnan(values).sum())]
    half = min(most, len(order)) // 2
    said = f" Shown are the {half} highest and the {half} lowest of {len(values):,} labels"
    return np.concatenate([order[:half], order[len(order) - half :]]), said + "; the table has all."


def line_style(number: int) -> dict[str, Any]:
    """Return colour and dashes of the n-th line."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
