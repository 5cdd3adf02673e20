"""The comparison as a figure: mean average precision of each row with its interval."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from toolkit.reports.comparison import Row
from toolkit.reports.drawing import COLOURS, SOFT, brief, drawn, markup, standalone
from toolkit.reports.table import short_title

_MOST = 40


def comparison_figure(rows: Sequence[Row], title: str) -> str:
    """Return an SVG of its own; the best rows where there are too many to read."""
    ranked = sorted(
        ((value, row) for row in rows if (value := row.metrics["map"]) is not None),
        key=lambda each: -each[0],
    )
    shown = ranked[:_MOST][::-1]
    more = f" ({len(shown)} of {len(ranked)} rows shown)" if len(shown) < len(ranked) else ""
    kinds = list(dict.fromkeys(row.kind for _, row in shown))
    with drawn(8.0, 0.9 + 0.26 * max(1, len(shown))) as (figure, axes):
        for at, (value, row) in enumerate(shown):
            low, high = row.ci.get("map") or (value, value)
            colour = COLOURS[kinds.index(row.kind) % len(COLOURS)]
            axes.plot((low, high), (at, at), color=colour, linewidth=2)
            axes.plot([value], [at], "o", color=colour, markersize=5)
            axes.annotate(
                f"{value:.3f}", (high, at), (6, 0), textcoords="offset points", va="center"
            )
        axes.set_yticks(range(len(shown)), [brief(short_title(row), 44) for _, row in shown])
        axes.set_xlim(left=0)
        axes.margins(x=0.08)
        axes.set_xlabel("mean average precision, 95 % intervals" + more)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_color(SOFT)
        axes.set_title(brief(title, 100), loc="left")
        said = f"mean average precision with 95 % intervals; {title}{more}"
        # several figures may stand in one notebook: their ids must differ
        name = f"comparison{zlib.crc32(repr(shown).encode()):08x}"
        return standalone(markup(figure, name, said))
