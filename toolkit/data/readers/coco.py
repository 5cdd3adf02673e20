"""Labels from COCO's instances: an image carries a category if any annotation of it does.

Format: Lin et al. 2014, "Microsoft COCO: Common Objects in Context" (images, annotations,
categories; annotations of crowds count). Every category was looked for in every image, so an image
without annotations has none. Several files in ``annotations/`` are the parts of a split.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.data.readers.base import Format, Labelled, Options, part_named
from toolkit.data.readers.course import check_labels
from toolkit.data.readers.join import joined, matrix
from toolkit.errors import DataError, counted

_KEYS = ("images", "annotations", "categories")


def read(path: Path, options: Options) -> Labelled:
    """Read one file of instances, or a folder with such files in ``annotations/`` or beside it.

    Raises:
        DataError: a file is none of COCO's, or see :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("COCO", "absent")
    files = [path] if path.is_file() else _files(path)
    root = path if path.is_dir() else _root(path)
    documents = [_document(file) for file in files]
    categories = _categories(documents, files)
    names, parts, yes = list[str](), list[str](), list[set[str]]()
    boxes = 0
    for file, document in zip(files, documents, strict=True):
        given: dict[Any, set[str]] = {}
        for each in document["images"]:
            if not isinstance(each, dict) or "id" not in each or "file_name" not in each:
                raise DataError(
                    f"{file}: expected images with id and file_name, found {each!r:.60}"
                )
            if each["id"] in given:
                raise DataError(f"{file}: image id {each['id']!r} stands twice")
            given[each["id"]] = set()
            names.append(str(each["file_name"]))
            parts.append(part_named(file.stem))
        for each in document["annotations"]:
            try:
                given[each["image_id"]].add(categories[each["category_id"]])
            except (KeyError, TypeError) as error:
                raise DataError(
                    f"{file}: an annotation names an image or a category that is not there: "
                    f"{each!r:.80}"
                ) from error
        boxes += len(document["annotations"])
        yes += given.values()
    labels = check_labels(set(categories.values()))
    absent = options.absent or "no"
    Y = matrix(yes, labels, absent, [()] * len(yes))
    split = len(files) > 1 and all(parts)
    return joined(
        str(path),
        root,
        names,
        Y,
        labels,
        options,
        parts=parts if split else (),
        facts={"layout": "coco", "annotations": None},
        found=f"COCO: {counted(len(labels), 'label')}, {counted(len(names), 'image')}, "
        f"{boxes:,} annotations, {int((Y == 1).sum()):,} image labels",
    )


def _files(folder: Path) -> list[Path]:
    for place in (folder / "annotations", folder):
        found = sorted(place.glob("*.json"))
        own = [file for file in found if "instances" in file.name]  # read or refused, not left out
        own = own or [file for file in found if _looks(file)]
        if own:
            return own
    raise DataError(f"{folder}: expected COCO's instances in annotations/, found none")


def _root(file: Path) -> Path:
    return file.parent.parent if file.parent.name == "annotations" else file.parent


def _document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict) or not all(isinstance(document.get(k), list) for k in _KEYS):
        raise DataError(f"{file}: expected lists named {', '.join(_KEYS)}, as COCO has them")
    return document


def _categories(documents: Sequence[dict[str, Any]], files: Sequence[Path]) -> dict[Any, str]:
    found: dict[Any, str] = {}
    for file, document in zip(files, documents, strict=True):
        for each in document["categories"]:
            if not isinstance(each, dict) or not {"id", "name"} <= each.keys():
                raise DataError(f"{file}: expected categories with id and name, found {each!r:.60}")
            if found.setdefault(each["id"], str(each["name"])) != str(each["name"]):
                raise DataError(f"{file}: category {each['id']!r} has two names")
    if len(set(found.values())) < len(found):
        raise DataError(f"{files[0]}: two categories have one name")
    return found


def _looks(path: Path) -> bool:
    """Tell COCO's files by their beginning, or by the keys of short ones."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(1 << 20)
    except (OSError, UnicodeDecodeError):
        return False
    return sum(f'"{key}"' in text for key in _KEYS) >= (1 if len(text) == 1 << 20 else 3)


def _recognises(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".json"
    places = (path / "annotations", path)
    return any(_looks(file) for place in places for file in place.glob("*.json"))


COCO = Format(_recognises, read)
