"""Labels from CelebA's folder: a list of attributes, one of the split, and the images.

Format: Liu et al. 2015, "Deep Learning Face Attributes in the Wild". ``list_attr_celeba.txt`` says
how many images there are, has a line of names, then 1 for yes and -1 for no;
``list_eval_partition.txt`` has 0, 1 or 2 for training, validation and test. The lists may also lie
in ``Anno`` and ``Eval``, as published, or be CSV files.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from toolkit.data.readers.base import Format, Labelled, Options
from toolkit.data.readers.table import table_of
from toolkit.data.readers.table_rows import read_rows
from toolkit.data.readers.table_text import table_text
from toolkit.errors import DataError, listed

_LISTS = ("list_attr_celeba.txt", "list_attr_celeba.csv")
_PARTITIONS = ("list_eval_partition.txt", "list_eval_partition.csv")
_FOLDERS = (".", "Anno", "Eval")


def read(path: Path, options: Options) -> Labelled:
    """Read CelebA's folder.

    Raises:
        DataError: a list is empty or another, or see
            :func:`~toolkit.data.readers.table.table_of`.
    """
    options.only("CelebA", "labels", "absent", "root")
    file = _list(path)
    assert file is not None
    for name in _PARTITIONS:
        for list_of_parts in (path / folder / name for folder in _FOLDERS):
            if list_of_parts.is_file() and not table_text(list_of_parts).strip():
                raise DataError(
                    f"{list_of_parts} is empty: expected a line per image with its part; get it "
                    "anew, or move it away to import without a split"
                )
    rows = read_rows(file, options)
    if file.suffix == ".txt" and (rows.header[:1] != ["image"] or not rows.cells):
        found = listed(table_text(file).split("\n")[:2], 2).strip(", ") or "nothing"
        raise DataError(
            f"{file}: expected the number of images, a line of names of attributes, then a line "
            f"per image, as CelebA has them; found {found:.120}: get it anew"
        )
    return table_of(
        file,
        rows,
        path,
        # -1 and 1 are all that there is, and its authors say which is no
        replace(options, absent=options.absent or "no"),
        what="CelebA",
        layout="celeba",
        splits=[path / name for name in _FOLDERS],
        numbered=True,
    )


def _list(path: Path) -> Path | None:
    found = (path / folder / name for folder in _FOLDERS for name in _LISTS)
    return next((file for file in found if file.is_file()), None)


def _recognises(path: Path) -> bool:
    return path.is_dir() and _list(path) is not None


CELEBA = Format(_recognises, read)
