"""The published scores: which of the paper's rows differ from a predictor that sees no image."""

from __future__ import annotations

from typing import Any

from toolkit.auditing.findings import Finding
from toolkit.paper.chance import always_no, chance_analysis
from toolkit.paper.results import IMAGES, POSITIVES, RESULTS, TEST_ROWS

ALPHA = 0.05


def published_rows(alpha: float = ALPHA) -> list[dict[str, Any]]:
    """Return each table row beside chance, JSON-able, in the paper's order.

    Keys: ``key``, ``source``, ``name``, the printed ``accuracy``, ``macro_precision`` and
    ``macro_recall``, the same three under ``blind`` for a predictor that ignores the image at
    ``rate``, the bounds of p before and after Holm over all rows, and ``verdict``. The statistic
    is macro precision, see :func:`toolkit.paper.chance.chance_p_values`.
    """
    rows = []
    for found in chance_analysis():
        printed = RESULTS[found.key]
        rows.append(
            {
                "key": found.key,
                "source": printed.source,
                "name": printed.name,
                "accuracy": printed.accuracy,
                "macro_precision": printed.macro_precision,
                "macro_recall": printed.macro_recall,
                "rate": found.rate,
                "blind": found.blind._asdict(),
                "p_low": found.p_low,
                "p_high": found.p_high,
                "holm_low": found.holm_low,
                "holm_high": found.holm_high,
                "verdict": found.verdict(alpha),
            }
        )
    return rows


def published_findings(
    rows: list[dict[str, Any]] | None = None, alpha: float = ALPHA
) -> list[Finding]:
    """Return what the paper's tables say about whether its networks saw the images.

    ``rows`` are those of :func:`published_rows` at level ``alpha``, if they are at hand.
    """
    rows = published_rows(alpha) if rows is None else rows
    by_verdict = {
        verdict: [row["key"] for row in rows if row["verdict"] == verdict]
        for verdict in ("told", "not told", "hidden by rounding")
    }
    told, hidden = by_verdict["told"], by_verdict["hidden by rounding"]
    mean = sum(POSITIVES.values()) / IMAGES / len(POSITIVES)
    blind = always_no([count / IMAGES for count in POSITIVES.values()])
    found = [
        Finding(
            "critical" if not told else "warning",
            "published scores",
            f"{len(told)} of the paper's {len(rows)} table rows can be told from a predictor that "
            f"ignores the image ({TEST_ROWS:,} test images, family-wise level {alpha:g})",
            "read the rows as what networks score whose labels belong to other images: the "
            "published code pairs labels with files by position",
            {"rows": rows, "alpha": alpha, "test_rows": TEST_ROWS},
        ),
        Finding(
            "note",
            "published scores",
            f"saying no to everything scores {blind.accuracy:.2%} accuracy, and any predictor that "
            f"ignores the image has a macro precision of {mean:.3f}, the mean prevalence, at any "
            "recall",
            evidence={"always_no": blind._asdict(), "mean_prevalence": mean},
        ),
    ]
    if hidden:
        found.append(
            Finding(
                "note",
                "published scores",
                f"whether {', '.join(hidden)} can be told depends on decimals of precision that "
                "are not printed",
                "ask the authors for unrounded figures",
                {"rows": hidden},
            )
        )
    return found


def published_facts(alpha: float = ALPHA) -> dict[str, Any]:
    """Return what ``audit --paper --json`` prints: the findings and one entry a table row."""
    rows = published_rows(alpha)
    return {"findings": [found.facts() for found in published_findings(rows, alpha)], "rows": rows}
