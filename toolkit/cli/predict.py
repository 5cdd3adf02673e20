"""toolkit predict: new images scored; toolkit export: a model that needs no artifacts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import (
    ArtifactsOption,
    DeviceOption,
    EngineOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    Run,
    finish,
)
from toolkit.runtime.denormals import flushed_denormals

if TYPE_CHECKING:
    from toolkit.data.dataset import Dataset
    from toolkit.data.split import Split
    from toolkit.ensembles.thresholds import Thresholds
    from toolkit.members.member import Member


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(flushed_denormals()(predict))
    app.command()(export)


def predict(
    paths: Annotated[
        list[Path], typer.Argument(help="Folders, images, or CSV files with a column image.")
    ],
    model: Annotated[
        str, typer.Option("--model", help="A member, an ensemble, or an exported folder.")
    ],
    out: Annotated[Path, typer.Option("--out", help="CSV or Parquet file, by its ending.")],
    binary: Annotated[
        bool, typer.Option("--binary", help="Write 0 and 1 at the tuned thresholds.")
    ] = False,
    course_tsv: Annotated[
        bool,
        typer.Option(
            "--course-tsv", help="Write image numbers and 0/1 labels, tab-separated (.tsv)."
        ),
    ] = False,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score new images with a member or an ensemble; embeddings go through the cache."""
    import numpy as np

    from toolkit.inference.bundle import is_bundle, open_bundle
    from toolkit.inference.outputs import open_output
    from toolkit.inference.predict import find_images
    from toolkit.inference.predict import predict as predict_images
    from toolkit.inference.scorers import in_artifacts, open_scorer
    from toolkit.members.member import load_member
    from toolkit.runtime.device import choose_device
    from toolkit.runtime.heap import keep_freed_memory

    run = Run.start(artifacts, json, quiet)
    decided = binary or course_tsv
    started = time.perf_counter()
    cuts: dict[str, float] = {}
    if is_bundle(Path(model)):
        find, name, cuts = open_bundle(Path(model))
    else:
        find, name = in_artifacts(run.artifacts), model
        if decided:
            cuts = _cuts(*_tuned(run, load_member(run.artifacts, name)))
    scorer = open_scorer(find, name)
    if scorer.pictures:  # networks trained on pictures run here
        keep_freed_memory()
    at = np.array([cuts[label] for label in scorer.labels]) if decided else None
    with (
        open_output(out, scorer.labels, thresholds=at, course=course_tsv) as write,
        run.progress(f"predicting with {name}") as (_, advance),
    ):
        outcome = predict_images(
            scorer,
            find_images(paths),
            run.artifacts,
            write,
            engine=engine,
            device=choose_device(device),
            on_progress=advance,
        )
    seconds = time.perf_counter() - started
    if run.json:
        run.emit(
            {
                "model": name,
                "out": str(out),
                "images": outcome.images,
                "labels": list(scorer.labels),
                "skipped": outcome.skipped,
                "seconds": round(seconds, 3),
            }
        )
    else:
        run.show(f"{outcome.images:,} images scored by {name} in {seconds:.1f} s")
        run.show(str(out))
    finish(run, outcome)


def export(
    name: Annotated[str, typer.Argument(help="A member or an ensemble.")],
    folder: Annotated[Path, typer.Argument(help="The folder to write.")],
    overwrite: OverwriteOption = False,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a folder that predicts on another machine without the artifacts, with a model card."""
    from toolkit.inference.bundle import export_bundle
    from toolkit.inference.scorers import in_artifacts, open_scorer
    from toolkit.members.member import load_member
    from toolkit.reports.card import model_card

    run = Run.start(artifacts, json, quiet)
    member = load_member(run.artifacts, name)
    find = in_artifacts(run.artifacts)
    scorer = open_scorer(find, name)  # what cannot predict here cannot predict elsewhere
    tuned, dataset, split = _tuned(run, member)
    members = export_bundle(
        find,
        name,
        folder,
        thresholds=_cuts(tuned, dataset, split),
        card=model_card(member, dataset, split, tuned, scorer.stores, scorer.pictures),
        overwrite=overwrite,
    )
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if run.json:
        run.emit({"name": name, "path": str(folder), "members": members, "bytes": size})
        return
    run.show(f"{name} with {len(members)} models, {size / 1e6:.1f} MB")
    run.show(str(folder))


def _tuned(run: Run, member: Member) -> tuple[Thresholds, Dataset, Split]:
    """Return a member's tuned thresholds, and the data set and split that it was made on."""
    from toolkit.data.dataset_store import load_dataset
    from toolkit.data.split_store import get_split
    from toolkit.ensembles.thresholds import tuned_thresholds
    from toolkit.errors import MemberError

    dataset = load_dataset(run.artifacts, str(member.provenance()["dataset"]))
    if dataset.digest != member.scored.dataset_digest:
        raise MemberError(
            f"data set {dataset.name} is not what member {member.name} was made on any more: make "
            "the member again"
        )
    split = get_split(dataset, str(member.recipe()["split"]), run.artifacts)
    return tuned_thresholds(member, dataset, split), dataset, split


def _cuts(tuned: Thresholds, dataset: Dataset, split: Split) -> dict[str, float]:
    return dict(zip(dataset.labels, tuned.per_label.tolist(), strict=True))
