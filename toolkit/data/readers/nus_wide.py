"""Labels from NUS-WIDE's own lists: a list of images, and a file per label of as many 0 and 1.

Format: Chua et al. 2009, "NUS-WIDE: A Real-World Web Image Database". Line k of
``Groundtruth/AllLabels/Labels_sky.txt`` is about line k of ``ImageList/Imagelist.txt``; this is how
the lists are published, so their numbers of lines must agree. ``TrainImagelist.txt`` and
``TestImagelist.txt`` are a split; where ``AllLabels`` is not there, ``TrainTestLabels`` with
``Labels_sky_Train.txt`` and ``Labels_sky_Test.txt`` belong to those.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.data.readers.base import Format, Labelled, Options
from toolkit.data.readers.course import check_labels
from toolkit.data.readers.join import joined
from toolkit.data.readers.places import Places
from toolkit.errors import DataError, counted, listed

_ALL, _PARTS = "AllLabels", "TrainTestLabels"
_LABEL = re.compile(r"Labels_(.+?)(?:_(Train|Test))?\.txt")
_PART_OF = {"Train": "train", "Test": "test"}


def read(path: Path, options: Options) -> Labelled:
    """Read a folder with NUS-WIDE's lists of images and labels, and the images below it.

    Raises:
        DataError: a list is missing, or has other lines or more or fewer than it must; an image
            stands twice; or see :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("NUS-WIDE", "root")
    root = options.root or path
    folder = _labels_in(path)
    assert folder is not None
    whole = folder.name == _ALL
    part_lists = {part: _list(path, f"{part}Imagelist.txt") for part in _PART_OF}
    parts = {part: _lines(file) for part, file in part_lists.items() if file is not None}
    if whole:
        groups = {"": _lines(_needed(path, "Imagelist.txt"))}
    else:
        groups = {part: _lines(_needed(path, f"{part}Imagelist.txt")) for part in _PART_OF}
    names = [name for each in groups.values() for name in each]
    if len(set(names)) < len(names):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        raise DataError(f"{path}: images stand twice in the lists ({listed(twice, 3)}): once each")
    both = sorted(set(parts.get("Train", ())) & set(parts.get("Test", ())))
    if both:
        raise DataError(
            f"{path}: {counted(len(both), 'image')} in the lists of both parts "
            f"({listed(both, 3)}): once each"
        )
    labels, Y = _cells(folder, groups)
    part_of = {name: _PART_OF[part] for part, each in parts.items() for name in each}
    split = len(parts) == len(_PART_OF) and all(name in part_of for name in names)
    remarks = ["images and labels are joined by line, as the lists are published"]
    if whole and (path / folder.parent / _PARTS).is_dir():
        remarks.append(f"{_PARTS} are not read, {_ALL} are")
    if parts and not split:
        lacking = [name for name in names if name not in part_of]
        many = counted(len(lacking), "image")
        remarks.append(f"no split: {many} in no list of a part ({listed(lacking, 3)})")
    places = Places(root)
    found = [places.find(name) for name in names]
    remarks += places.said()
    return joined(
        str(path),
        root,
        found,
        Y,
        labels,
        options,
        parts=[part_of[name] for name in names] if split else (),
        facts={"layout": "nus-wide", "annotations": None},
        found=f"NUS-WIDE: {counted(len(labels), 'label')} of {folder.name}, "
        f"{counted(len(names), 'image')}, {int((Y == 1).sum()):,} image labels",
        remarks=remarks,
        addresses=False,
    )


def _cells(folder: Path, groups: dict[str, list[str]]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return labels and ``int8 (n, L)``, the rows of one group after those of another."""
    named = [(_LABEL.fullmatch(file.name), file) for file in sorted(folder.glob("Labels_*.txt"))]
    files = {(name[1], name[2] or ""): file for name, file in named if name is not None}
    wanted = {key: file for key, file in files.items() if key[1] in groups}
    labels = check_labels({label for label, _ in wanted})
    columns = []
    for label in labels:
        cells = []
        for part, names in groups.items():
            file = wanted.get((label, part))
            if file is None:
                raise DataError(f"{folder}: expected Labels_{label}_{part}.txt, found none")
            cells.append(_values(file, names))
        columns.append(np.concatenate(cells))
    return labels, np.stack(columns, axis=1)


def _values(file: Path, names: Sequence[str]) -> np.ndarray:
    """Return the 0 and 1 of a file, one for each image of the list."""
    words = file.read_bytes().split()
    if set(words) - {b"0", b"1"}:
        at, odd = next((n, word) for n, word in enumerate(words, 1) if word not in (b"0", b"1"))
        shown = odd.decode("utf-8", "replace")[:40]
        raise DataError(f"{file}, line {at}: expected 0 or 1, found {shown!r}")
    if len(words) != len(names):
        raise DataError(
            f"{file}: expected a line for each of {counted(len(names), 'image')} of the list, "
            f"found {counted(len(words), 'line')}"
        )
    return np.array(words, dtype="S1").astype(np.int8)


def _lines(file: Path) -> list[str]:
    """Return the images of a list; the lists are written with backslashes."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text (byte {error.start})") from error
    found = [line.strip().replace("\\", "/") for line in text.splitlines() if line.strip()]
    if not found:
        raise DataError(f"{file}: expected an image a line, found none")
    return found


def _needed(path: Path, name: str) -> Path:
    found = _list(path, name)
    if found is None:
        raise DataError(f"{path}: expected ImageList/{name}, which says what the labels are of")
    return found


def _list(path: Path, name: str) -> Path | None:
    places = (path / folder / name for folder in ("ImageList", "Imagelist", "."))
    return next((file for file in places if file.is_file()), None)


def _labels_in(path: Path) -> Path | None:
    folders = [
        path / above / name
        for name in (_ALL, _PARTS)
        for above in ("Groundtruth", "GroundTruth", ".")
    ]
    return next((each for each in folders if any(each.glob("Labels_*.txt"))), None)


def _recognises(path: Path) -> bool:
    return path.is_dir() and _labels_in(path) is not None


NUS_WIDE = Format(_recognises, read)
