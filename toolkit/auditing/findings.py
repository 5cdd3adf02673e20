"""Findings: what an audit has to say, each with its figures and what to do, the worst first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["critical", "warning", "note", "passed"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "note", "passed")


@dataclass(frozen=True)
class Finding:
    """One thing that an audit found.

    Attributes:
        severity: ``critical``: results on this data mean nothing until it is corrected;
            ``warning``: they are biased or weaker; ``note``: worth knowing; ``passed``: a check
            that found nothing wrong.
        kind: which check, such as ``alignment`` or ``duplicates``.
        sentence: what was found, in plain words.
        advice: what to do about it; empty where nothing needs doing.
        evidence: the figures behind it, JSON-able.
        figures: the same in one line for people; empty where the sentence already holds them.
        weight: ranks findings of one severity, larger first.
    """

    severity: Severity
    kind: str
    sentence: str
    advice: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    figures: str = ""
    weight: float = 0.0

    def facts(self) -> dict[str, Any]:
        """Return all fields but the weight, JSON-able."""
        found = asdict(self)
        del found["weight"]
        return found


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by severity, then weight; equals stay in their order.

    >>> [f.kind for f in ranked([Finding("note", "a", ""), Finding("critical", "b", "")])]
    ['b', 'a']
    """
    return sorted(findings, key=lambda found: (SEVERITIES.index(found.severity), -found.weight))


def worst(findings: Iterable[Finding]) -> Severity:
    """Return the gravest severity among findings; ``passed`` if there are none."""
    return min((found.severity for found in findings), key=SEVERITIES.index, default="passed")


def p_text(p: float) -> str:
    """Write a p-value.

    >>> p_text(0.0005), p_text(1e-16)
    ('p = 0.0005', 'p < 1e-15')
    """
    return "p < 1e-15" if p <= 1e-15 else f"p = {p:.2g}"


def counted(count: int, one: str, several: str = "") -> str:
    """Write a number of things.

    >>> counted(1, "image"), counted(1200, "image"), counted(2, "label is", "labels are")
    ('1 image', '1,200 images', '2 labels are')
    """
    return f"1 {one}" if count == 1 else f"{count:,} {several or one + 's'}"
