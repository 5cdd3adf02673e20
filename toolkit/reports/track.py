"""Track: members as runs of MLflow, Weights & Biases or TensorBoard, beside a team's others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import UsageError, check_choice, counted, listed
from toolkit.finetuning.journal import read_journals
from toolkit.members.find import Wanted, find_members, home_of
from toolkit.members.member import Member
from toolkit.pages.tables import facts_table
from toolkit.reports.trackers import TRACKERS, Curve, TrackedRun
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder


@dataclass(frozen=True, repr=False)
class Tracked:
    """What went to a tracker.

    Attributes:
        to: the tracker.
        project: the name that runs are kept under there.
        logged: names of members that are new there.
        there: names of those that were there.
    """

    to: str
    project: str
    logged: tuple[str, ...]
    there: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit track --json``."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}

    def __repr__(self) -> str:
        """Return what went there, in a sentence."""
        names = f": {listed(self.logged, 12)}" if self.logged else ""
        rest = f"; {counted(len(self.there), 'member')} there already" if self.there else ""
        return (
            f"{counted(len(self.logged), 'member')} logged to {self.to}, project "
            f"{self.project}{names}{rest}"
        )

    def _repr_html_(self) -> str:
        return facts_table(self.facts())


@checked
def track(
    members: Wanted = "*",
    *,
    to: str = "mlflow",
    project: str = "toolkit",
    folder: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Tracked:
    """Log members to a tracker: recipe, metrics on development images, learning curves.

    A member is a run. It is logged once: one that was made again from other inputs is another run.
    Where runs go is the tracker's own setting (``MLFLOW_TRACKING_URI``, ``WANDB_MODE``). The test
    images have no part in it, but for a report that is sent along.

    Args:
        members: names, patterns, or members in hand.
        to: ``mlflow``, ``wandb`` or ``tensorboard``; each is an extra.
        project: what runs are kept under: an experiment of MLflow, a project of Weights & Biases, a
            folder of TensorBoard's.
        folder: where TensorBoard's files and those that Weights & Biases keeps here are written; by
            default ``tracking`` in the artifacts folder.
        report: a page that :func:`~toolkit.reports.report.report` wrote, kept with each run; not
            for TensorBoard.
        artifacts: where everything is kept.
        progress: where progress is shown.

    Raises:
        UsageError: the tracker is not installed, there is no member of a name, or no report.
    """
    check_choice("to", to, TRACKERS)
    if not project.strip() or "/" in project or project.startswith("."):
        raise UsageError(f"project: expected a name without slashes, found {project!r}")
    files = [] if report is None else [Path(report)]
    if files and to == "tensorboard":
        raise UsageError("report is not for tensorboard: leave it out")
    if files and not files[0].is_file():
        raise UsageError(f"report: expected a page, found none at {report}")
    progress = choose_progress(progress)
    home = artifacts_folder(home_of(members) if artifacts is None else artifacts)
    found, _ = find_members(home, members)
    tracker = TRACKERS[to](project, home / "tracking" if folder is None else Path(folder))
    logged, there = list[str](), list[str]()
    with progress.task("logging members", len(found)) as task:
        for member in found:
            run = _run(member, home, files)
            (logged if tracker.log(run) else there).append(member.name)
            task.advance()
    return Tracked(to, project, tuple(logged), tuple(there))


def _run(member: Member, artifacts: Path, files: list[Path]) -> TrackedRun:
    made = member.provenance()
    tags = {"kind": member.kind, "source": member.source}
    tags |= {
        f"toolkit.{name}" if name == "toolkit" else name: str(made[name])
        for name in ("dataset", "split", "made", "seconds", "toolkit", "python", "repository")
        if made.get(name) is not None
    }
    metrics = {name: float(value) for name, value in member.metrics.items() if value is not None}
    metrics |= {
        f"label/{label}/{name}": float(value)
        for label, row in member.facts()["per_label"].items()
        for name, value in row.items()
        if isinstance(value, int | float)
    }
    curves: list[Curve] = []
    for name, lines in read_journals(artifacts, member.name):
        numbers = [{k: float(v) for k, v in line.items() if _is_number(v)} for line in lines]
        curves.append((name, numbers))
    parameters = dict(_flat(member.recipe()))
    return TrackedRun(member.name, member.inputs, parameters, tags, metrics, curves, files)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flat(recipe: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{above}{name}.")
        else:
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            found.append((above + name, text))
    return found
