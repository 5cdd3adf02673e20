"""toolkit data: import, synth, fetch, info, list."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.options import (
    SYNTHETIC,
    ArtifactsOption,
    DataOption,
    JsonOption,
    QuietOption,
    Run,
    SeedOption,
)

if TYPE_CHECKING:
    from toolkit.data.dataset import Dataset

data = typer.Typer(
    help="Bring in images with labels, and look at them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(data, name="data")


@data.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="A folder of images with label files, or a CSV.")],
    name: Annotated[str, typer.Option("--name", help="Name of the data set.")],
    annotations: Annotated[
        str | None,
        typer.Option(help="For MIRFLICKR-25000's own files: relevant (default) or potential."),
    ] = None,
    pairing: Annotated[
        str,
        typer.Option(
            help="by-id, or published: repeat the paper's fault of pairing labels by position."
        ),
    ] = "by-id",
    split_file: Annotated[
        Path | None,
        typer.Option(help="CSV with columns image and split, kept as the split named file."),
    ] = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Import images with labels; the images stay where they are."""
    from toolkit.data.dataset import save_dataset
    from toolkit.data.importer import import_dataset
    from toolkit.data.split_store import keep_file_split
    from toolkit.errors import listed

    run = Run.start(artifacts, json, quiet)
    with run.progress("reading images") as (_, advance):
        imported = import_dataset(
            path, name, annotations=annotations, pairing=pairing, on_progress=advance
        )
    dataset = imported.dataset
    if split_file is not None:
        keep_file_split(dataset, split_file, run.artifacts)
    save_dataset(dataset, run.artifacts)
    if imported.passed_over:
        run.say(f"warning: not image files, left out: {listed(imported.passed_over)}")
    unreadable = [i for i, mode in zip(dataset.ids, dataset.modes, strict=True) if not mode]
    if unreadable:
        run.say(f"warning: {len(unreadable)} images are unreadable ({listed(unreadable)})")
    if pairing == "published":
        run.say("warning: labels were paired by position, as published; this is a known fault")
    _report(run, dataset)


@data.command()
def synth(
    images: Annotated[int, typer.Option(help="How many images to paint.")] = 2000,
    name: Annotated[str, typer.Option("--name", help="Name of the data set.")] = SYNTHETIC,
    seed: SeedOption = 0,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Paint a synthetic data set with the paper's labels and prevalences."""
    run = Run.start(artifacts, json, quiet)
    _report(run, make_synthetic(run, name, images, seed))


@data.command()
def fetch(
    what: Annotated[str, typer.Argument(help="mirflickr25k")],
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Download the official archives of MIRFLICKR-25000 from their publisher and import them."""
    from toolkit.data.dataset import save_dataset
    from toolkit.data.fetch import fetch_mirflickr25k
    from toolkit.data.importer import import_dataset
    from toolkit.errors import UsageError

    run = Run.start(artifacts, json, quiet)
    if what != "mirflickr25k":
        raise UsageError(f"what can be fetched is mirflickr25k, not {what!r}")
    place = run.artifacts / "datasets" / what / "source"
    with run.progress("downloading (bytes)") as (start, advance):
        done = 0

        def on_progress(now: int, total: int | None) -> None:
            nonlocal done
            if total is not None:
                start(total)
            advance(now - done)
            done = now

        folder = fetch_mirflickr25k(place, on_progress=on_progress)
    with run.progress("reading images") as (_, advance):
        dataset = import_dataset(folder, what, on_progress=advance).dataset
    save_dataset(dataset, run.artifacts)
    _report(run, dataset)


@data.command()
def info(
    data: DataOption = None,
    artifacts: ArtifactsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Tell what a data set holds."""
    run = Run.start(artifacts, json, quiet)
    _report(run, run.dataset(data))


@data.command("list")
def list_(
    artifacts: ArtifactsOption = None, json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """List the data sets."""
    from toolkit.data.dataset import last_dataset, list_datasets

    run = Run.start(artifacts, json, quiet)
    names, last = list_datasets(run.artifacts), last_dataset(run.artifacts)
    if run.json:
        run.emit({"datasets": names, "last": last})
    elif not names:
        run.show("no data set yet: toolkit data import PATH --name NAME, or toolkit data synth")
    for name in names if not run.json else []:
        run.show(f"{name} (last imported)" if name == last else name)


def make_synthetic(run: Run, name: str, images: int, seed: int) -> Dataset:
    """Paint, import and return a synthetic data set."""
    from toolkit.data.dataset import dataset_file, save_dataset
    from toolkit.data.importer import import_dataset
    from toolkit.data.synth import synthesise
    from toolkit.storage.files import locked, recover_folder, replace_folder, temporary_beside

    place = dataset_file(run.artifacts, name).parent / "source"
    building = temporary_beside(place)
    building.mkdir(parents=True)
    try:
        with run.progress("painting") as (start, advance):
            start(images)
            synthesise(building, images, seed, on_progress=advance)
        with locked(place.parent / ".source.lock"):
            recover_folder(place)
            replace_folder(building, place)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    dataset = import_dataset(place, name).dataset
    save_dataset(dataset, run.artifacts)
    return dataset


def _report(run: Run, dataset: Dataset) -> None:
    from toolkit.data.info import describe
    from toolkit.data.split_store import SPLITS, get_split
    from toolkit.errors import DataError, UsageError

    splits = {}
    for name in SPLITS:
        try:
            splits[name] = get_split(dataset, name, run.artifacts)
        except (UsageError, DataError):
            continue  # no split of the user's own, or too few images to split
    facts = describe(dataset, splits)
    if run.json:
        run.emit(facts)
    else:
        run.show(*_tables(facts))


def _tables(facts: dict[str, Any]) -> list[Any]:
    from rich.table import Table
    from rich.text import Text

    splits = facts["splits"]
    table = Table(title=f"{facts['name']}: {facts['images']:,} images", title_justify="left")
    table.add_column("label")
    for column in ("positives", "prevalence", "pos_weight"):
        table.add_column(column, justify="right")
    for name in splits:
        table.add_column(f"{name}\ntrain/val/test", justify="right")
    for label, each in facts["labels"].items():
        weight = "–" if each["pos_weight"] is None else f"{each['pos_weight']:.2f}"
        parts = [
            "/".join(str(part["positives"][label]) for part in split.values())
            for split in splits.values()
        ]
        cells = (f"{each['positives']:,}", f"{each['prevalence']:.2%}", weight, *parts)
        table.add_row(Text(label), *cells)
    sizes = ", ".join(f"{size} ({count:,})" for size, count in facts["sizes"].items())
    if facts["other_sizes"]:
        sizes += f" and {facts['other_sizes']} more sizes"
    where = facts["provenance"]
    remarks = [
        f"{facts['unlabelled']:,} without any label, {facts['labels_per_image']:.2f} labels an "
        f"image, mean prevalence {facts['mean_prevalence']:.2%}",
        f"{facts['single_channel']:,} single-channel, {facts['unreadable']:,} unreadable; "
        f"sizes: {sizes}",
        f"labels joined {where.get('pairing', '?')} ({where.get('layout', '?')} layout)",
    ]
    return [table, *(Text(remark) for remark in remarks)]
