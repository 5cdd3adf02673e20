"""Labels from Pascal VOC: lists of images per label and part, or one XML file per image.

Format: Everingham et al. 2010, development kit. A list ``ImageSets/Main/<label>_<part>.txt`` has a
line per image with 1 (yes), -1 (no) or 0 (difficult objects only, here unknown). Of XML files, an
object that is difficult makes its label unknown unless another is there; other labels are no; of an
image without such a file all labels are unknown. Lists ``ImageSets/Main/<part>.txt`` split those.
XML files may also lie in ``annotations`` beside ``images``, or beside each image, in folders
``train``, ``valid`` and ``test`` or not, as labelling tools write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from toolkit.data.readers.base import PARTS, Format, Labelled, Options
from toolkit.data.readers.course import check_labels, image_id
from toolkit.data.readers.finder import Finder, say_case
from toolkit.data.readers.join import joined, matrix, unknown_cells
from toolkit.data.readers.part_words import folder_words, part_of_folder, split_of
from toolkit.data.readers.xml_file import read_xml
from toolkit.errors import DataError, counted, listed

_LIST = re.compile(rf"(?:(.+)_)?({'|'.join(PARTS)}|trainval)\.txt", re.IGNORECASE)
_VALUES = {"1": 1, "-1": 0, "0": -1}
_HEAD = re.compile(rb"<annotation[\s>]")
_LISTS = ("ImageSets", "Main")
Cells = dict[str, dict[str, int]]  # by image and label: 1, 0 or -1


def read(path: Path, options: Options) -> Labelled:
    """Read ``JPEGImages`` with ``ImageSets/Main`` or ``Annotations``, or XML files beside images.

    Raises:
        DataError: a line or a file is none of VOC's, or see
            :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("Pascal VOC", "absent", "root")
    kit = path / "JPEGImages"
    root = options.root or (kit if kit.is_dir() else path)
    finder = Finder(root)
    there = [image_id(file) for file in finder.there]
    known, others = _list_files(path.joinpath(*_LISTS))
    of_labels = {key: file for key, file in known.items() if key[0]}
    part_of: dict[str, str]
    bare: list[str] = []
    remarks: list[str] = []
    if of_labels:
        cells, part_of = _from_lists(of_labels)
    else:
        cells = _from_xml(_xml_files(path), path, finder, remarks)
        part_of = _parts(known)
        bare = sorted((set(part_of) or set(there)) - set(cells))
        if part_of:
            cells = {name: cells.get(name, {}) for name in part_of}
        else:
            cells |= {name: {} for name in bare}
            words = folder_words(cells)
            folders = split_of(words, "folder", remarks, part_of_folder)
            part_of = dict(zip(cells, folders, strict=True)) if len(set(folders)) > 1 else {}
    names = list(cells)
    remarks += _say_unread(others, names)
    labels = check_labels({label for given in cells.values() for label in given})
    absent = options.absent or ("unknown" if of_labels else "no")
    chosen = [
        [[label for label, value in cells[name].items() if value == wanted] for name in names]
        for wanted in (1, 0, -1)
    ]
    Y = matrix(chosen[0], labels, absent, chosen[1])
    place = {label: at for at, label in enumerate(labels)}
    for row, difficult in enumerate(chosen[2]):
        Y[row, [place[label] for label in difficult]] = -1
    if bare:
        if options.absent is None:
            Y[np.isin(names, bare)] = -1
        then = f"all labels {options.absent or 'unknown'}"
        remarks.append(f"{counted(len(bare), 'image')} without XML ({listed(bare, 3)}): {then}")
    left = sorted(set(there) - set(names)) if kit.is_dir() and len(part_of) else []
    if left:
        where = "/".join(_LISTS)
        remarks.append(f"{counted(len(left), 'image')} in no list of {where}, left out")
    return joined(
        str(path),
        root,
        names,
        Y,
        labels,
        options,
        parts=[part_of[name] for name in names] if all(part_of.values()) and part_of else (),
        facts={"layout": "voc", "annotations": None},
        found=f"Pascal VOC: {counted(len(labels), 'label')}, {counted(len(names), 'image')}, "
        f"{int((Y == 1).sum()):,} image labels" + unknown_cells(Y),
        remarks=remarks,
    )


def _list_files(folder: Path) -> tuple[dict[tuple[str, str], Path], list[Path]]:
    """Return lists by label, or nothing for those of all images, and part; and further lists.

    ``trainval`` says again what ``train`` and ``val`` say; without these, it is ``train`` where
    there is ``test`` too, else no part.
    """
    named = [(_LIST.fullmatch(file.name), file) for file in sorted(folder.glob("*.txt"))]
    found = {(name[1] or "", name[2].lower()): file for name, file in named if name is not None}
    others = [file for name, file in named if name is None]
    parts = {PARTS.get(part, "") for _, part in found}
    if parts & {"train", "validation"}:
        return {key: file for key, file in found.items() if key[1] != "trainval"}, others
    instead = "train" if "test" in parts else ""
    return {
        (label, instead if part == "trainval" else part): file
        for (label, part), file in found.items()
    }, others


def _say_unread(lists: Sequence[Path], names: Iterable[str]) -> list[str]:
    """Return a warning on lists whose names have no part, with how many images are in no other."""
    alone = {words[0] for file in lists for _, words, _ in _lines(file)} - set(names)
    if not lists:
        return []
    return [
        f"warning: {counted(len(lists), 'list')} of {'/'.join(_LISTS)} not read, as the names end "
        f"in no part of a split ({listed((file.name for file in lists), 3)}), with "
        f"{counted(len(alone), 'image')} in no other: call them _train, _val or _test"
    ]


def _lines(file: Path) -> Iterable[tuple[int, list[str], str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text (byte {error.start})") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.split(), line


def _parts(lists: dict[tuple[str, str], Path]) -> dict[str, str]:
    """Return the part of each image that lists of a split name; nothing without such lists."""
    found: dict[str, str] = {}
    for (_, part), file in lists.items():
        for number, words, _ in _lines(file) if part else ():
            if found.setdefault(words[0], PARTS[part]) != PARTS[part]:
                raise DataError(f"{file}, line {number}: {words[0]!r} is in two parts of the split")
    return found


def _from_lists(lists: dict[tuple[str, str], Path]) -> tuple[Cells, dict[str, str]]:
    cells: Cells = {}
    part_of: dict[str, str] = {}
    for (label, named), file in lists.items():
        part = PARTS.get(named, "")
        for number, words, line in _lines(file):
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
        raise DataError(
            f"{'/'.join(_LISTS)}: expected lists <label>_train.txt and the like, found none"
        )
    return cells, part_of


def _xml_files(path: Path) -> list[Path]:
    for name in ("Annotations", "annotations"):
        if (path / name).is_dir():
            found = sorted((path / name).rglob("*.xml"))
            break
    else:
        found = sorted(path.rglob("*.xml"))
    found = [each for each in found if not _hidden(each.relative_to(path))]
    if not found:
        raise DataError(f"{path / 'Annotations'}: expected an XML file per image, found none")
    return found


def _hidden(place: Path) -> bool:
    return any(step[0] == "." for step in place.parts)


def _from_xml(files: Sequence[Path], path: Path, finder: Finder, remarks: list[str]) -> Cells:
    """Return what each image's file says; a file goes by its path, or by its name alone."""
    known = set(map(image_id, finder.there))
    by_stem: dict[str, list[str]] = {}
    for image in sorted(known):
        by_stem.setdefault(image.rpartition("/")[2], []).append(image)
    cells: Cells = {}
    denied: list[str] = []
    cased: list[str] = []
    for file in files:
        given: dict[str, int] = {}
        objects, says = _objects(file)
        for label, difficult in objects:
            given[label] = max(given.get(label, -1), -1 if difficult else 1)
        whole = file.relative_to(path).with_suffix("").as_posix()
        name = whole if whole in known else _of_stem(whole, by_stem.get(file.stem, []))
        if name not in known:
            name = image_id(finder.by_case(name, cased))
        if name in cells:
            raise DataError(f"{path}: two XML files are of image {name!r}: once each")
        cells[name] = given
        if says and says != name.rpartition("/")[2] and says in by_stem:
            denied.append(f"{file.name}: {says}")
    remarks += say_case(cased)
    if denied:
        remarks.append(
            f"warning: {counted(len(denied), 'XML file')} with the filename of another image that "
            f"is there ({listed(denied, 3)}): they go by their own names"
        )
    return cells


def _of_stem(whole: str, images: Sequence[str]) -> str:
    """Return the image of a file's name; of several the one whose folders end as the file's do.

    ``Annotations/train/1.xml`` is of ``images/train/1.jpg``.
    """
    if len(images) == 1:
        return images[0]
    inner = whole.partition("/")[2]
    ends = [image for image in images if "/" in inner and f"/{image}".endswith(f"/{inner}")]
    return ends[0] if len(ends) == 1 else whole.rpartition("/")[2]


def _objects(file: Path) -> tuple[list[tuple[str, bool]], str]:
    """Return name and difficulty of each object, and the id of the image that it names."""
    found: list[tuple[str, bool]] = []
    now = {"name": "", "difficult": "0", "deleted": "0", "filename": ""}

    def start(path: list[str], _: object) -> None:
        if path[0] != "annotation":
            raise DataError(f"{file}: expected an annotation of VOC, found an element {path[0]!r}")
        if path[1:] == ["object"]:
            now.update(name="", difficult="0", deleted="0")

    def end(path: list[str], text: str) -> None:
        if path[1:] == ["filename"]:
            now["filename"] = image_id(text.replace("\\", "/")).rpartition("/")[2]
        elif path[1:2] == ["object"] and path[2:] in (["name"], ["difficult"], ["deleted"]):
            now[path[2]] = text
        elif path[1:] == ["object"]:
            if not now["name"]:
                raise DataError(f"{file}: an object has no name")
            if now["deleted"] != "1":  # LabelMe's first tool keeps what was taken away
                found.append((now["name"], now["difficult"] == "1"))

    read_xml(file, start, end)
    return found, now["filename"]


def _recognises(path: Path) -> bool:
    if not path.is_dir():
        return False
    if (path / "JPEGImages").is_dir():
        return path.joinpath(*_LISTS).is_dir() or (path / "Annotations").is_dir()
    folders = [path, path / "annotations", path / "Annotations"]
    folders += [each for each in sorted(path.iterdir()) if each.is_dir() and _is_part(each)]
    return any(_is_annotation(file) for each in folders for file in sorted(each.glob("*.xml"))[:1])


def _is_part(folder: Path) -> bool:
    return bool(part_of_folder(folder.name))


def _is_annotation(file: Path) -> bool:
    with file.open("rb") as opened:
        return _HEAD.search(opened.read(4096)) is not None


VOC = Format(_recognises, read)
