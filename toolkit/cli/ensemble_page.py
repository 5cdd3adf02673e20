"""The page that toolkit ensemble shows: gains, labels, members, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from toolkit.members.member import Member

_TITLES = {
    "map": "mAP",
    "auroc": "AUROC",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
}


def page(member: Member, notes: Mapping[str, Any]) -> list[Any]:
    """Return tables and text, from the notes kept with an ensemble."""
    from rich.text import Text

    evidence = notes["evidence"]
    images = int((member.scored.fold >= 0).sum())
    log_loss, ece = evidence["calibration"]["log_loss"], evidence["calibration"]["ece"]
    tried = ", ".join(
        f"{name} {_shown(value, 4)}"
        for name, value in sorted(notes["considered"].items(), key=lambda each: -(each[1] or 0))
    )
    return [
        _gains(f"{member.name}: {member.source}, out of fold on {images:,} images", evidence),
        _labels(evidence),
        _members(notes),
        Text(f"methods tried, nested mAP: {tried}"),
        Text(
            f"calibration, mean over labels: log loss {log_loss[0]:.4f} -> {log_loss[1]:.4f}, "
            f"ECE {ece[0]:.4f} -> {ece[1]:.4f}; one threshold for all: "
            f"{notes['thresholds']['overall']:.3f}"
        ),
        Text(evidence["note"], style="bold"),
    ]


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


def _gains(title: str, evidence: Mapping[str, Any]) -> Table:
    table = _table(title, "", "ensemble", evidence["best"], "difference", "95 %", "p")
    for key, name in _TITLES.items():
        each = evidence["differences"][key]
        table.add_row(
            name,
            _shown(each["ensemble"], 4),
            _shown(each["member"], 4),
            _signed(each["difference"]),
            _interval(each["low"], each["high"]),
            _shown(each["p"], 3),
        )
    return table


def _labels(evidence: Mapping[str, Any]) -> Table:
    from rich.text import Text

    table = _table(
        "by label (p: Holm's, of the gain in AP; ECE before and after; cut: tuned threshold)",
        "label", "positives", "AP", "95 %", "gain", "p", "calibration", "ECE", "cut",
    )  # fmt: skip
    for each in evidence["labels"]:
        table.add_row(
            Text(each["label"]),
            f"{each['positives']:,}",
            _shown(each["ap"], 3),
            "–" if each["low"] is None else f"{each['low']:.3f}-{each['high']:.3f}",
            _signed(each["gain"]["difference"], 3),
            _shown(each["p_holm"], 3),
            each["method"],
            f"{each['ece'][0]:.3f} {each['ece'][1]:.3f}",
            f"{each['threshold']:.2f}",
        )
    return table


def _members(notes: Mapping[str, Any]) -> Table:
    from rich.text import Text

    evidence = notes["evidence"]
    table = _table(
        "members (loses: mAP without it; added: mAP of the mean of it and those above)",
        "member", "mAP", "loses", "added", "error correlation",
    )  # fmt: skip
    names = notes["members"]
    for step in evidence["added"]:
        name = step["member"]
        at = names.index(name)
        others = [row for place, row in enumerate(evidence["errors"][at]) if place != at]
        loses = evidence["without"].get(name, {}).get("loses")
        table.add_row(
            Text(name),
            _shown(evidence["members"][name], 4),
            _signed(loses),
            _shown(step["map"], 4),
            f"{min(others):.2f}-{max(others):.2f}",
        )
    return table


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _signed(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:+.{digits}f}"


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:+.4f} {high:+.4f}"
