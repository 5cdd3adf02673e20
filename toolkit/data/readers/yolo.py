"""Labels from YOLO's boxes: ``data.yaml`` with names, and a text file of boxes per image.

An image's boxes lie where its path has ``labels`` for ``images`` and ``.txt`` for its ending, a
line per box that begins with the number of its class. Every class was looked for, so an image
without boxes, or without such a file, has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit.data.readers.base import PARTS, Format, Labelled, Options
from toolkit.data.readers.course import check_labels
from toolkit.data.readers.join import images_under, joined, matrix
from toolkit.errors import DataError, counted

_FILES = ("data.yaml", "data.yml", "dataset.yaml")


def read(path: Path, options: Options) -> Labelled:
    """Read the data set that a ``data.yaml`` describes.

    Raises:
        DataError: it does not name classes and folders, or a line is no box.
    """
    options.only("YOLO", "absent")
    file = path if path.is_file() else next(path / n for n in _FILES if (path / n).is_file())
    document = _document(file)
    root = file.parent
    names = _names(document, file)
    images, parts, yes = list[str](), list[str](), list[set[str]]()
    boxes = 0
    for part in ("train", "val", "test"):
        for folder in _places(document.get(part)):
            there = next(
                (
                    base
                    for base in (root / folder, root / folder.removeprefix("../"))
                    if base.is_dir()
                ),
                None,
            )
            if there is None:
                raise DataError(f"{file}: expected the folder {folder!r} ({part}), found none")
            for image in images_under(there):
                whole = (there / image).relative_to(root).as_posix()
                classes = _classes(root / _labels_of(whole), names)
                boxes += len(classes)
                images.append(whole)
                parts.append(PARTS[part])
                yes.append({names[each] for each in classes})
    if not images:
        raise DataError(f"{file}: expected images in the folders of train, val or test, found none")
    labels = check_labels(names)
    Y = matrix(yes, labels, options.absent or "no", [()] * len(yes))
    return joined(
        str(file),
        root,
        images,
        Y,
        labels,
        options,
        parts=parts if len(set(parts)) > 1 else (),
        facts={"layout": "yolo", "annotations": None},
        found=f"YOLO: {counted(len(labels), 'label')}, {counted(len(images), 'image')}, "
        f"{boxes:,} boxes, {int((Y == 1).sum()):,} image labels",
    )


def _document(file: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{file} cannot be read as YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict):
        raise DataError(f"{file}: expected names and folders, found {type(document).__name__}")
    return document


def _names(document: dict[str, Any], file: Path) -> list[str]:
    names = document.get("names")
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[at] for at in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{file}: expected a list of names, found {names!r:.60}")
    return [str(name) for name in names]


def _places(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _labels_of(image: str) -> str:
    folders = image.split("/")
    at = max((i for i, name in enumerate(folders) if name == "images"), default=None)
    if at is not None:
        folders[at] = "labels"
    return str(Path(*folders).with_suffix(".txt"))


def _classes(file: Path, names: list[str]) -> list[int]:
    if not file.is_file():
        return []
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if not words[0].isdigit() or int(words[0]) >= len(names):
            raise DataError(
                f"{file}, line {number}: expected a class from 0 to {len(names) - 1}, found "
                f"{words[0][:40]!r}"
            )
        found.append(int(words[0]))
    return found


def _recognises(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in (".yaml", ".yml")
    return path.is_dir() and any((path / name).is_file() for name in _FILES)


YOLO = Format(_recognises, read)
