"""Labels from Pascal VOC: lists of images per label and part, or one XML file per image.

Format: Everingham et al. 2010, development kit. A list ``ImageSets/Main/<label>_<part>.txt`` has a
line per image with 1 (yes), -1 (no) or 0 (difficult objects only, here unknown). Of XML files, an
object that is difficult makes its label unknown unless another is there; other labels are no.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from toolkit.data.readers.base import PARTS, Format, Labelled, Options
from toolkit.data.readers.course import check_labels
from toolkit.data.readers.join import joined, matrix
from toolkit.data.readers.xml_file import read_xml
from toolkit.errors import DataError, counted

_LIST = re.compile(r"(.+)_(train|val|test)\.txt")
_VALUES = {"1": 1, "-1": 0, "0": -1}


def read(path: Path, options: Options) -> Labelled:
    """Read ``JPEGImages`` with ``ImageSets/Main`` or ``Annotations``.

    Raises:
        DataError: a line or a file is none of VOC's, or see
            :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("Pascal VOC", "absent")
    lists = sorted((path / "ImageSets" / "Main").glob("*_*.txt"))
    cells, part_of = _from_lists(lists) if lists else _from_xml(path / "Annotations")
    names = list(cells)
    labels = check_labels({label for given in cells.values() for label in given})
    absent = options.absent or ("unknown" if lists else "no")
    chosen = [
        [[label for label, value in cells[name].items() if value == wanted] for name in names]
        for wanted in (1, 0, -1)
    ]
    Y = matrix(chosen[0], labels, absent, chosen[1])
    place = {label: at for at, label in enumerate(labels)}
    for row, difficult in enumerate(chosen[2]):
        Y[row, [place[label] for label in difficult]] = -1
    return joined(
        str(path),
        path / "JPEGImages",
        names,
        Y,
        labels,
        options,
        parts=[part_of[name] for name in names] if part_of else (),
        facts={"layout": "voc", "annotations": None},
        found=f"Pascal VOC: {counted(len(labels), 'label')}, {counted(len(names), 'image')}, "
        f"{int((Y == 1).sum()):,} image labels, {int((Y < 0).sum()):,} unknown",
    )


def _from_lists(lists: Iterable[Path]) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    cells: dict[str, dict[str, int]] = {}
    part_of: dict[str, str] = {}
    for file in lists:
        named = _LIST.fullmatch(file.name)
        if named is None:
            continue  # <label>_trainval.txt says it all again
        label, part = named[1], PARTS[named[2]]
        for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), 1):
            words = line.split()
            if not words:
                continue
            if len(words) != 2 or words[1] not in _VALUES:
                raise DataError(
                    f"{file}, line {number}: expected an image and 1, 0 or -1, found {line[:60]!r}"
                )
            image, value = words[0], _VALUES[words[1]]
            if cells.setdefault(image, {}).setdefault(label, value) != value:
                raise DataError(f"{file}, line {number}: {image!r} has two values of {label!r}")
            if part_of.setdefault(image, part) != part:
                raise DataError(f"{file}, line {number}: {image!r} is in two parts of the split")
    if not cells:
        raise DataError("ImageSets/Main: expected lists <label>_train.txt and the like, found none")
    return cells, part_of


def _from_xml(folder: Path) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise DataError(f"{folder}: expected an XML file per image, found none")
    cells: dict[str, dict[str, int]] = {}
    for file in files:
        given: dict[str, int] = {}
        for label, difficult in _objects(file):
            given[label] = max(given.get(label, -1), -1 if difficult else 1)
        cells[file.stem] = given
    return cells, {}


def _objects(file: Path) -> list[tuple[str, bool]]:
    """Return name and difficulty of each object."""
    found: list[tuple[str, bool]] = []
    now = {"name": "", "difficult": "0"}

    def start(path: list[str], _: object) -> None:
        if path[1:] == ["object"]:
            now.update(name="", difficult="0")

    def end(path: list[str], text: str) -> None:
        if path[1:2] == ["object"] and path[2:] in (["name"], ["difficult"]):
            now[path[2]] = text
        elif path[1:] == ["object"]:
            found.append((now["name"], now["difficult"] == "1"))

    read_xml(file, start, end)
    return found


def _recognises(path: Path) -> bool:
    if not (path / "JPEGImages").is_dir():
        return False
    return (path / "ImageSets" / "Main").is_dir() or (path / "Annotations").is_dir()


VOC = Format(_recognises, read)
