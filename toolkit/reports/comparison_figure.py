"""The comparison as a figure: mean average precision of each row with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.reports.comparison import Row
from toolkit.reports.drawing import COLOURS, SOFT, brief, drawn, markup, standalone
from toolkit.reports.table import short_title

_MOST = 40


def comparison_picture(rows: Sequence[Row], title: str) -> str:
    """Return an SVG of its own; the best rows where there are too many to read."""
    ranked = sorted(
        (row for row in rows if row.metrics["map"] is not None),
        key=lambda row: -(row.metrics["map"] or 0.0),
    )
    shown = ranked[:_MOST]
    more = f" ({len(shown)} of {len(ranked)} rows shown)" if len(shown) < len(ranked) else ""
    kinds = list(dict.fromkeys(row.kind for row in shown))
    said = f"mean average precision with 95 % intervals; {title}{more}"
    with drawn(8.0, 0.9 + 0.26 * max(1, len(shown))) as (figure, axes):
        for at, row in enumerate(reversed(shown)):
            colour = COLOURS[kinds.index(row.kind) % len(COLOURS)]
            value = row.metrics["map"]
            pair = row.ci.get("map")
            if pair is not None:
                axes.plot(pair, (at, at), color=colour, linewidth=2)
            axes.plot([value], [at], "o", color=colour, markersize=5)
            right = value if pair is None else pair[1]
            axes.annotate(
                f"{value:.3f}", (right, at), (6, 0), textcoords="offset points", va="center"
            )
        names = [brief(short_title(row), 44) for row in reversed(shown)]
        axes.set_yticks(range(len(shown)), names)
        axes.set_xlim(left=0)
        axes.margins(x=0.08)
        axes.set_xlabel("mean average precision")
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_color(SOFT)
        axes.set_title(brief(title, 100), loc="left")
        return standalone(markup(figure, "comparison", said))
