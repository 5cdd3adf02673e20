"""Labels from LabelMe's JSON, a file per image: an image has a label if a shape of it does.

Format: Wada's labelme, ``shapes`` with ``label``, ``imagePath``, and ``flags`` of the whole image,
true or false. Shapes of any type count as presence. Labels that no shape carries are no, of an
image without shapes too: somebody opened and saved it. Of an image without a file nobody knows; a
flag that other images have is unknown where a file lacks it, and a label that a shape carries and
a flag denies. Names that begin with two underscores,
such as ``__ignore__``, are no labels. Files lie beside the images or in ``annotations`` or
``labels``; folders ``train``, ``val`` and ``test`` are a split.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.readers.base import PARTS, Format, Labelled, Options, absence
from toolkit.data.readers.course import check_labels, image_id
from toolkit.data.readers.finder import Finder, say_case
from toolkit.data.readers.join import joined, matrix, unknown_cells
from toolkit.data.readers.json_file import json_head, read_json
from toolkit.data.readers.part_words import folder_words, part_of_folder, split_of
from toolkit.data.readers.places import Places
from toolkit.errors import DataError, counted, listed

_LOOKS = re.compile(r'\s*\{.*?"shapes"\s*:\s*\[', re.DOTALL)
_FOLDERS = ("annotations", "Annotations", "labels", "json", *PARTS)


def read(path: Path, options: Options) -> Labelled:
    """Read a folder of LabelMe's files and images, or one file.

    Raises:
        DataError: a file is none of LabelMe's, two are of one image, or see
            :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("LabelMe", "absent", "root")
    home = path if path.is_dir() else path.parent
    root = options.root or home
    files = _files(path) if path.is_dir() else [path]
    finder = Finder(root)
    there = set(finder.there)
    by_id: dict[str, list[str]] = {}
    for image in sorted(there):
        by_id.setdefault(image_id(image), []).append(image)
    tops = {name.partition("/")[0] for name in by_id if "/" in name}
    places = Places(root)
    cased = list[str]()
    cells: dict[str, dict[str, int]] = {}
    kinds, flags, empty, contradicted = Counter[str](), set[str](), 0, list[str]()
    for file in files:
        document = _document(file)
        given = _shapes(document, file, kinds)
        empty += not given
        flagged = _flags(document, file)
        flags |= set(flagged)
        name = _place(document["imagePath"].strip(), file.relative_to(home), by_id, tops, places)
        name = name if name in there else finder.by_case(name, cased)
        if name in cells:
            raise DataError(f"{path}: two files are of image {name!r} (one is {file.name})")
        denied = sorted(given & {flag for flag, value in flagged.items() if not value})
        contradicted += [f"{file.name}: {label}" for label in denied]
        cells[name] = {**flagged, **dict.fromkeys(given, 1), **dict.fromkeys(denied, -1)}
    bare = sorted(there - set(cells)) if path.is_dir() else []
    cells |= {name: {} for name in bare}
    names = list(cells)
    labels = check_labels({label for given in cells.values() for label in given})
    absent = options.absent or "no"
    yes, no = (
        [[label for label, value in cells[name].items() if value == wanted] for name in names]
        for wanted in (1, 0)
    )
    Y = matrix(yes, labels, absent, no)
    for row, name in enumerate(names):
        Y[row, [labels.index(label) for label, value in cells[name].items() if value < 0]] = -1
    remarks = [absence(absent), *places.said(), *say_case(cased)]
    if contradicted:
        many = counted(len(contradicted), "label")
        said = listed(contradicted, 3)
        remarks.append(f"{many} drawn where a flag says false ({said}): unknown")
    if options.absent is None:
        Y[np.isin(names, bare)] = -1
        for at in (labels.index(flag) for flag in sorted(flags)):
            Y[[row for row, name in enumerate(names) if labels[at] not in cells[name]], at] = -1
    if empty:
        remarks.append(f"{counted(empty, 'image')} without shapes: no label of shapes")
    if bare:
        then = f"all labels {options.absent or 'unknown'}"
        remarks.append(f"{counted(len(bare), 'image')} without a file ({listed(bare, 3)}): {then}")
    parts = split_of(folder_words(names), "folder", remarks, part_of_folder)
    said = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    said += f"{', ' if said else ''}{counted(len(flags), 'flag')}" if flags else ""
    return joined(
        str(path),
        root,
        names,
        Y,
        labels,
        options,
        parts=parts if len(set(parts)) > 1 else (),
        facts={"layout": "labelme", "annotations": None},
        found=f"LabelMe: {counted(len(labels), 'label')}, {counted(len(names), 'image')}, "
        f"{said or 'no shapes'} → {int((Y == 1).sum()):,} image labels" + unknown_cells(Y),
        remarks=remarks,
        addresses=False,
    )


def _document(file: Path) -> dict[str, Any]:
    document = read_json(file)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise DataError(f"{file}: expected an object with a list of shapes, as LabelMe writes it")
    if not isinstance(document.get("imagePath"), str) or not document["imagePath"].strip():
        raise DataError(f"{file}: expected imagePath, found {document.get('imagePath')!r:.60}")
    return document


def _shapes(document: dict[str, Any], file: Path, kinds: Counter[str]) -> set[str]:
    """Return the labels of shapes, and count those by type."""
    found = set[str]()
    for each in document["shapes"]:
        label = each.get("label") if isinstance(each, dict) else None
        if not isinstance(label, str) or not label.strip():
            raise DataError(f"{file}: expected shapes with a label, found {each!r:.60}")
        kinds[str(each.get("shape_type") or "polygon")] += 1
        found |= {label.strip()} if label[:2] != "__" else set()
    return found


def _flags(document: dict[str, Any], file: Path) -> dict[str, int]:
    flags = document.get("flags") or {}
    if not isinstance(flags, dict) or not all(isinstance(each, bool) for each in flags.values()):
        raise DataError(f"{file}: expected flags that are true or false, found {flags!r:.60}")
    return {name.strip(): int(value) for name, value in flags.items() if name[:2] != "__"}


def _place(
    given: str, file: Path, by_id: dict[str, list[str]], tops: set[str], places: Places
) -> str:
    """Return an image's path: from the file on, by its end, or by the file's own name."""
    plain = given.replace("\\", "/")
    whole = posixpath.normpath(posixpath.join(file.parent.as_posix(), plain))
    if whole in by_id.get(image_id(whole), ()):
        return whole
    found = places.find(plain)
    if found != plain or found in by_id.get(image_id(found), ()):
        return found
    # beside the file, or where the file would be if it lay in a folder of images
    own = file.with_suffix("").as_posix()
    inner = own.partition("/")[2]
    places_of = [own, *(f"{each}/{inner}" for each in tops if inner)]
    beside = [image for each in dict.fromkeys(places_of) for image in by_id.get(each, ())]
    return beside[0] if len(beside) == 1 else found


def _files(folder: Path) -> list[Path]:
    found = [
        each
        for each in sorted(folder.rglob("*.json"))
        if not any(step[0] == "." for step in each.relative_to(folder).parts)
    ]
    if not found:
        raise DataError(f"{folder}: expected a JSON file of LabelMe's per image, found none")
    return found


def _looks(file: Path) -> bool:
    head = json_head(file)
    return _LOOKS.match(head) is not None and ('"imagePath"' in head or '"flags"' in head)


def _recognises(path: Path) -> bool:
    if path.is_file():
        return _looks(path)
    folders = [path, *(path / name for name in _FOLDERS)]
    return any(_looks(file) for each in folders for file in sorted(each.glob("*.json"))[:1])


LABELME = Format(_recognises, read)
