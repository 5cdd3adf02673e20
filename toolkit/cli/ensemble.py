"""toolkit ensemble: members combined into one, and whether that helps."""

from __future__ import annotations

from typing import Any

import typer

from toolkit.cli.command import DATA, FOLDS, MAKING, SEED, SPLIT, command, option
from toolkit.cli.run import Run

COMBINING = {
    "members": option(
        str,
        "all",
        help="Names or globs, comma-separated; all for every member that is no ensemble.",
    ),
    "method": option(str, "auto", help="mean, rank, greedy, stack, or auto: the best out of fold."),
    "cross_label": option(
        bool, False, "--cross-label", help="For stack: let a label see the other labels."
    ),
    "cardinality": option(
        bool, False, "--cardinality", help="For stack: let it see how many others are expected."
    ),
    "any_sign": option(
        bool, False, "--any-sign", help="For stack: let members count against a label."
    ),
    "per_label": option(
        bool, False, "--per-label", help="For greedy: select for each label alone."
    ),
    "calibration": option(
        str, "auto", help="auto, none, temperature, platt, beta or isotonic, per label."
    ),
    "thresholds": option(str, "f1", help="Tuned for f1, f2, f0.5, precision=0.9 or recall=0.8."),
    "against": option(
        str | None, None, metavar="NAME", help="Member to compare with. Default: the best."
    ),
    "resamples": option(int, 1000, min=1, help="Bootstrap resamples of the images."),
}


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, COMBINING, SPLIT, FOLDS, MAKING, SEED, DATA)(ensemble)


def ensemble(run: Run, **shared: Any) -> None:
    """Combine members into one, scored out of fold, and measure whether that helps."""
    import toolkit
    from toolkit.ensembles.ensemble import ensemble_facts

    facts = ensemble_facts(toolkit.ensemble(**shared))
    if run.json:
        run.emit(facts)
    else:
        from toolkit.cli.ensemble_page import page

        run.show(*page(facts, run.console().width))
