"""The page that toolkit ensemble shows: gains, labels, members, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Facts = Mapping[str, Any]
_MANY = 100
_TITLES = {
    "map": "mAP",
    "auroc": "AUROC",
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
}


def page(facts: Facts) -> list[Any]:
    """Return tables and text, from the facts of an ensemble."""
    from rich.text import Text

    gains = facts["evidence"]
    return [
        _differences(facts, gains),
        *_labels(gains),
        _members(facts["members"], gains),
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
        f"{name} {_shown(value)}" for name, value in ordered
    )
    if len(ordered) > 1:
        text += (
            f". Choosing the best by these figures flatters it by about {price:.4f}, which the "
            "difference in mAP is less"
        )
    return text


def _table(title: str, left: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1)
    )
    table.add_column(left, no_wrap=True, overflow="ellipsis")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _differences(facts: Facts, gains: Facts) -> Table:
    title = f"{facts['name']}: {facts['source']}, out of fold on {facts['images']:,} images"
    table = _table(title, "", "ensemble", gains["best"], "difference", "95 % interval", "p")
    for key, name in _TITLES.items():
        each = gains["differences"][key]
        table.add_row(
            name,
            _shown(each["ensemble"]),
            _shown(each["member"]),
            _signed(each["difference"]),
            " to ".join(_signed(each[end]) for end in ("low", "high")),
            _shown(each["p"], 3),
        )
    return table


def _labels(gains: Facts) -> list[Table]:
    from rich.text import Text

    many = len(gains["labels"]) >= _MANY
    adjusted = "for false discoveries (Benjamini-Hochberg)" if many else "for all labels (Holm)"
    ranking = _table(
        f"average precision by label, its gain over {gains['best']}, and the gain's p adjusted "
        f"{adjusted}",
        "label", "positives", "AP", "95 % interval", "gain", "p",
    )  # fmt: skip
    deciding = _table(
        "calibration by label, its error before and after, and the tuned threshold",
        "label", "calibration", "before", "after", "threshold",
    )  # fmt: skip
    for each in gains["labels"]:
        ranking.add_row(
            Text(each["label"]),
            f"{each['positives']:,}",
            _shown(each["ap"], 3),
            " to ".join(_shown(each[end], 3) for end in ("low", "high")),
            _signed(each["gain"]["difference"], 3),
            _shown(each["p_bh" if many else "p_holm"], 3),
        )
        errors = (_shown(error, 3) for error in each["ece"])
        deciding.add_row(Text(each["label"]), each["method"], *errors, _shown(each["threshold"], 2))
    return [ranking, deciding]


def _members(names: list[str], gains: Facts) -> Table:
    from rich.text import Text

    table = _table(
        "members, each listed when it helps the mean of those above most",
        "member", "mAP alone", "ensemble's mAP\nwithout it", "mean's mAP, it\nand those above",
        "correlation\nof errors",
    )  # fmt: skip
    for step in gains["added"]:
        name = step["member"]
        at = names.index(name)
        others = [row for place, row in enumerate(gains["errors"][at]) if place != at]
        table.add_row(
            Text(name),
            _shown(gains["members"][name]),
            _shown(gains["without"].get(name, {}).get("map")),
            _shown(step["map"]),
            f"{min(others):.2f} to {max(others):.2f}",
        )
    return table


def _shown(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _signed(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:+.{digits}f}"
