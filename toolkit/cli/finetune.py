"""toolkit finetune: networks trained on the images, or their output layer on frozen features."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.embed import CropOption, WeightsOption
from toolkit.cli.epochs import EpochTable
from toolkit.cli.finetune_inputs import inputs_of
from toolkit.cli.making import making
from toolkit.cli.options import (
    ArtifactsOption,
    DataOption,
    DeviceOption,
    JsonOption,
    NameOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    Run,
    SeedOption,
    SplitOption,
)
from toolkit.cli.stopping import saved_on_stop, stop_signal
from toolkit.cli.task_material import parse_tasks, task_material, teachers_of
from toolkit.runtime.denormals import flushed_denormals

if TYPE_CHECKING:
    from toolkit.data.dataset import Dataset
    from toolkit.finetuning.settings import Settings
    from toolkit.members.member import Member


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(flushed_denormals()(finetune))


def finetune(
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", help="As for embed. Default: the row's, else the bundled one."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option("--protocol", help="published (faults and all), corrected, or modern."),
    ] = "modern",
    row: Annotated[
        str | None, typer.Option("--row", help="A result of the paper to repeat, such as table3/6.")
    ] = None,
    pretrain: Annotated[
        str | None,
        typer.Option("--pretrain", help="finetune, feature-extract (frozen trunk), or none."),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            "--loss",
            help="bce, focal or asl. The last probe of modern is bce: --set head_end=none leaves "
            "it out.",
        ),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option("--optimizer", help="sgd, adam, adamw or rmsprop.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=0, help="Passes over the images.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Images a step.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Of the output layer.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", min=1, help="Side of the pictures. Default: the backbone's."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other training setting; repeatable."),
    ] = None,
    aux: Annotated[
        str,
        typer.Option(
            "--aux",
            help="Tasks to learn beside the labels, comma-separated: cardinality, any, colour, "
            "single-channel, teacher:BACKBONE, rotation.",
        ),
    ] = "none",
    weighting: Annotated[
        str, typer.Option("--weighting", help="Of the tasks: uncertainty (learned), or fixed.")
    ] = "uncertainty",
    aux_weight: Annotated[
        float, typer.Option("--aux-weight", min=0.0, help="Of each task where weights are fixed.")
    ] = 0.3,
    folds: Annotated[
        int,
        typer.Option(
            "--folds", min=0, help="Train once a fold for out-of-fold scores; 0 for once."
        ),
    ] = 0,
    weights: WeightsOption = "default",
    crop: CropOption = "full",
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from the last checkpoint.")
    ] = True,
    tensorboard: Annotated[
        bool | None,
        typer.Option("--tensorboard/--no-tensorboard", help="Default: where it is installed."),
    ] = None,
    split: SplitOption = "paper",
    name: NameOption = None,
    overwrite: OverwriteOption = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    seed: SeedOption = 0,
    data: DataOption = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fine-tune a network, or its output layer alone, and score what it did not learn from."""
    import importlib.metadata

    import numpy as np

    from toolkit.data.importer import published_order
    from toolkit.data.split_store import get_folds, get_split
    from toolkit.errors import UsageError
    from toolkit.features.backbones import DEFAULT
    from toolkit.finetuning.fitting import (
        CHECKPOINT,
        Parts,
        Watch,
        end_folder,
        fit,
        measure,
        prepare_folder,
    )
    from toolkit.finetuning.journal import EXTRA, tensorboard_there
    from toolkit.finetuning.settings import answers, backbone_of, canonical, settings_for
    from toolkit.finetuning.tasks import Auxiliary
    from toolkit.heads.registry import parse_options
    from toolkit.members.member import provenance, save_member
    from toolkit.members.predictions import Predictions
    from toolkit.paper.results import result
    from toolkit.runtime.device import choose_device, choose_precision
    from toolkit.runtime.heap import keep_freed_memory
    from toolkit.storage.files import digest_of, safe_name

    run = Run.start(artifacts, json, quiet)
    dataset = run.dataset(data)
    row = row and canonical(row)  # results that share a run share all of it
    given = {
        "pretrain": pretrain,
        "loss": loss,
        "optimizer": optimizer,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    more = parse_options(setting or [])
    _refuse_twice(changes, more)
    how = settings_for(protocol, row).changed(changes | more)
    own = DEFAULT if row is None else backbone_of(result(row))
    asked = backbone or own
    if row is not None and result(row).pretrain == "scratch":
        if weights not in ("default", "none"):
            raise UsageError(f"{row} begins with a random network: leave --weights out")
        weights = "none"
    if weights == "none":
        if more.get("head_start") == "probe":
            raise UsageError("head_start=probe needs a network that knows something: leave it out")
        how = how.changed({"head_start": "none"})
    if tensorboard and not tensorboard_there():
        raise UsageError(f"--tensorboard: {EXTRA}")
    tasks = _tasks(aux, weighting, how)
    member = safe_name(
        _name(protocol, row, asked, own, how, tasks) if name is None else name, "member name"
    )
    if folds and (how.keep != "last" or how.patience):
        run.say(
            "with --folds all but one of the runs learn from an image, so none is left to choose "
            "weights by: each run keeps its last epoch's"
        )
    part = get_split(dataset, split, run.artifacts)
    fold = get_folds(dataset, part, run.artifacts, folds, seed=0) if folds else None
    chosen_device = choose_device(device)
    chosen = choose_precision(precision, chosen_device)
    request = {"backbone": asked, "weights": weights, "crop": crop, "size": size, "seed": seed}
    recipe: dict[str, Any] = {
        "command": "finetune",
        "protocol": protocol,
        "row": row,
        "split": split,
        "folds": folds,
        "precision": chosen,
        **request,
        "settings": how.facts(),
    }
    taught = teachers_of(run, tasks, weights, chosen_device, precision)
    if tasks:
        recipe |= {"aux": list(tasks), "weighting": weighting, "aux_weight": aux_weight}
    made_from = inputs_of(run, dataset, how, request, chosen_device, chosen)
    facts = {key: value for key, value in recipe.items() if key != "settings"}
    facts |= {"settings": repr(sorted(how.facts().items()))}
    facts |= {"teachers": [key.hex for key, _ in taught.values()]} if taught else {}
    version = importlib.metadata.version("toolkit")
    inputs = digest_of(
        dataset.digest, part.digest, fold and fold.digest, made_from.facts, facts, version
    )
    folder = run.artifacts / "reports" / "training" / member
    clear = partial(end_folder, folder)
    with making(run, member, inputs, overwrite, folder, clear, f"*/*{CHECKPOINT}") as there:
        if there is not None:
            _report(run, there, dataset)
            return
        keep_freed_memory()
        started = time.perf_counter()
        source, rows = made_from.source()
        Y = dataset.Y
        if how.pairing == "published":
            Y = Y[published_order(dataset.files)]
            run.say("warning: labels are paired by position, as published; this is a known fault")
        place = {row: at for at, row in enumerate(rows.tolist())}
        train, validation, test = (
            np.array([place[row] for row in wanted.tolist() if row in place], np.int64)
            for wanted in (part.train, part.validation, part.test)
        )
        parts = Parts(train, validation, test, None if fold is None else fold.fold[rows])
        material = task_material(run, dataset, tasks, taught, rows, chosen_device)
        prepare_folder(folder, inputs, resume, discard=overwrite)
        with stop_signal(run.say) as stop, EpochTable(run, member) as table, saved_on_stop(run):
            fitted = fit(
                made_from.network,
                source,
                Y[rows],
                parts,
                how,
                auxiliary=Auxiliary(tasks, weighting, aux_weight, material),
                seed=seed,
                precision=chosen,
                device=chosen_device,
                watch=Watch(
                    folder=folder,
                    tensorboard=tensorboard,
                    stop=stop,
                    on_run=table.begin,
                    on_step=table.advance,
                    on_epoch=table.add,
                ),
            )
        at = rows[fitted.rows]
        predictions = Predictions(
            ids=tuple(dataset.ids[each] for each in at),
            labels=dataset.labels,
            scores=fitted.scores,
            origin=fitted.origin,
            fold=fitted.fold,
            folds_digest=fold.digest if fold is not None else "",
            dataset_digest=dataset.digest,
            recipe=facts,
        )
        tested = np.isin(at, part.test)
        found = answers(row) if row is not None else []
        measured = measure(found, how, Y[at[tested]], fitted.scores[tested], dataset.labels)
        saved = save_member(
            run.artifacts,
            member,
            kind="finetuned",
            source=_source(protocol, made_from.backbone, how),
            inputs=inputs,
            predictions=predictions,
            recipe=recipe,
            provenance=provenance(
                time.perf_counter() - started,
                seed=seed,
                device=chosen_device,
                dataset=dataset.name,
                dataset_digest=dataset.digest,
                folds_digest=fold.digest if fold is not None else "",
                history=fitted.histories,
            ),
            states=fitted.states,
            notes={
                "protocol": protocol,
                "measured": measured,
                "settings": how.facts(),
                "trunk": made_from.facts,
            },
        )
    _report(run, saved, dataset)


def _refuse_twice(given: dict[str, Any], more: dict[str, Any]) -> None:
    from toolkit.errors import UsageError

    for key in given:
        if given[key] is not None and key in more:
            option = key.replace("_", "-")
            raise UsageError(f"--{option} and --set {key} are the same: leave one out")


def _tasks(aux: str, weighting: str, how: Settings) -> tuple[str, ...]:
    from toolkit.errors import UsageError
    from toolkit.heads.multitask import WEIGHTINGS

    tasks = parse_tasks(aux, pictures=True)
    if weighting not in WEIGHTINGS:
        raise UsageError(f"--weighting is one of {', '.join(WEIGHTINGS)}, not {weighting!r}")
    if tasks and how.pretrain != "finetune":
        raise UsageError(
            "--aux goes with a trunk that learns, which the tasks share with the labels: leave it "
            "out, or --pretrain too"
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


def _source(protocol: str, backbone: str, how: Settings) -> str:
    return f"{backbone}, {how.pretrain}, {protocol}, {how.epochs} epochs"


def _report(run: Run, member: Member, dataset: Dataset) -> None:
    """Show validation (or out-of-fold) scores; the test set is for compare.

    What a protocol of the paper measures on the test images is shown beside the paper's figures.
    """
    from rich.table import Table
    from rich.text import Text

    from toolkit.data.split_store import get_split
    from toolkit.members.predictions import ORIGINS
    from toolkit.paper.results import result
    from toolkit.statistics.metrics import score
    from toolkit.storage.files import read_json

    predictions = member.predictions
    place = {image: row for row, image in enumerate(dataset.ids)}
    split = get_split(dataset, member.recipe()["split"], run.artifacts)
    own = set(split.development.tolist())
    rows = [i for i, image in enumerate(predictions.ids) if place[image] in own]
    metrics: dict[str, float | None] = {}
    if rows:
        truth = dataset.Y[[place[predictions.ids[i]] for i in rows]]
        metrics = score(truth, predictions.scores[rows], labels=dataset.labels).metrics
    origin = ORIGINS[predictions.origin[rows[0]]] if rows else "none"
    notes = read_json(member.folder / "model" / "notes.json", f"the notes of {member.name}")
    seconds = member.provenance()["seconds"]
    if run.json:
        run.emit(
            {
                "name": member.name,
                "path": str(member.folder),
                "source": member.source,
                "origin": origin,
                "images": len(rows),
                "metrics": metrics,
                "measured": notes["measured"],
                "seconds": seconds,
            }
        )
        return
    told = "  ".join(f"{k} {'–' if v is None else format(v, '.4f')}" for k, v in metrics.items())
    run.show(Text(f"{member.name}: {origin} on {len(rows):,} development images: {told}"))
    if notes["measured"]:
        table = Table("result", "", "accuracy %", "precision", "recall")
        for key, ours in notes["measured"].items():
            found = result(key)
            printed = (found.accuracy, found.macro_precision, found.macro_recall)
            measured = (ours["accuracy"], ours["macro_precision"], ours["macro_recall"])
            for title, values in (("paper", printed), (notes["protocol"], measured)):
                cells = ("–" if v is None else f"{v:.4f}" for v in values[1:])
                percent = "–" if values[0] is None else f"{100 * values[0]:.2f}"
                table.add_row(key if title == "paper" else "", title, percent, *cells)
        run.show(table)
    run.show(Text(f"{member.folder} ({seconds:.1f} s)"))
