"""Tables: one table of text in every form it is shown in; all of a user's text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from toolkit.pages.escaping import SIGNS as _SIGNS
from toolkit.pages.escaping import markdown, markdown_line, tex, tex_figure, tex_line, tex_name

if TYPE_CHECKING:
    from markupsafe import Markup

_LONG = 40  # letters of a name that a column of a page has room for
_PAGE = 40  # lines that a page has room for
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
        r"""Return a ``table`` with caption and notes, for the packages that its first line names.

        Groups are apart by ``\midrule``. Long names wrap, what is wider than the page is made
        smaller, and what is longer is a ``longtable``. Names in letters that are not Latin need
        XeLaTeX or LuaLaTeX and a font that has them, which a comment says.
        """
        paged, caption = len(self.lines) > _PAGE, f"\\caption{{{tex(self.title)}}}"
        text = ["% packages: booktabs, " + ("longtable" if paged else "graphicx")]
        if not all(map(_latin, (self.title, self.notes, *(line[0] for line in self.lines)))):
            text.append("% XeLaTeX or LuaLaTeX, and a font that has these letters (\\setmainfont)")
        notes = f"\\parbox{{\\linewidth}}{{\\footnotesize {tex(self.notes)}}}" * bool(self.notes)
        columns, head, body = self._tex_parts()
        if paged:
            # heads wrap: a table over several pages cannot be made smaller as a whole
            room = f"{0.55 / max(1, len(self.heads) - 1):.3f}\\linewidth"
            boxes = (
                f"\\parbox[b]{{{room}}}{{\\raggedleft {tex_name(h, 5)}}}" for h in self.heads[1:]
            )
            head = " & ".join([tex(self.heads[0]), *boxes]) + r" \\"
            text += [
                r"{\scriptsize\setlength{\tabcolsep}{3pt}",
                f"\\begin{{longtable}}{{{columns}}}",
            ]
            text += [f"{caption} \\\\", r"\toprule", head, r"\midrule", r"\endfirsthead"]
            text += [r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
            return (
                "\n".join(
                    [
                        *text,
                        *body[1:],
                        r"\end{longtable}}",
                        *([r"\noindent" + notes] if notes else []),
                    ]
                )
                + "\n"
            )
        text += [r"\begin{table}", r"\centering\small", caption]
        text.append(r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%")
        text += [f"\\begin{{tabular}}{{{columns}}}", r"\toprule", head, *body]
        text += [r"\bottomrule", r"\end{tabular}}"]
        text += ["", r"\smallskip", notes] if notes else []
        return "\n".join([*text, r"\end{table}"]) + "\n"

    def _tex_parts(self) -> tuple[str, str, list[str]]:
        """Return the columns, the line of heads and the lines below it, groups after rules."""
        width = len(self.heads)
        long = max((len(line[0]) for line in self.lines), default=0) > _LONG
        columns = (r"p{0.3\linewidth}" if long else "l") + "r" * (width - 1)
        body: list[str] = []
        for name, lines in self._placed(tex_figure, r"\textbf{{{}}}".format, tex_name):
            body.append(r"\midrule")
            body += [f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{tex(name)}}}}} \\\\"] if name else []
            body += [" & ".join(line) + r" \\" for line in lines]
        return columns, tex_line(self.heads), body

    def _placed(
        self,
        escape: Callable[[str], str],
        bold: Callable[[str], str],
        named: Callable[[str], str] | None = None,
    ) -> Iterator[tuple[str, list[list[str]]]]:
        """Yield the groups with their cells escaped, names by ``named``, the best ones bold."""
        at = 0
        for name, lines in self.groups.items():
            cells = [[(named or escape)(line[0]), *map(escape, line[1:])] for line in lines]
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
