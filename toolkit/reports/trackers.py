"""Trackers: where a run's parameters, metrics and curves go besides the artifacts folder.

One class a library, imported when it is asked for. Servers, accounts and offline modes are the
libraries' own business: ``MLFLOW_TRACKING_URI``, ``WANDB_MODE`` and the like.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from toolkit.errors import UsageError
from toolkit.storage.files import digest_of

Curve = tuple[str, Sequence[Mapping[str, float]]]
_VALUE = 500  # letters of a parameter that MLflow is sure to take


@dataclass(frozen=True)
class TrackedRun:
    """What goes to a tracker of one member.

    Attributes:
        name: of the member.
        digest: of all that it was made from.
        parameters: of its recipe, nested ones under ``a.b``.
        tags: data set, split, versions and the like.
        metrics: on development images not learned from, and of each label.
        curves: metrics by epoch, each line with ``epoch``, by training run.
        files: to keep beside it.
    """

    name: str
    digest: str
    parameters: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    curves: list[Curve] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


class Tracker(Protocol):
    """Takes runs."""

    def log(self, run: TrackedRun) -> bool:
        """Log a run; return whether it was new there."""


class MLflowTracker:
    """Logs to an experiment of MLflow, a run a member; one that is there is left as it is."""

    def __init__(self, project: str, folder: Path) -> None:
        self._mlflow = _imported("mlflow")
        self._client = self._mlflow.MlflowClient()
        known = self._client.get_experiment_by_name(project)
        self._experiment = (
            self._client.create_experiment(project) if known is None else known.experiment_id
        )

    def log(self, run: TrackedRun) -> bool:
        """Log a run by name and digest, once."""
        wanted = f"tags.`toolkit.inputs` = '{run.digest}'"
        there = self._client.search_runs([self._experiment], wanted, max_results=1000)
        if any(
            each.info.status == "FINISHED" and each.data.tags.get("mlflow.runName") == run.name
            for each in there
        ):
            return False
        tags = run.tags | {"toolkit.inputs": run.digest}
        made = self._client.create_run(self._experiment, run_name=run.name, tags=tags)
        key, ended = made.info.run_id, "FAILED"
        try:
            for name, value in run.parameters.items():
                self._client.log_param(key, name, value[:_VALUE])
            for name, number in run.metrics.items():
                self._client.log_metric(key, _safe(name), number)
            for name, lines in run.curves:
                for line in lines:
                    for metric, number in line.items():
                        if metric != "epoch":
                            step = int(line["epoch"])
                            self._client.log_metric(
                                key, _safe(f"{name}/{metric}"), number, step=step
                            )
            for file in run.files:
                self._client.log_artifact(key, str(file))
            ended = "FINISHED"
        finally:
            self._client.set_terminated(key, ended)
        return True


class WandbTracker:
    """Logs to a project of Weights & Biases; a member has one run, which is written anew."""

    def __init__(self, project: str, folder: Path) -> None:
        self._wandb = _imported("wandb")
        self._project, self._folder = project, folder

    def log(self, run: TrackedRun) -> bool:
        """Log a run under an id made of its name and digest."""
        self._folder.mkdir(parents=True, exist_ok=True)
        made = self._wandb.init(
            project=self._project,
            name=run.name,
            id=digest_of(run.name, run.digest)[:32],
            resume="allow",
            config=run.parameters | run.tags,
            dir=str(self._folder),
            reinit="finish_previous",
        )
        for name, _ in run.curves:
            made.define_metric(f"{name}/*", step_metric=f"{name}/epoch")
        for name, lines in run.curves:
            for line in lines:
                made.log({f"{name}/{metric}": number for metric, number in line.items()})
        made.summary.update(run.metrics)
        for file in run.files:
            made.save(str(file), base_path=str(file.parent), policy="now")
        made.finish()
        return True


class TensorBoardTracker:
    """Writes event files, a folder a member; those of a member that is there are left."""

    def __init__(self, project: str, folder: Path) -> None:
        _imported("tensorboard")
        self._folder = folder / project

    def log(self, run: TrackedRun) -> bool:
        """Write a run into a folder of its name and digest."""
        from torch.utils.tensorboard import SummaryWriter

        place = self._folder / f"{run.name}-{run.digest[:8]}"
        done = place / "written"
        if done.is_file():
            return False
        for left in place.glob("events.*"):  # by a run that was killed
            left.unlink()
        with SummaryWriter(str(place)) as writer:
            for title, facts in (("parameters", run.parameters), ("tags", run.tags)):
                lines = "".join(f"| {_cell(k)} | {_cell(v)} |\n" for k, v in facts.items())
                writer.add_text(title, f"| name | value |\n|---|---|\n{lines}")
            for name, number in run.metrics.items():
                writer.add_scalar(name, number)
            for name, curve in run.curves:
                for line in curve:
                    for metric, number in line.items():
                        if metric != "epoch":
                            writer.add_scalar(f"{name}/{metric}", number, int(line["epoch"]))
        done.touch()
        return True


TRACKERS: dict[str, Callable[[str, Path], Tracker]] = {
    "mlflow": MLflowTracker,
    "wandb": WandbTracker,
    "tensorboard": TensorBoardTracker,
}


def _imported(library: str) -> Any:
    try:
        return importlib.import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise UsageError(
            f"{library} is not installed: pip install 'toolkit[{library}]', or choose another "
            "tracker"
        ) from error


def _safe(name: str) -> str:
    """Return a metric's name of letters that MLflow takes; others are told by their number."""
    kept = "_-. /"
    return "".join(
        c if (c.isascii() and c.isalnum()) or c in kept else f"-{ord(c):x}-" for c in name
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
