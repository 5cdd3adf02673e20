"""The published scores: which of the paper's rows differ from a predictor that sees no image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.auditing.findings import Finding
from toolkit.paper.chance import always_no, chance_analysis
from toolkit.paper.results import IMAGES, POSITIVES, RESULTS, TEST_ROWS

ALPHA = 0.05


def published_rows() -> list[dict[str, Any]]:
    """Return each table row next to chance, JSON-able, in the paper's order.

    Keys: ``key``, ``source``, ``name``, the printed ``accuracy``, ``macro_precision`` and
    ``macro_recall``, the same three under ``blind`` for a predictor that ignores the image at
    ``rate``, the bounds of p before and after Holm over all rows, and ``verdict`` at level 0.05.
    The statistic is macro precision, see :func:`toolkit.paper.chance.chance_p_values`.
    """
    return [
        {
            "key": found.key,
            **{
                name: getattr(RESULTS[found.key], name)
                for name in ("source", "name", "accuracy", "macro_precision", "macro_recall")
            },
            "rate": found.rate,
            "blind": found.blind._asdict(),
            **{name: getattr(found, name) for name in ("p_low", "p_high", "holm_low", "holm_high")},
            "verdict": found.verdict(ALPHA),
        }
        for found in chance_analysis()
    ]


def published_findings(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return what the paper's tables, see :func:`published_rows`, say about its networks."""
    above, hidden = (
        [row["key"] for row in rows if row["verdict"] == verdict]
        for verdict in ("above chance", "hidden by rounding")
    )
    kind, mean = "published scores", sum(POSITIVES.values()) / IMAGES / len(POSITIVES)
    blind = always_no([count / IMAGES for count in POSITIVES.values()])
    found = [
        Finding(
            *("warning" if above else "critical", kind),
            f"{len(above)} of the paper's {len(rows)} table rows score above what a predictor that "
            f"ignores the image can ({TEST_ROWS:,} test images, family-wise level {ALPHA:g})",
            "read the rows as what networks score whose labels belong to other images: the "
            "published code pairs labels with files by position",
            {"rows": list(rows), "alpha": ALPHA, "test_rows": TEST_ROWS},
        ),
        Finding(
            *("note", kind),
            f"saying no to everything scores {blind.accuracy:.2%} accuracy, and any predictor that "
            f"ignores the image has a macro precision of {mean:.3f}, the mean prevalence, at any "
            "recall",
            evidence={"always_no": blind._asdict(), "mean_prevalence": mean},
        ),
    ]
    if hidden:
        text = (
            f"whether {', '.join(hidden)} differs from chance depends on decimals of precision "
            "that are not printed"
        )
        advice = "ask the authors for unrounded figures"
        found.append(Finding("note", kind, text, advice, {"rows": hidden}))
    return found
