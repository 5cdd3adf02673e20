"""Samples: images that lie in containers with their labels beside them, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit.data.readers.base import Labelled, Options
from toolkit.data.readers.cells import interpret, list_column
from toolkit.data.readers.columns import Rows
from toolkit.errors import DataError, counted, listed
from toolkit.images.containers import Columns, opened
from toolkit.images.tars import Tar
from toolkit.storage.files import natural_key

LEFT_OUT = "warning: left out: "  # how a remark begins on samples that missing="skip" leaves out


@dataclass(frozen=True)
class Samples:
    """Samples as a reader found them.

    Attributes:
        rows: ids in the column that ``options.image_column`` names, and what else is known.
        files: place of each image below the folder; None where a sample has none.
        parts: of each sample in a split, or empty.
        unlabelled: rows of samples without labels.
        names: all labels that the format declares, by the column that may carry them.
        what: of the format, such as "WebDataset, 2 tars".
        layout: name of the format, kept as provenance.
        passed_over: names of what is neither image nor label.
        remarks: what a person should know.
        unknown: of each sample, labels that nobody looked at; empty where the format says none.
    """

    rows: Rows
    files: Sequence[str | None]
    parts: Sequence[str]
    unlabelled: Sequence[int]
    names: Mapping[str, Sequence[str]]
    what: str
    layout: str
    passed_over: Sequence[str] = ()
    remarks: Sequence[str] = ()
    unknown: Sequence[Iterable[str]] = ()


def container(file: str | Path) -> Tar | Columns:
    """Open a container.

    Raises:
        DataError: it is not there, or is damaged.
    """
    try:
        return opened(str(file))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error


def labelled(root: Path, found: Samples, options: Options) -> Labelled:
    """Return samples in the natural order of their ids.

    Raises:
        DataError: a sample has no image or no labels, and is not to be left out; or see
            :func:`~toolkit.data.readers.cells.interpret`.
    """
    rows = found.rows
    column = list_column(rows, options)
    at = None if column is None else rows.header.index(column)
    no_image = [row for row, file in enumerate(found.files) if file is None]
    nulls = [] if at is None else [r for r, cells in enumerate(rows.cells) if cells[at] is None]
    unlabelled = sorted({*found.unlabelled, *nulls})
    remarks = list(found.remarks)
    without = sorted({*no_image, *unlabelled})
    if without:
        what = " and ".join(
            f"{counted(len(some), 'sample')} without {kind} "
            f"({listed((rows.places[row] for row in some), 3)})"
            for kind, some in (("an image", no_image), ("labels", unlabelled))
            if some
        )
        if options.missing == "error" or len(without) == len(rows.cells):
            ways = ["missing='skip' leaves such samples out"] if options.missing == "error" else []
            if found.layout == "huggingface" and no_image and options.root is None:
                ways.append("root (--root) names the folder that paths of images start from")
            said = f": {'; '.join(ways)}" if ways else ", and no other"
            raise DataError(f"{rows.source} holds {what}{said}")
        remarks.append(f"{LEFT_OUT}{what}")
    kept = sorted(set(range(len(rows.cells))) - set(without))
    table = interpret(
        replace(
            rows,
            cells=[rows.cells[row] for row in kept],
            places=[rows.places[row] for row in kept],
        ),
        options,
        declared=found.names.get(column or "", ()),
    )
    labels, Y = table.labels, table.Y
    for at, row in enumerate(kept if found.unknown else ()):
        Y[at, [labels.index(label) for label in found.unknown[row]]] = -1
    parts = [found.parts[row] for row in kept] if found.parts else table.parts
    order = sorted(range(len(kept)), key=lambda at: natural_key(table.names[at]))
    files = [str(found.files[kept[at]]) for at in order]
    unknown = int((Y < 0).sum())
    return Labelled(
        root,
        files,
        labels,
        Y[order],
        passed_over=list(found.passed_over),
        facts={"layout": found.layout, "annotations": None},
        parts=tuple(parts[at] for at in order) if parts else (),
        found=f"{found.what}: {counted(len(labels), 'label')}, {counted(len(files), 'image')}, "
        f"{int((Y == 1).sum()):,} image labels" + (f", {unknown:,} unknown" if unknown else ""),
        ids=[table.names[at] for at in order],
        remarks=remarks + table.remarks,
        metadata={name: [cells[at] for at in order] for name, cells in table.metadata.items()},
    )


def first_twice(names: Iterable[Any]) -> Any:
    """Return the first name that stands twice, or None."""
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
