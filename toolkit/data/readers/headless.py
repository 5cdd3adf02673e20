"""Tables without a header: columns go by their numbers, or by what they clearly hold."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.data.readers.base import PARTS, Options
from toolkit.data.readers.columns import Rows, holds_lists
from toolkit.data.readers.course import is_image_name
from toolkit.errors import DataError, listed

_NAMES = ("image", "split", "labels")


def with_numbers(rows: Rows, options: Options) -> Rows:
    """Return a table whose header is its first row, with a header of numbers from 1 instead.

    Columns of image names, of train, val and test, and the one that is left get the names image,
    split and labels, unless the options name them by their numbers.

    Raises:
        DataError: no column is of image names; several may hold the labels; labels would have no
            names; or the first row is a header.
    """
    source = rows.source
    if not rows.header:
        raise DataError(f"{source} lists no images: it needs a line for each")
    cells = [list(rows.header), *rows.cells]
    places = [f"{source}, first line", *rows.places]
    columns = {str(at + 1): [line[at] for line in cells] for at in range(len(rows.header))}
    named = {name for name in (options.image_column, *options.labels) if name is not None}
    if named - set(columns):
        raise DataError(
            f"{source}: expected numbers of columns from 1 to {len(columns)}, as it has no header, "
            f"found {listed(sorted(named - set(columns)))}"
        )
    image = options.image_column or next((name for name in columns if _images(columns[name])), None)
    if image is None:
        raise DataError(
            f"{source}: no column is of image files, its first line is {_shown(rows.header)}: "
            "image_column (--image-column) takes its number, from 1"
        )
    if not is_image_name(columns[image][0]) and _images(columns[image]):
        raise DataError(
            f"{source}: its first line is a header, {_shown(rows.header)}: leave header=False "
            "(--no-header) out"
        )
    left = [name for name in columns if name != image and name not in named]
    split = next((name for name in left if _parts(columns[name])), None)
    left = [name for name in left if name != split]
    if not options.labels and len(left) != 1:
        raise DataError(
            f"{source}: expected one column of labels beside those of images and of a split, found "
            f"{listed(left) or 'none'}: labels (--labels) takes its number, from 1"
        )
    for name in options.labels or left:
        if not holds_lists(columns[name]):
            raise DataError(
                f"{source}: column {name} is of yes and no, which have no name of a label without "
                "a header: put a line with names of columns before it"
            )
    new = dict(zip((image, split, left[0] if not options.labels else None), _NAMES, strict=True))
    header = [name if name in named else new.get(name, name) for name in columns]
    said = ", ".join(f"{name} {what}" for name, what in new.items() if name is not None)
    numbers = f"; labels {listed(options.labels)}" if options.labels else ""
    return Rows(source, header, cells, places, [f"columns by number: {said}{numbers}"])


def _images(cells: Sequence[str]) -> bool:
    return 2 * sum(map(is_image_name, cells)) > len(cells)


def _parts(cells: Sequence[str]) -> bool:
    return all(cell.casefold() in PARTS for cell in cells)


def _shown(header: Sequence[str]) -> list[str]:
    return [name[:40] for name in header[:8]]
