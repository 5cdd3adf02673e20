"""Fine-tuned members: networks trained on the images, or their output layer on frozen features."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.distribute.machines import connected, device_at, together_size
from toolkit.distribute.place import HERE, check_place
from toolkit.distribute.together import check_together
from toolkit.errors import UsageError, check_choice, check_whole
from toolkit.features.backbones import DEFAULT
from toolkit.features.spec import FeatureSpec
from toolkit.finetuning.journal import EXTRA, tensorboard_there, training_folder
from toolkit.finetuning.protocols import (
    answers,
    backbone_of,
    canonical,
    measure,
    settings_for,
)
from toolkit.finetuning.settings import Settings
from toolkit.heads.auxiliary import WEIGHTINGS, check_tasks
from toolkit.heads.partial_labels import check_unknown
from toolkit.members.basis import Basis
from toolkit.members.frozen import Settings as SettingsLike
from toolkit.members.member import Member
from toolkit.members.reuse import default_name, reuse_or_make
from toolkit.members.training_images import TrainingImages
from toolkit.members.training_job import TrainingInputs, TrainingJob
from toolkit.paper.results import result
from toolkit.runtime.arguments import checked
from toolkit.runtime.denormals import flushed_denormals
from toolkit.runtime.device import choose_precision
from toolkit.runtime.heap import keep_freed_memory
from toolkit.runtime.options import parse_options
from toolkit.runtime.progress import Progress, Task, choose_progress
from toolkit.runtime.stopping import stop_signal
from toolkit.storage.files import safe_name
from toolkit.storage.names import names_of

if TYPE_CHECKING:
    from toolkit.finetuning.fitting import Fitted


@flushed_denormals()
@checked
def finetune(
    data: Dataset | str | None = None,
    backbone: str | None = None,
    *,
    protocol: str = "modern",
    row: str | None = None,
    pretrain: str | None = None,
    loss: str | None = None,
    optimizer: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    size: int | None = None,
    set: SettingsLike = None,
    aux: str | Iterable[str] = "none",
    weighting: str = "uncertainty",
    aux_weight: float = 0.3,
    folds: int = 0,
    unknown: str = "ignore",
    weights: str = "default",
    crop: str = "full",
    resume: bool = True,
    tensorboard: bool | None = None,
    split: str = "paper",
    name: str | None = None,
    overwrite: bool = False,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    on: str = "here",
    workers: int = 1,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Member:
    """Fine-tune a network, or its output layer alone, and score what it did not learn from.

    Asked to stop (Ctrl-C), it saves what it has and raises; the same call goes on from there.

    Args:
        data: a data set, or the name of one.
        backbone: as for :func:`~toolkit.features.embed.embed`; by default the row's, else the
            bundled one.
        protocol: ``published`` (faults and all), ``corrected`` or ``modern``.
        row: a result of the paper to repeat, such as ``table3/6``.
        pretrain: ``finetune``, ``feature-extract`` (frozen trunk) or ``none``.
        loss: ``bce``, ``focal`` or ``asl``.
        optimizer: ``sgd``, ``adam``, ``adamw`` or ``rmsprop``.
        epochs: passes over the images.
        batch_size: images per step.
        learning_rate: of the output layer.
        size: side of the pictures in pixels; by default the backbone's.
        set: any other of :class:`~toolkit.finetuning.settings.Settings`, by name or as
            ``key=value`` texts.
        aux: auxiliary tasks: ``cardinality``, ``any``, ``colour``, ``single-channel``,
            ``teacher:BACKBONE``, ``rotation``; or ``none``.
        weighting: of the tasks: ``uncertainty`` (learned) or ``fixed``.
        aux_weight: of each task where weights are fixed.
        folds: train once per fold for out-of-fold scores; 0 for once.
        unknown: as for :func:`~toolkit.members.frozen.ovr`; ``selective`` goes by logistic
            regressions on the features of the network before it is trained.
        weights: ``default``, ``none`` (a random start) or a weights file.
        crop: ``center`` or ``full``.
        resume: go on from the last checkpoint.
        tensorboard: True to insist, False for never, None for where it is installed.
        on: where networks are trained: ``here``, ``ray``, or ``ray://host:port``; one a fold, on
            machines that share the artifacts folder.
        workers: processes on a cluster that train each network together, each with a graphics card
            or, without any, some cores; they share each batch, which stays as large as it was, and
            the member is the same but for rounding. Networks are trained one after another then.

    The others are those of :func:`~toolkit.members.frozen.ovr`.

    Raises:
        UsageError: an option is not among its choices, options contradict each other, a member of
            that name was made from other inputs, or training diverged.
        DataError: images changed since they were imported, or there are none to learn from.
        StoppedError: it was asked to stop.
        ClusterError: the cluster cannot be had, or lost a run too often.
    """
    check_place(on)
    workers = check_whole("workers", workers, 1)
    check_together(workers, on)
    progress = choose_progress(progress)
    given = {
        "pretrain": pretrain,
        "loss": loss,
        "optimizer": optimizer,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
    }
    row = row and canonical(row)  # results that share a run share all of it
    how, weights = _settings(protocol, row, given, parse_options(set), weights)
    if workers > 1 and how.compile:
        raise UsageError("compile is for one process: leave it out, or workers")
    check_unknown(unknown, weights)
    own = DEFAULT if row is None else backbone_of(result(row))
    asked = backbone or own
    if tensorboard and not tensorboard_there():
        raise UsageError(EXTRA)
    tasks = _tasks(aux, weighting, how)
    if name is not None:
        safe_name(name, "member name")
    folds = check_whole("folds", folds)
    if folds and (how.keep != "last" or how.patience):
        progress.say(
            "with folds all but one of the runs learn from an image, so none is left to choose "
            "weights by: each run keeps its last epoch's"
        )
    basis = Basis.open(data, split, folds or None, artifacts, progress)
    if name is None:
        made = _name(protocol, row, asked, own, how, tasks)
        made += "" if unknown == "ignore" else f"-{unknown}"
        name = default_name(basis.artifacts, made, basis.dataset.name)
    with connected(on):
        chosen = device_at(device, on)
        if workers > 1:
            together_size(workers, chosen, on)  # before pictures are decoded
        spec = FeatureSpec.parse(
            [asked],
            weights=weights,
            crop=[crop],
            device=chosen,
            precision=choose_precision(precision, chosen),
            seed=seed,
            on=on,
        )
        recipe = {
            "command": "finetune",
            "protocol": protocol,
            "row": row,
            "split": split,
            "folds": folds,
            "precision": spec.precision,
            "backbone": asked,
            "weights": weights,
            "crop": crop,
            "size": size,
            "seed": spec.seed,
            "settings": how.facts(),
            **({} if unknown == "ignore" else {"unknown": unknown}),
        }
        job = TrainingJob(basis, how, spec, size, tasks, weighting, aux_weight, unknown, workers)
        work = _Work(job, job.images(), recipe)
        return work.member(name, overwrite=overwrite, resume=resume, tensorboard=tensorboard)


def _settings(
    protocol: str,
    row: str | None,
    given: Mapping[str, Any],
    more: Mapping[str, Any],
    weights: str,
) -> tuple[Settings, str]:
    """Return the settings, and the weights that go with them."""
    changes = {key: value for key, value in given.items() if value is not None}
    for key in changes:
        if key in more:
            raise UsageError(f"{key} is given twice, by itself and in set: leave one out")
    how = settings_for(protocol, row).changed({**changes, **more})
    if row is not None and result(row).pretrain == "scratch":
        if weights not in ("default", "none"):
            raise UsageError(f"{row} begins with a random network: leave weights out")
        weights = "none"
    if weights == "none":
        if more.get("initial_probe"):
            raise UsageError("initial_probe needs a network that knows something: leave it out")
        how = how.changed({"initial_probe": False})
    return how, weights


def _tasks(aux: str | Iterable[str], weighting: str, how: Settings) -> tuple[str, ...]:
    tasks = check_tasks([task for task in names_of(aux) if task != "none"], pictures=True)
    check_choice("weighting", weighting, WEIGHTINGS)
    if tasks and how.pretrain != "finetune":
        raise UsageError(
            "aux goes with a trunk that learns, which the tasks share with the labels: leave it "
            "out, or pretrain too"
        )
    return tasks


def _name(
    protocol: str, row: str | None, backbone: str, own: str, how: Settings, tasks: tuple[str, ...]
) -> str:
    more = "-aux" if tasks else ""
    if row is not None:
        other = "" if backbone == own else f"-{backbone.replace('/', '-')}"
        return f"{protocol}-{row.replace('/', '-')}{other}{more}"
    kind = {"finetune": "finetuned"}.get(how.pretrain, how.pretrain)
    name = f"{kind}-{backbone.replace('/', '-')}{more}"
    return name if protocol == "modern" else f"{protocol}-{name}"


@dataclass(frozen=True)
class _Work:
    """A training run that has been looked at and not yet begun."""

    job: TrainingJob
    images: TrainingImages
    recipe: dict[str, Any]

    def member(
        self, name: str, *, overwrite: bool, resume: bool, tensorboard: bool | None
    ) -> Member:
        """Train, score and save, or return what is up to date."""
        from toolkit.finetuning.run_folder import CHECKPOINT, end_folder, prepare_folder

        job, recipe = self.job, dict(self.recipe)
        if job.tasks:
            recipe |= {
                "aux": list(job.tasks),
                "weighting": job.weighting,
                "aux_weight": job.aux_weight,
            }
        teachers = job.teachers()
        facts = recipe | {"settings": repr(sorted(job.how.facts().items()))}
        basis = job.basis
        if teachers:
            keys = [key for spec in teachers.values() for key, _ in spec.keys(basis.artifacts)]
            facts |= {"teachers": [key.hex for key in keys]}
        inputs = basis.digest(basis.split.digest, self.images.facts, facts)
        folder = training_folder(basis.artifacts, name)
        with reuse_or_make(
            basis.artifacts,
            name,
            inputs,
            overwrite=overwrite,
            folder=folder,
            clear=partial(end_folder, folder),
            pattern=f"*/*{CHECKPOINT}",
            say=basis.progress.say,
        ) as there:
            if there is not None:
                return there
            keep_freed_memory()
            started = time.perf_counter()
            prepare_folder(folder, inputs, resume, discard=overwrite)
            fitted, found = self._fit(name, folder, tensorboard)
            at = found.images[fitted.rows]
            tested = np.isin(at, basis.split.test)
            rows = answers(recipe["row"]) if recipe["row"] is not None else []
            measured = measure(
                rows, job.how, found.Y[at[tested]], fitted.scores[tested], basis.dataset.labels
            )
            return basis.save(
                name,
                rows=at,
                scores=fitted.scores,
                origin=fitted.origin,
                fold=fitted.fold,
                recipe=recipe,
                facts=facts,
                started=started,
                made={
                    "seed": job.spec.seed,
                    "device": job.spec.device,
                    "history": fitted.histories,
                    **({"workers": job.workers} if job.workers > 1 else {}),
                },
                kind="finetuned",
                source=f"{self.images.backbone}, {job.how.pretrain}, {recipe['protocol']}, "
                f"{job.how.epochs} epochs",
                inputs=inputs,
                states=fitted.states,
                notes={
                    "protocol": recipe["protocol"],
                    "measured": measured,
                    "settings": job.how.facts(),
                    "trunk": self.images.facts,
                    "skipped": found.skipped,
                },
                development={"measured": measured},
            )

    def _fit(
        self, name: str, folder: Path, tensorboard: bool | None
    ) -> tuple[Fitted, TrainingInputs]:
        """Return models and scores, and what they learned from."""
        from toolkit.finetuning.callbacks import Callbacks
        from toolkit.finetuning.fitting import fit

        job, progress = self.job, self.job.basis.progress
        away = job.spec.on != HERE
        mine, images = (job, self.images)
        if away:
            mine = job.gathered_here()
            images = mine.images()
        found = mine.inputs(images)
        run = _Runs(progress, name)
        with stop_signal(progress.say) as stop, progress.task(f"training {name}") as task:
            run.task = task
            fitted = fit(
                images.network,
                found.source,
                found.Y[found.images],
                found.rows,
                job.how,
                unknown=job.unknown,
                auxiliary=found.auxiliary,
                seed=job.spec.seed,
                precision=job.spec.precision,
                device=job.spec.device,
                callbacks=Callbacks(
                    folder=folder,
                    tensorboard=tensorboard,
                    stop=stop,
                    on_run=run.begin,
                    on_step=task.advance,
                    on_epoch=run.epoch,
                ),
                elsewhere=job.elsewhere(folder, tensorboard, stop) if away else None,
            )
        return fitted, found


class _Runs:
    """Tells of the epochs of one run after another."""

    task: Task

    def __init__(self, progress: Progress, member: str) -> None:
        self._progress, self._member, self._run = progress, member, ""

    def begin(self, run: str, epochs: int, images: int) -> None:
        self._run = run
        self.task.start(self.task.done + epochs * images)

    def epoch(self, metrics: dict[str, Any]) -> None:
        self._progress.epoch(f"{self._member} {self._run}", metrics)
