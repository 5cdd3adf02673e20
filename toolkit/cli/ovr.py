"""toolkit ovr: one-vs-rest heads on frozen features; toolkit members."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from toolkit.cli.embed import (
    CropsOption,
    PoolingOption,
    ViewsOption,
    WeightsOption,
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
    none_or,
)


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
    """Fit one-vs-rest heads for all labels on frozen features, scored out of fold."""
    from toolkit.heads.registry import make_head, parse_options
    from toolkit.runtime.device import choose_device
    from toolkit.storage.files import safe_name

    run = Run.start(artifacts, json, quiet)
    dataset = run.dataset(data)
    asked = FrozenOptions(
        *(features, weights, views, pooling, crop, split, folds),
        *(device, precision, seed, overwrite),
    )
    member = safe_name(asked.member_name(head) if name is None else name, "member name")
    options = _options(head, class_weight, loss, seeds, seed, choose_device(device))
    estimator = make_head(head, **(options | parse_options(setting or [])))
    make_frozen_member(run, dataset, member, head, estimator, asked)


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
