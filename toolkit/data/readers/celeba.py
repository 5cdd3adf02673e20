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
from toolkit.data.readers.table import read_rows, table_of

_LISTS = ("list_attr_celeba.txt", "list_attr_celeba.csv")
_FOLDERS = (".", "Anno", "Eval")


def read(path: Path, options: Options) -> Labelled:
    """Read CelebA's folder.

    Raises:
        DataError: see :func:`~toolkit.data.readers.table.table_of`.
    """
    options.only("CelebA", "labels", "absent", "root")
    file = _list(path)
    assert file is not None
    return table_of(
        file,
        read_rows(file, options),
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
