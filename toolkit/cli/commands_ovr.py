"""toolkit ovr: one-vs-rest heads on frozen features; toolkit members."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.commands_embed import (
    CropOption,
    PoolingOption,
    ViewsOption,
    WeightsOption,
    fill,
    finish,
    make_key,
)
from toolkit.cli.options import (
    ArtifactsOption,
    DataOption,
    DeviceOption,
    FoldsOption,
    JsonOption,
    NameOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    Run,
    SeedOption,
    SplitOption,
    none_or,
)

if TYPE_CHECKING:
    from toolkit.data.dataset import Dataset
    from toolkit.members.member import Member


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(ovr)
    app.command()(members)


def ovr(
    head: Annotated[str, typer.Option("--head", help="linear, mlp or lightgbm.")] = "linear",
    features: Annotated[
        str, typer.Option("--features", help="Backbones, comma-separated; set side by side.")
    ] = "efficientnet_lite0",
    class_weight: Annotated[
        str, typer.Option("--class-weight", help="none, balanced or pos_weight.")
    ] = "none",
    loss: Annotated[str | None, typer.Option("--loss", help="For mlp: focal, asl or bce.")] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", help="For mlp: initialisations to average.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any other option of the head; repeatable."
        ),
    ] = None,
    weights: WeightsOption = "default",
    views: ViewsOption = "original",
    pooling: PoolingOption = "default",
    crop: CropOption = "own",
    split: SplitOption = "paper",
    folds: FoldsOption = 5,
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
    """Fit one-vs-rest heads for all labels on frozen features, scored out of fold."""
    import importlib.metadata

    import numpy as np

    from toolkit.data.shelf import get_folds, get_split
    from toolkit.errors import UsageError
    from toolkit.features.engines import choose_device
    from toolkit.features.matrix import gather
    from toolkit.members.heads import make_head, parse_options
    from toolkit.members.member import provenance, save_member
    from toolkit.members.ovr import Checkpoints, cross_fit
    from toolkit.members.predictions import Predictions
    from toolkit.store import digest_of, safe_name

    run = Run.start(artifacts, json, quiet)
    dataset = run.dataset(data)
    backbones = [backbone.strip() for backbone in features.split(",") if backbone.strip()]
    if not backbones:
        raise UsageError("--features names no backbone")
    member = safe_name(name or _name(head, backbones, views, split), "member name")
    options = _options(head, class_weight, loss, seeds, seed, choose_device(device))
    estimator = make_head(head, **(options | parse_options(setting or [])))
    made = [
        make_key(run, each, weights, views, pooling, crop, device, precision, seed=seed)
        for each in backbones
    ]
    results = [fill(run, dataset, each, device=device) for each in made]
    part = get_split(dataset, split, run.artifacts)
    fold = get_folds(dataset, part, run.artifacts, folds, seed=0)
    keys = [key for key, _ in made]
    recipe = {
        "command": "ovr",
        "head": head,
        "features": backbones,
        "weights": weights,
        "views": views,
        "pooling": pooling,
        "crop": crop,
        "precision": keys[0].precision,
        "split": split,
        "folds": folds,
        "seed": seed,
        "options": estimator.get_params(),
    }
    facts = {k: v for k, v in recipe.items() if k != "options"} | {
        "options": repr(sorted(recipe["options"].items()))
    }
    version = importlib.metadata.version("toolkit")
    inputs = digest_of(dataset.digest, fold.digest, [k.hex for k in keys], facts, version)
    if (there := made_before(run, member, inputs, overwrite)) is not None:
        _report(run, there, dataset)
        return
    started = time.perf_counter()
    matrix = gather(dataset.digests, keys, run.artifacts)
    checkpoints = Checkpoints(run.artifacts / "members" / f".partial-{member}", inputs)
    Y = dataset.Y.copy()
    Y[part.test] = 0  # fitting has no business with the test labels
    with run.progress(f"fitting {member}") as (_, advance):
        fitted = cross_fit(
            estimator,
            matrix.X,
            Y[matrix.rows],
            fold.fold[matrix.rows],
            checkpoints=checkpoints,
            on_progress=advance,
        )
    predictions = Predictions(
        ids=tuple(dataset.ids[row] for row in matrix.rows),
        labels=dataset.labels,
        scores=fitted.scores,
        origin=fitted.origin,
        fold=fold.fold[matrix.rows].astype(np.int16),
        folds_digest=fold.digest,
        dataset_digest=dataset.digest,
        recipe=facts,
    )
    saved = save_member(
        run.artifacts,
        member,
        kind="head",
        source=f"{head} on {matrix.title}",
        inputs=inputs,
        predictions=predictions,
        recipe=recipe,
        provenance=provenance(
            time.perf_counter() - started,
            seed=seed,
            device=choose_device(device),
            dataset=dataset.name,
            dataset_digest=dataset.digest,
            folds_digest=fold.digest,
            stores=[key.hex for key in keys],
        ),
        states={f"fold-{f}": model.state() for f, model in enumerate(fitted.models)},
        notes={"head": head, "keys": [key.facts() for key in keys]},
    )
    checkpoints.clear()
    _report(run, saved, dataset)
    for result in results:
        finish(run, result)


def members(
    artifacts: ArtifactsOption = None, json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """List members and ensembles."""
    from rich.table import Table
    from rich.text import Text

    from toolkit.members.member import list_members, load_member

    run = Run.start(artifacts, json, quiet)
    found = [load_member(run.artifacts, name) for name in list_members(run.artifacts)]
    if run.json:
        run.emit(
            [
                {"name": m.name, "kind": m.kind, "source": m.source, "path": str(m.folder)}
                for m in found
            ]
        )
        return
    if not found:
        run.show("no member yet: toolkit ovr --head linear")
        return
    table = Table("member", "kind", "made from", "images", "seconds")
    for m in found:
        seconds = m.provenance().get("seconds", 0)
        table.add_row(
            Text(m.name), m.kind, Text(m.source), f"{len(m.predictions.ids):,}", f"{seconds:.1f}"
        )
    run.show(table)


def made_before(run: Run, member: str, inputs: str, overwrite: bool) -> Member | None:
    """Return a member that need not be made again, or None; another of its name is an error."""
    from toolkit.errors import UsageError
    from toolkit.members.member import list_members, load_member

    if overwrite or member not in list_members(run.artifacts):
        return None
    there = load_member(run.artifacts, member)
    if there.inputs != inputs:
        raise UsageError(
            f"a member named {member!r} was made from another recipe or data set: choose another "
            "--name, or replace it with --overwrite"
        )
    run.say(f"member {member} is up to date (--overwrite makes it again)")
    return there


def _options(
    head: str,
    class_weight: str,
    loss: str | None,
    seeds: int | None,
    seed: int,
    device: str,
) -> dict[str, Any]:
    options: dict[str, Any] = {"class_weight": none_or(class_weight)}
    options |= {"loss": loss} if loss is not None else {}
    options |= {"seeds": seeds} if seeds is not None else {}
    options |= {"random_state" if head == "linear" else "seed": seed}
    if head != "lightgbm":
        options |= {"device": device}
    return options


def _name(head: str, backbones: list[str], views: str, split: str) -> str:
    name = f"{head}-{'+'.join(each.replace('/', '-') for each in backbones)}"
    name += "-hflip" if "hflip" in views else ""
    return name if split == "paper" else f"{name}-{split}"


def _report(run: Run, member: Member, dataset: Dataset) -> None:
    """Show the out-of-fold scores on the development set; the test set is for compare."""
    from rich.table import Table
    from rich.text import Text

    from toolkit.members.predictions import OUT_OF_FOLD
    from toolkit.metrics import score

    predictions = member.predictions
    rows = predictions.origin == OUT_OF_FOLD
    place = {image: row for row, image in enumerate(dataset.ids)}
    truth = dataset.Y[
        [place[image] for image, own in zip(predictions.ids, rows, strict=True) if own]
    ]
    found = score(truth, predictions.scores[rows], labels=dataset.labels)
    seconds = member.provenance()["seconds"]
    if run.json:
        run.emit(
            {
                "name": member.name,
                "path": str(member.folder),
                "source": member.source,
                "origin": "out-of-fold",
                "images": int(rows.sum()),
                "metrics": found.metrics,
                "per_label": found.per_label,
                "seconds": seconds,
            }
        )
        return
    table = Table(
        title=f"{member.name}: out of fold on {rows.sum():,} development images",
        title_justify="left",
    )
    table.add_column("label")
    for column in ("positives", "AP", "AUROC", "precision", "recall", "F1"):
        table.add_column(column, justify="right")
    for label, each in found.per_label.items():
        cells = [each[key] for key in ("ap", "auroc", "precision", "recall", "f1")]
        table.add_row(
            Text(label),
            f"{each['support']:,}",
            *("–" if cell is None else f"{cell:.3f}" for cell in cells),
        )
    metrics = "  ".join(
        f"{key} {'–' if value is None else format(value, '.4f')}"
        for key, value in found.metrics.items()
    )
    run.show(table, Text(metrics), Text(f"{member.folder} ({seconds:.1f} s)"))
