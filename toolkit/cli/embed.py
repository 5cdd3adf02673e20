"""toolkit embed: frozen features to the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import (
    ArtifactsOption,
    DataOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    QuietOption,
    Run,
    SeedOption,
)

if TYPE_CHECKING:
    from toolkit.data.dataset import Dataset
    from toolkit.features.cache import CacheKey
    from toolkit.features.embed import EmbedResult
    from toolkit.inference.predict import Outcome

BackboneOption = Annotated[
    str,
    typer.Option(
        "--backbone",
        help="efficientnet_lite0 (bundled), lite1, lite2, a torchvision name such as densenet121, "
        "timm/<name>, or basic_cnn.",
    ),
]
WeightsOption = Annotated[
    str, typer.Option("--weights", help="default, none (a random start), or a weights file.")
]
ViewsOption = Annotated[
    str, typer.Option("--views", help="original, or original,hflip to average both.")
]
PoolingOption = Annotated[
    str, typer.Option("--pooling", help="default, or avgmax: average and maximum side by side.")
]
CropOption = Annotated[
    str,
    typer.Option(
        "--crop",
        help="center (of the backbone's own transform), or full: cut nothing off square images.",
    ),
]
CropsOption = Annotated[
    str,
    typer.Option(
        "--crop", help="center, full (cut nothing off square images), or both: center,full."
    ),
]
EngineOption = Annotated[str, typer.Option("--engine", help="auto, openvino or torch.")]
StoreOption = Annotated[str, typer.Option("--store", help="fp16 or fp32 rows on disk.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(embed)


def embed(
    backbone: BackboneOption = "efficientnet_lite0",
    weights: WeightsOption = "default",
    views: ViewsOption = "original",
    pooling: PoolingOption = "default",
    crop: CropOption = "center",
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    store: StoreOption = "fp16",
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Embed a sample of the cached images again and compare."),
    ] = False,
    sample: Annotated[int, typer.Option("--sample", min=1, help="Images for --verify.")] = 64,
    seed: SeedOption = 0,
    data: DataOption = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Embed a data set's images with a frozen backbone; what is cached is not computed again."""
    run = Run.start(artifacts, json, quiet)
    dataset = run.dataset(data)
    key = make_key(
        run, backbone, weights, views, pooling, crop, device, precision, store, seed, engine
    )
    if verify:
        _verify(run, dataset, key, engine, device, sample, seed)
        return
    result = fill(run, dataset, key, engine, device)
    if run.json:
        run.emit(result.facts())
    else:
        did = (
            f"{result.computed:,} computed at {result.images_per_second:,.0f} images/s "
            f"({result.engine}, {result.precision}), "
            if result.computed
            else ""
        )
        run.show(
            f"{result.backbone}: {result.images:,} images x {result.dim}: {did}"
            f"{result.reused:,} from the cache, {len(result.skipped)} skipped, {result.seconds} s"
        )
        run.show(result.path)
    finish(run, result)


def make_key(
    run: Run,
    backbone: str,
    weights: str = "default",
    views: str = "original",
    pooling: str = "default",
    crop: str = "center",
    device: str = "auto",
    precision: str = "auto",
    store: str = "fp16",
    seed: int = 0,
    engine: str = "auto",
    invert: bool = False,
) -> tuple[CacheKey, Loader]:
    """Return the key of a store and what loads its network."""
    from toolkit.errors import UsageError
    from toolkit.features.backbones import VIEWS, BackboneSpec, resolve
    from toolkit.features.cache import CacheKey
    from toolkit.runtime.device import choose_device, choose_precision

    asked = tuple(view.strip() for view in views.split(","))
    if not asked or any(view not in VIEWS for view in asked) or "original" not in asked:
        raise UsageError(f"--views is 'original' or 'original,hflip', not {views!r}")
    ordered = tuple(view for view in VIEWS if view in asked)
    chosen = choose_precision(precision, choose_device(device), engine)
    known, load = resolve(
        BackboneSpec(backbone, weights, pooling, crop, seed, invert), run.artifacts
    )
    key = CacheKey(known, ordered, chosen, store)
    key.facts()
    return key, load


def fill(
    run: Run,
    dataset: Dataset,
    made: tuple[CacheKey, Loader],
    engine: str = "auto",
    device: str = "auto",
) -> EmbedResult:
    """Embed what a store lacks of a data set, with a progress bar."""
    from toolkit.features.embed import embed
    from toolkit.images.sources import Images
    from toolkit.runtime.device import choose_device

    dataset.require_unchanged()
    key, load = made
    images = Images(dataset.ids, dataset.paths, dataset.digests)
    with run.progress(f"embedding with {key.backbone.name}") as (start, advance):
        return embed(
            images,
            key,
            load,
            run.artifacts,
            engine=engine,
            device=choose_device(device),
            on_start=start,
            on_progress=advance,
        )


def _verify(
    run: Run,
    dataset: Dataset,
    made: tuple[CacheKey, Loader],
    engine: str,
    device: str,
    sample: int,
    seed: int,
) -> None:
    """Compare cached rows with their images; leave with exit code 1 where they differ."""
    from toolkit.features.verify import LEAST_COSINE, verify
    from toolkit.images.sources import Images
    from toolkit.runtime.device import choose_device

    dataset.require_unchanged()
    key, load = made
    images = Images(dataset.ids, dataset.paths, dataset.digests)
    chosen = choose_device(device)
    found = verify(
        images, key, load, run.artifacts, sample=sample, seed=seed, engine=engine, device=chosen
    )
    if run.json:
        run.emit({"backbone": key.backbone.name, "key": key.hex} | found.facts())
    else:
        cosine = "–" if found.smallest_cosine is None else f"{found.smallest_cosine:.6f}"
        run.show(
            f"{key.backbone.name}: {found.sampled:,} cached rows embedded again ({found.engine}, "
            f"{key.precision}): smallest cosine {cosine}, {len(found.differing)} below "
            f"{LEAST_COSINE}"
        )
        for each in found.differing[:10]:
            run.show(f"  {each['image']}: {each.get('reason') or each['cosine']}")
        if not found.agrees:
            run.say("remove damaged rows with 'toolkit cache prune --damaged', then embed again")
    if not found.agrees:
        raise typer.Exit(1)


def finish(run: Run, result: EmbedResult | Outcome) -> None:
    """List skipped images and leave with exit code 3 if there are any."""
    if result.skipped:
        for each in result.skipped[:10]:
            run.say(f"skipped {each['image']}: {each['reason']}")
        if len(result.skipped) > 10:
            run.say(f"and {len(result.skipped) - 10} more; --json lists them all")
        raise typer.Exit(3)


if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.features.backbones import Loaded

    Loader = Callable[[], Loaded]
