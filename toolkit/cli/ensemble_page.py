"""The page that toolkit ensemble shows: gains, labels, members, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.cli.terminal_table import figures_table, shown

Facts = Mapping[str, Any]
_MANY = 100
_TITLES = {
    "map": "mAP",
    "auroc": "AUROC",
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
}


def page(facts: Facts, width: int) -> list[Any]:
    """Return tables and text, from the facts of an ensemble, for a terminal of that width."""
    from rich.text import Text

    gains = facts["evidence"]
    return [
        *_differences(facts, gains, width),
        *_labels(gains, width),
        *_members(facts["members"], gains, width),
        Text(_tried(facts["considered"], gains["price"])),
        Text(
            "calibration, mean over labels: log loss "
            + " -> ".join(f"{each:.4f}" for each in gains["calibration"]["log_loss"])
            + ", calibration error "
            + " -> ".join(f"{each:.4f}" for each in gains["calibration"]["ece"])
            + f"; best single threshold for all labels: {facts['thresholds']['overall']:.3f}"
        ),
        Text(gains["note"], style="bold"),
        Text(f"{facts['path']} ({facts['seconds']:.1f} s)"),
    ]


def _tried(considered: Facts, price: float) -> str:
    """Say what each method reached, and what choosing by that flatters the best by."""
    ordered = sorted(considered.items(), key=lambda each: -(each[1] or 0))
    text = "methods tried, mAP out of fold, within folds: " + "; ".join(
        f"{name} {shown(value)}" for name, value in ordered
    )
    if len(ordered) > 1:
        text += (
            f". Choosing the best by these figures flatters it by about {price:.4f}, which the "
            "difference in mAP is less"
        )
    return text


def _differences(facts: Facts, gains: Facts, width: int) -> tuple[Any, Any]:
    title = f"{facts['name']}: {facts['source']}, out of fold on {facts['images']:,} images"
    heads = ["", "ensemble", gains["best"], "difference", "95 % interval", "p"]
    lines = [
        [
            name,
            shown(each["ensemble"]),
            shown(each["member"]),
            shown(each["difference"], sign="+"),
            _interval(each, 4, "+"),
            shown(each["p"], 3),
        ]
        for key, name in _TITLES.items()
        for each in [gains["differences"][key]]
    ]
    return figures_table(title, heads, lines, width)


def _labels(gains: Facts, width: int) -> list[Any]:
    many = len(gains["labels"]) >= _MANY
    adjusted = "for false discoveries (Benjamini-Hochberg)" if many else "for all labels (Holm)"
    title = (
        f"average precision by label, its gain over {gains['best']}, and the gain's p adjusted "
        f"{adjusted}"
    )
    ranking, deciding = [], []
    for each in gains["labels"]:
        ranking.append(
            [
                each["label"],
                f"{each['positives']:,}",
                shown(each["ap"], 3),
                shown(each["gain"]["difference"], 3, "+"),
                shown(each["p_bh" if many else "p_holm"], 3),
                _interval(each, 3),
            ]
        )
        errors = (shown(error, 3) for error in each["ece"])
        deciding.append([each["label"], each["method"], *errors, shown(each["threshold"], 2)])
    return [
        *figures_table(
            title, ["label", "positives", "AP", "gain", "p", "95 % of AP"], ranking, width
        ),
        *figures_table(
            "calibration by label, its error before and after, and the tuned threshold",
            ["label", "calibration", "before", "after", "threshold"],
            deciding,
            width,
        ),
    ]


def _members(names: list[str], gains: Facts, width: int) -> tuple[Any, Any]:
    lines = []
    for step in gains["added"]:
        name = step["member"]
        at = names.index(name)
        others = [row for place, row in enumerate(gains["errors"][at]) if place != at]
        lines.append(
            [
                name,
                shown(gains["members"][name]),
                shown(gains["without"].get(name, {}).get("map")),
                shown(step["map"]),
                f"{min(others):.2f} to {max(others):.2f}",
            ]
        )
    heads = [
        "member",
        "mAP alone",
        "ensemble's mAP without it",
        "mean's mAP, it and those above",
        "correlation of errors",
    ]
    title = "members, each listed when it helps the mean of those above most"
    return figures_table(title, heads, lines, width)


def _interval(each: Facts, digits: int, sign: str = "") -> str:
    if each["low"] is None:
        return "–"
    return " to ".join(shown(each[end], digits, sign) for end in ("low", "high"))
