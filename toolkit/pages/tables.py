"""Tables: one table of text in every form it is shown in; all of a user's text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from toolkit.pages.escaping import SIGNS as _SIGNS
from toolkit.pages.escaping import markdown, markdown_line, tex, tex_line

if TYPE_CHECKING:
    from markupsafe import Markup

_LONG = 40  # letters of a name that a column of a page has room for
_LATIN = 0x250


@dataclass(frozen=True)
class Table:
    """A table of text, with all that a reader needs to understand it.

    Attributes:
        title: what it shows.
        heads: of the columns, the first being that of the lines' names.
        groups: lines under the heading of each group; one without a heading may be called "".
        keys: what each column shows; empty where its head says it all.
        marks: what signs in cells mean, said where one is.
        remark: whatever else there is to explain.
        best: places (line, column) of figures that are set in bold, lines counted through groups.
    """

    title: str
    heads: Sequence[str]
    groups: Mapping[str, Sequence[Sequence[str]]]
    keys: Sequence[str]
    marks: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""
    best: frozenset[tuple[int, int]] = frozenset()

    @property
    def lines(self) -> list[Sequence[str]]:
        """All lines."""
        return [line for lines in self.groups.values() for line in lines]

    @property
    def explained(self) -> str:
        """What the signs in its cells mean, and the remark."""
        cells = [cell for line in self.lines for cell in line[1:]]
        found = [said for sign, said in self.marks.items() if any(sign in cell for cell in cells)]
        return " ".join(f"{said}." for said in (*found, self.remark) if said)

    @property
    def notes(self) -> str:
        """What stands under it: the columns' keys, and what else is explained."""
        keys = [f"{head}: {key}" for head, key in zip(self.heads, self.keys, strict=True) if key]
        said = f"{'; '.join(keys)}." if keys else ""
        return f"{said} {self.explained}".strip()

    def first(self, columns: int) -> Table:
        """Return the table with its first columns only."""
        groups = {name: [line[:columns] for line in lines] for name, lines in self.groups.items()}
        return replace(self, heads=self.heads[:columns], keys=self.keys[:columns], groups=groups)

    def to_markdown(self) -> str:
        """Return it as Markdown, headings as bold lines of their own."""
        width = len(self.heads) - 1
        text = [markdown_line(self.heads), "|---|" + "---:|" * width]
        for name, lines in self._placed(markdown, "**{}**".format):
            text += [f"| **{markdown(name)}** |{' |' * width}"] if name else []
            text += [f"| {' | '.join(line)} |" for line in lines]
        return "\n".join([*text, "", markdown(f"{self.title}. {self.notes}")]) + "\n"

    def to_latex(self) -> str:
        r"""Return a ``table`` with caption and notes, for the package booktabs.

        Groups are apart by ``\midrule``. Long names wrap. Names in letters that are not Latin need
        XeLaTeX or LuaLaTeX and a font that has them, which a comment says.
        """
        width = len(self.heads)
        long = max((len(line[0]) for line in self.lines), default=0) > _LONG
        first = r"p{0.3\linewidth}" if long else "l"
        text = ["% packages: booktabs"]
        if not all(map(_latin, (self.title, *(line[0] for line in self.lines)))):
            text.append("% XeLaTeX or LuaLaTeX, and a font that has these letters (\\setmainfont)")
        text += [r"\begin{table}", r"\centering\small", f"\\caption{{{tex(self.title)}}}"]
        text += [f"\\begin{{tabular}}{{{first}{'r' * (width - 1)}}}", r"\toprule"]
        text.append(tex_line(self.heads))
        for name, lines in self._placed(tex, r"\textbf{{{}}}".format):
            text.append(r"\midrule")
            text += [f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{tex(name)}}}}} \\\\"] if name else []
            text += [" & ".join(line) + r" \\" for line in lines]
        text += [r"\bottomrule", r"\end{tabular}"]
        if self.notes:
            text += [
                "",
                r"\smallskip",
                f"\\parbox{{\\linewidth}}{{\\footnotesize {tex(self.notes)}}}",
            ]
        return "\n".join([*text, r"\end{table}"]) + "\n"

    def _placed(
        self, escape: Callable[[str], str], bold: Callable[[str], str]
    ) -> Iterator[tuple[str, list[list[str]]]]:
        """Yield the groups with their cells escaped, the best ones bold."""
        at = 0
        for name, lines in self.groups.items():
            cells = [[escape(cell) for cell in line] for line in lines]
            for line in cells:
                for column in range(len(line)):
                    if (at, column) in self.best and line[column]:
                        line[column] = bold(line[column])
                at += 1
            yield name, cells

    def to_html(self) -> str:
        """Return it as HTML."""
        from markupsafe import escape

        lines: list[Sequence[Any]] = []
        for name, each in self._placed(escape, _bold):
            lines += [[name, *[""] * (len(self.heads) - 1)]] if name else []
            lines += each
        return html_table(self.heads, lines, self.title) + f"<p>{escape(self.notes)}</p>"


def html_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """Return a table; numbers are set right, everything is escaped.

    >>> html_table(["a"], [["<b>"]])
    '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    from markupsafe import escape

    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def facts_table(facts: Mapping[str, Any], caption: str = "") -> str:
    """Return a table of names and values."""
    return html_table(["", ""], facts.items(), caption)


def _bold(cell: str) -> Markup:
    from markupsafe import Markup

    return Markup("<b>{}</b>").format(cell)


def _latin(text: str) -> bool:
    return all(ord(character) < _LATIN or character in _SIGNS for character in text)


def _cell(value: Any) -> str:
    from markupsafe import escape

    if value is None:
        return "<td>–</td>"
    if isinstance(value, str | bool) or not isinstance(value, int | float):
        return f"<td>{escape(value)}</td>"
    shown = f"{value:.4g}" if isinstance(value, float) else f"{value:,}"
    return f'<td style="text-align:right">{shown}</td>'
