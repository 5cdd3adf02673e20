"""Audited: the findings of an audit that was kept, for a report."""

from __future__ import annotations

import json
from pathlib import Path

from toolkit.auditing.findings import Finding, ranked
from toolkit.errors import UsageError


def kept_findings(file: Path, dataset: str) -> list[Finding]:
    """Read what ``toolkit audit --json`` printed.

    Raises:
        UsageError: the file is not there, is no audit, or is one of another data set.
    """
    make = f"make one with 'toolkit audit --data {dataset} --json > {file.name}'"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        of = found["dataset"]
        findings = [Finding(**each) for each in found["findings"]]
    except OSError as error:
        raise UsageError(f"audit: {file} cannot be read ({error.strerror}): {make}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"audit: {file} is no audit of a data set: {make}") from error
    if of != dataset:
        raise UsageError(f"audit: expected one of {dataset!r}, found {of!r} ({file}): {make}")
    return ranked(findings)
