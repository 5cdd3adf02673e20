"""Evidence: the figures behind a finding, in one line of plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.auditing.findings import Finding
from toolkit.auditing.verdicts import p_text
from toolkit.errors import listed


def evidence_text(found: Finding, shown: int = 3) -> str:
    """Return the figures behind a finding; empty where its sentence already holds them.

    Args:
        found: the finding.
        shown: how many images or pairs to name.

    >>> evidence_text(Finding("note", "x", "", evidence={"p": 0.01, "searched": 40}))
    'p = 0.01, corrected for the 40 pairings that were searched'
    """
    of = found.evidence
    if "permutations" in of:
        return (
            f"mean correlation {of['statistic']:.3f}, {of['z']:.1f} standard deviations from the "
            f"mean of {of['permutations']:,} permutations"
        )
    if "searched" in of:
        return (
            f"{p_text(of['p'])}, corrected for the {of['searched']:,} pairings that were searched"
        )
    if "p_worse" in of:
        return (
            f"{of['rows']:,} images; {p_text(of['p'])} of labels dealt at random there, "
            f"{p_text(of['p_worse'])} of being no worse than elsewhere"
        )
    if "columns" in of:
        return ", ".join([p_text(of["p"]), *_gains(of)])
    if "likeliest" in of:
        return listed([_suspect(each) for each in of["likeliest"]], shown)
    if "pairs" in of:
        return listed([_pair(each) for each in of["pairs"]], shown)
    return ""


def _gains(of: Mapping[str, Any]) -> list[str]:
    return [
        f"AUROC of {name} {before:.2f} → {of['auroc_after'][name]:.2f}"
        for name, before in of["auroc_before"].items()
    ]


def _suspect(each: Mapping[str, Any]) -> str:
    return f"{each['image']} {each['kind']} {each['label']} ({each['score']:.2f})"


def _pair(each: Mapping[str, Any]) -> str:
    how = "the same bytes" if each["kind"] == "exact" else f"{each['bits']} of 128 hash bits apart"
    return f"{each['first']} and {each['second']} ({how})"
