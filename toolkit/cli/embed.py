"""toolkit embed: frozen features to the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.command import CROP, DATA, ENGINE, MACHINE, ON, SEED, VIEWS, WEIGHTS, command
from toolkit.cli.run import Run

if TYPE_CHECKING:
    from toolkit.features.embed import Embeddings
    from toolkit.features.verify import Verified


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, WEIGHTS, VIEWS, CROP, ENGINE, MACHINE, SEED, ON, DATA)(embed)


def embed(
    run: Run,
    backbone: Annotated[
        str,
        typer.Option(
            help="efficientnet_lite0 (bundled), lite1, lite2, a torchvision name such as "
            "densenet121, timm/<name>, or basic_cnn."
        ),
    ] = "efficientnet_lite0",
    dtype: Annotated[str, typer.Option(help="fp16 or fp32 rows on disk.")] = "fp16",
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Embed a sample again and compare it with what is cached."),
    ] = False,
    sample: Annotated[int, typer.Option(min=1, help="Images for --verify.")] = 64,
    **shared: Any,
) -> None:
    """Embed a data set's images with a frozen backbone; what is cached is not computed again."""
    import toolkit

    done = toolkit.embed(backbone=backbone, dtype=dtype, verify=verify, sample=sample, **shared)
    if done.verified is not None:
        _show_verified(run, done.verified)
    else:
        _show_embedded(run, done)


def _show_embedded(run: Run, done: Embeddings) -> None:
    did = done.filled
    computed = (
        f"{did.computed:,} computed at {did.images_per_second:,.0f} images/s "
        f"({did.engine}, {did.precision}), "
        if did.computed
        else ""
    )
    if run.json:
        run.emit(done.facts())
    else:
        run.show(
            f"{did.backbone}: {did.images:,} images x {did.dim}: {computed}"
            f"{did.reused:,} from the cache, {len(did.skipped)} skipped, {did.seconds} s"
        )
        run.show(did.path)
    run.leave_if_skipped(done.skipped)


def _show_verified(run: Run, found: Verified) -> None:
    """Leave with exit code 1 where cached rows differ from what their images give."""
    if run.json:
        run.emit(found.facts())
    else:
        cosine = "–" if found.smallest_cosine is None else f"{found.smallest_cosine:.6f}"
        run.show(
            f"{found.backbone}: {found.sampled:,} cached rows embedded again ({found.engine}, "
            f"{found.precision}): smallest cosine {cosine}, {len(found.differing)} below "
            f"{found.least}"
        )
        for each in found.differing[:10]:
            run.show(f"  {each['image']}: {each.get('reason') or each['cosine']}")
    if not found.agrees:
        run.say("remove damaged rows with 'toolkit cache prune --damaged', then embed again")
        raise typer.Exit(1)
