"""toolkit multitask: labels and auxiliary tasks on one shared layer over frozen features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.embed import (
    CropsOption,
    PoolingOption,
    ViewsOption,
    WeightsOption,
    fill,
)
from toolkit.cli.frozen_member import FrozenOptions, make_frozen_member
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
)
from toolkit.cli.task_material import parse_tasks, task_material, teachers_of

if TYPE_CHECKING:
    import numpy as np

    from toolkit.data.dataset import Dataset
    from toolkit.features.matrix import FeatureMatrix
    from toolkit.heads.multitask import MultitaskHead
    from toolkit.members.ablation import Effect


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(multitask)


def multitask(
    features: Annotated[
        str, typer.Option("--features", help="Backbones, comma-separated; set side by side.")
    ] = "efficientnet_lite0",
    aux: Annotated[
        str,
        typer.Option(
            "--aux",
            help="Tasks, comma-separated: cardinality, any, colour, single-channel, "
            "teacher:BACKBONE; or none.",
        ),
    ] = "cardinality,any",
    weighting: Annotated[
        str, typer.Option("--weighting", help="uncertainty (learned), or fixed.")
    ] = "uncertainty",
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Train with and without each task; print the effects.")
    ] = False,
    seeds: Annotated[int, typer.Option("--seeds", help="For --ablate: runs of each set.")] = 5,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any other option of the head; repeatable."
        ),
    ] = None,
    weights: WeightsOption = "default",
    views: ViewsOption = "original",
    pooling: PoolingOption = "default",
    crop: CropsOption = "center",
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
    """Fit one network for all labels with auxiliary tasks beside them, scored out of fold."""
    from toolkit.errors import UsageError
    from toolkit.heads.registry import make_head, parse_options
    from toolkit.runtime.device import choose_device
    from toolkit.storage.files import safe_name

    run = Run.start(artifacts, json, quiet)
    dataset = run.dataset(data)
    tasks = parse_tasks(aux)
    options = {
        "tasks": tasks,
        "weighting": weighting,
        "seed": seed,
        "device": choose_device(device),
    }
    estimator: Any = make_head("multitask", **(options | parse_options(setting or [])))
    asked = FrozenOptions(
        *(features, weights, views, pooling, crop, split, folds),
        *(device, precision, seed, overwrite),
    )

    def material(matrix: FeatureMatrix) -> Mapping[str, np.ndarray]:
        teachers = teachers_of(run, tasks, weights, device, precision)
        return task_material(run, dataset, tasks, teachers, matrix.rows, device)

    if ablate:
        if name is not None or overwrite:
            raise UsageError("--ablate keeps no model: leave --name and --overwrite out")
        if seeds < 2 or not tasks:
            raise UsageError("--ablate needs at least one task (--aux) and two runs (--seeds)")
        _ablate(run, dataset, asked, estimator, material, seeds)
        return
    member = safe_name(asked.member_name("multitask") if name is None else name, "member name")
    make_frozen_member(
        *(run, dataset, member, "multitask", estimator, asked),
        kind="multitask",
        more={"tasks": list(tasks)},
        material=material,
    )


def _ablate(
    run: Run,
    dataset: Dataset,
    asked: FrozenOptions,
    estimator: MultitaskHead,
    material: Any,
    seeds: int,
) -> None:
    from toolkit.data.split_store import get_folds, get_split
    from toolkit.features.matrix import gather
    from toolkit.members.ablation import ablate, fits_of

    made = asked.keys(run)
    for each in made:
        fill(run, dataset, each, device=asked.device)
    matrix = gather(dataset.digests, [key for key, _ in made], run.artifacts)
    part = get_split(dataset, asked.split, run.artifacts)
    fold = get_folds(dataset, part, run.artifacts, asked.folds, seed=0)
    Y = dataset.Y.copy()
    Y[part.test] = 0
    aux = material(matrix)
    with run.progress("training") as (start, advance):
        start(fits_of(estimator.tasks, seeds))
        plain, effects = ablate(
            *(estimator, matrix.X, Y[matrix.rows], fold.fold[matrix.rows], aux, seeds), advance
        )
    if run.json:
        run.emit({"map_without_tasks": plain, "effects": [effect.facts() for effect in effects]})
    else:
        _show(run, matrix.title, plain, effects)


def _show(run: Run, title: str, plain: float, effects: list[Effect]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"Auxiliary tasks on {title}: mAP without any {plain:.4f}", title_justify="left"
    )
    table.add_column("")
    for column in ("mAP", "change", "95 %", "p (Holm)"):
        table.add_column(column, justify="right")
    for effect in effects:
        table.add_row(
            Text(effect.name),
            f"{effect.map:.4f}",
            f"{effect.difference:+.4f}",
            f"{effect.low:+.4f} to {effect.high:+.4f}",
            f"{effect.p:.3f}",
        )
    run.show(
        table,
        f"{effects[0].runs} runs, each with its own seed and fold held out of the development "
        "images, paired; the interval allows for shared training rows.",
    )
