"""Headline: what a comparison comes to, in one paragraph."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.errors import counted, listed_labels
from toolkit.reports.comparison import Row
from toolkit.reports.differences import PAPER, REFERENCE


def ranked_members(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of members, the highest mean average precision first."""
    ours = [row for row in rows if row.kind not in ("paper", "reference")]
    return sorted(ours, key=lambda row: -(row.metrics["map"] or -1.0))


def headline(dataset: str, rows: Sequence[Row], unknown: float = 0.0) -> str:
    """Return the paragraph; every figure in it is in the rows.

    Args:
        dataset: its name.
        rows: the comparison's.
        unknown: share of the test images' labels that nobody knows.
    """
    ours = ranked_members(rows)
    if not ours:
        return (
            f"No member of {dataset} has been scored yet, so there is nothing but predictors that "
            "ignore the image. Make one: toolkit ovr --head linear."
        )
    best = ours[0]
    m, pair = best.metrics, best.ci.get("map")
    said = [
        f"Of {counted(len(ours), 'member')} on {dataset}, {best.name} "
        f"({best.source}) ranks the {best.images:,} test images best: mean average precision "
        f"{_figure(m['map'])}{_over(best)}{_interval(pair)}"
    ]
    above = best.versus.get(REFERENCE, {}).get("map")
    if above is not None:
        p = above["p_holm"]
        sure = "" if p is None else f" (p = {p:.2g}, Holm)"
        said[0] += f", against {_figure(above['value'])} of {above['name']}{sure}"
    said[0] += "."
    accuracy = best.versus.get(REFERENCE, {}).get("accuracy")
    if accuracy is not None and m["accuracy"] is not None:
        said.append(
            f"Its accuracy is {100 * m['accuracy']:.2f} %, {100 * accuracy['difference']:+.2f} "
            f"points from {accuracy['name']}"
            + (
                f" [{100 * accuracy['low']:+.2f}, {100 * accuracy['high']:+.2f}]."
                if accuracy["low"] is not None
                else "."
            )
        )
    printed = best.versus.get(PAPER, {})
    if "macro_precision" in printed and m["macro_precision"] is not None:
        said.append(
            f"Macro precision and recall at 0.5 are {m['macro_precision']:.2f} and "
            f"{_figure(m['macro_recall'], 2)}; the highest the paper printed, in different rows "
            f"and on its own test images, are {printed['macro_precision']['value']:.2f} and "
            f"{printed['macro_recall']['value']:.2f}."
        )
    if len(ours) > 1 and pair is not None:
        near = sum((row.metrics["map"] or 0) >= pair[0] for row in ours[1:])
        if near:
            said.append(
                f"The mAP of {counted(near, 'other member')} lies within that interval: the order "
                "among them is not settled by these images."
            )
    weak = [label for label, each in best.per_label.items() if (each["support"] or 0) < 20]
    if unknown:
        said.append(
            f"{unknown:.1%} of the test images' labels are unknown and left out of every figure."
        )
    if weak:
        carry = "are known to carry" if unknown else "carry"
        said.append(
            f"Fewer than 20 test images {carry} {listed_labels(weak, 12)}: take those with care."
        )
    return " ".join(said)


def _over(row: Row) -> str:
    """Say over how many labels a mean is, where it is not over all."""
    known, labels = row.labels_scored, len(row.per_label)
    return "" if known in (None, labels) else f" over {known} of {labels} labels"


def _figure(value: float | None, digits: int = 3) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"


def _interval(pair: Sequence[float] | None) -> str:
    return "" if pair is None else f" [95 %: {pair[0]:.3f} to {pair[1]:.3f}]"
