"""toolkit data: import, synth, fetch, info, list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.command import DATA, SEED, command
from toolkit.cli.run import Run
from toolkit.errors import listed

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


@command(data, name="import")
def import_(
    run: Run,
    path: Annotated[
        str,
        typer.Argument(help="A folder, a file of labels, or an address of tars or Parquet files."),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the data set. Default: made from the path.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="csv (any table), coco, voc, yolo, fiftyone, label-studio, cvat, labelme, via, "
            "huggingface, webdataset, celeba, nus-wide, imagefolder or folder (of label files). "
            "Default: seen from the path."
        ),
    ] = None,
    image_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of images; of COCO a key, such as coco_url."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Columns that are labels, or the one with lists."),
    ] = None,
    label_prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What names of label columns begin with.")
    ] = None,
    separator: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Between labels in a list. Default: guessed.")
    ] = None,
    header: Annotated[
        bool,
        typer.Option(
            help="Whether a CSV file begins with names of columns; else they have numbers."
        ),
    ] = True,
    absent: Annotated[
        str | None,
        typer.Option(help="no or unknown: a label not given. Default: what the format says."),
    ] = None,
    missing: Annotated[
        str, typer.Option(help="error or skip: listed images that are not there.")
    ] = "error",
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the images. Default: where the labels lie."),
    ] = None,
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
        typer.Option(
            help="A file with an image and its part a line (CSV, JSON lines, Parquet), kept as the "
            "split named file."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be found, and write nothing.")
    ] = False,
    **shared: Any,
) -> None:
    """Import images with labels; the images stay where they are."""
    from toolkit import import_data, preview_data

    how: dict[str, Any] = {
        "format": format,
        "image_column": image_column,
        "labels": labels,
        "label_prefix": label_prefix,
        "separator": separator,
        "header": header,
        "absent": absent,
        "missing": missing,
        "root": root,
        "annotations": annotations,
    }
    if dry_run:
        found = preview_data(path, **how)
        if run.json:
            run.emit(found.facts())
        else:
            run.put(f"{found!r}\n")
        if found.refused:
            raise typer.Exit(1)
        return
    dataset = import_data(path, name, **how, pairing=pairing, split_file=split_file, **shared)
    _show(run, dataset, shared["artifacts"])


@command(data, SEED)
def synth(
    run: Run,
    images: Annotated[int, typer.Option(help="How many images to paint.")] = 2000,
    name: Annotated[str, typer.Option(help="Name of the data set.")] = "synthetic",
    **shared: Any,
) -> None:
    """Paint a synthetic data set with the paper's labels and prevalences."""
    from toolkit import synth_data

    _show(run, synth_data(images, name, **shared), shared["artifacts"])


@command(data)
def fetch(
    run: Run, what: Annotated[str, typer.Argument(help="mirflickr25k")], **shared: Any
) -> None:
    """Download the official archives of MIRFLICKR-25000 from their publisher and import them."""
    from toolkit import fetch_data

    _show(run, fetch_data(what, **shared), shared["artifacts"])


@command(data, DATA)
def info(run: Run, data: str | None = None, **shared: Any) -> None:
    """Tell what a data set holds."""
    _show(run, data, shared["artifacts"])


@command(data, name="list")
def list_(run: Run, artifacts: Path | None = None, **shared: Any) -> None:
    """List the data sets."""
    from toolkit import list_data

    found = list_data(artifacts=artifacts)
    if run.json:
        run.emit(found)
    elif not found["datasets"]:
        run.show("no data set yet: toolkit data import PATH --name NAME, or toolkit data synth")
    for name in found["datasets"] if not run.json else []:
        run.show(f"{name} (last imported)" if name == found["last"] else name)


def _show(run: Run, data: Dataset | str | None, artifacts: Path | None) -> None:
    from toolkit import describe_data

    facts = describe_data(data, artifacts=artifacts, progress=run.progress)
    if run.json:
        run.emit(facts)
    else:
        run.show(*_tables(facts, run.console().width))


def _tables(facts: dict[str, Any], width: int) -> list[Any]:
    from rich.text import Text

    from toolkit.cli.terminal_table import figures_table

    splits = facts["splits"]
    lines = []
    for label, each in facts["labels"].items():
        weight = "–" if each["pos_weight"] is None else f"{each['pos_weight']:.2f}"
        parts = [
            "/".join(str(part["positives"][label]) for part in split.values())
            for split in splits.values()
        ]
        cells = (f"{each['positives']:,}", f"{each['prevalence']:.2%}", *parts, weight)
        unknown = [f"{each.get('unknown', 0.0):.1%}"] if facts["unknown"] else []
        lines.append([label, *cells, *unknown])
    heads = ["label", "positives", "prevalence"]
    heads += [f"{name} train/val/test" for name in splits]
    title = f"{facts['name']}: {facts['images']:,} images"
    heads += ["pos_weight", *(["unknown"] if facts["unknown"] else [])]
    tables = figures_table(title, heads, lines, width)
    sizes = ", ".join(f"{size} ({count:,})" for size, count in facts["sizes"].items())
    if facts["other_sizes"]:
        sizes += f" and {facts['other_sizes']} more sizes"
    where = facts["provenance"]
    undecided = f"{facts['undecided']:,} with none known and some unknown, "
    remarks = [
        f"{facts['unlabelled']:,} without any label, {undecided if facts['unknown'] else ''}"
        f"{facts['labels_per_image']:.2f} labels per image, mean prevalence "
        f"{facts['mean_prevalence']:.2%}",
        f"{facts['single_channel']:,} single-channel, {facts['unreadable']:,} unreadable; "
        f"sizes: {sizes}",
        f"labels joined {where.get('pairing', '?')} ({where.get('layout', '?')} layout)",
    ]
    if facts["metadata"]:
        remarks.append(f"metadata: {listed(facts['metadata'], 12)}")
    return [*tables, *(Text(remark) for remark in remarks)]
