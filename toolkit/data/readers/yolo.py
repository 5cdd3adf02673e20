"""Labels from YOLO's boxes: ``data.yaml`` with names, and a text file of boxes per image.

Format: Ultralytics' documentation of detection data sets. ``train``, ``val`` and ``test`` are a
folder, a text file of paths, or a list of these, relative to ``path`` or to the file's own folder.
An image's boxes lie where its path has ``labels`` for ``images`` and ``.txt`` for its ending, a
line per box that begins with the number of its class. Every class was looked for, so an image
without boxes, or without such a file, has none; a file without an image is an
error. Words of YAML such as ``no`` are names as written.

Annotation tools write a list of names in place of ``data.yaml``: ``classes.txt``, next to images
and boxes or in a folder with ``images`` and ``labels``. Folders named as parts are a split then.
With Darknet's ``obj.names``, ``obj.data`` names lists of paths for ``train`` and ``valid``. CVAT
writes ``data/`` before such paths, a folder that it does not make: without it they are looked for
too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolkit.data.readers.base import PARTS, Format, Labelled, Options
from toolkit.data.readers.course import check_labels, is_image_name
from toolkit.data.readers.darknet import DARKNET, darknet_lists, without_data
from toolkit.data.readers.finder import Finder, images_under, say_case, slashed
from toolkit.data.readers.folder import NOT_LABELS
from toolkit.data.readers.join import joined, matrix
from toolkit.data.readers.part_words import part_of_field, part_of_folder
from toolkit.errors import DataError, counted, listed
from toolkit.storage.files import natural_key

_FILES = ("data.yaml", "data.yml", "dataset.yaml")
_ENDINGS = (".yaml", ".yml")
_LISTS = ("classes.txt", "obj.names", "labels/classes.txt")
_LOOKED_INTO = 20  # texts in a folder of which one must be of boxes
_BOXES = re.compile(r"\s*\d+(\s+-?\d*\.?\d+(e-?\d+)?){4}", re.IGNORECASE)
_PLACES = {"train": "train", "validation": "val", "test": "test"}
_NOTHING = ("", "null", "~")
_KEYS = ("path", "names", "nc", "download", "yaml_file")  # that hold no images


def read(path: Path, options: Options) -> Labelled:
    """Read the data set that a ``data.yaml`` describes.

    Raises:
        DataError: it does not name classes and folders, a line is no box, no image has a file of
            boxes, a file of boxes has no image, or an image is in two parts of the split.
    """
    options.only("YOLO", "absent", "root")
    file = path if path.is_file() else _file(path)
    plain = file.suffix.lower() not in _ENDINGS
    above = file.parent.parent if plain and file.parent.name == "labels" else file.parent
    root = options.root or above
    document, remarks = _of_list(file, root) if plain else (_document(file), [])
    names = _names(document, file)
    base = str(document.get("path") or "")
    parts = dict[str, str]()
    twice = list[str]()
    for key in _part_keys(document):
        for place in _places(document.get(key), file):
            for image in _images(place, key, file, root, base):
                if parts.setdefault(image, part_of_field(key)) != part_of_field(key):
                    twice.append(image)
    parts = _as_called(parts, root, remarks)
    images = list(parts)
    if not images:
        raise DataError(f"{file}: expected images in the folders of train, val or test, found none")
    unread = _unread(document, file, root, base)
    more = sorted({each for own in unread.values() for each in own} - set(images))
    same = [] if plain else _same(document)
    if twice and not same:
        raise DataError(
            f"{file}: {counted(len(set(twice)), 'image')} in two parts of the split "
            f"({listed(twice, 3)}): each in one"
        )
    boxes = [_classes(root / _labels_of(image), names) for image in images]
    bare = [image for image, own in zip(images, boxes, strict=True) if own is None]
    if len(bare) == len(images):
        raise DataError(
            f"{file}: none of {counted(len(images), 'image')} has a file of boxes; of "
            f"{images[0]!r} it would be {_labels_of(images[0])!r}"
        )
    if same:
        remarks.append(f"{' and '.join(same)} are one folder: no split between them")
    if more:
        remarks.append(
            f"warning: {listed(map(repr, unread))} of {file.name} names no part of a split, "
            f"{counted(len(more), 'image')} left out ({listed(more, 3)}): call it train, val or "
            "test, or add it to one of their lists"
        )
    if bare:
        remarks.append(
            f"{counted(len(bare), 'image')} without a file of boxes ({listed(bare, 3)}): no labels"
        )
    lost, unlisted = _without_use([*images, *more], root)
    if lost and options.missing == "error":
        raise DataError(
            f"{file}: {counted(len(lost), 'file')} of boxes of images not there "
            f"({listed(lost, 3)}): expected an image of the same name, to the letter, and the "
            "ending .txt; missing='skip' leaves such files out"
        )
    if unlisted:
        remarks.append(
            f"warning: {counted(len(unlisted), 'image')} with boxes in no folder or list of "
            f"{file.name}, left out: {listed(unlisted, 3)}"
        )
    labels = check_labels(names)
    yes = [{names[each] for each in own or ()} for own in boxes]
    total = sum(len(own or ()) for own in boxes)
    Y = matrix(yes, labels, options.absent or "no", [()] * len(yes))
    found = joined(
        str(file),
        root,
        images,
        Y,
        labels,
        options,
        parts=list(parts.values()) if len(set(parts.values())) > 1 else (),
        facts={"layout": "yolo", "annotations": None},
        found=f"YOLO: {counted(len(labels), 'label')}, {counted(len(images), 'image')}, "
        f"{total:,} box{'' if total == 1 else 'es'}, "
        f"{int((Y == 1).sum()):,} image labels",
        remarks=remarks,
    )
    return replace(found, missing=[*found.missing, *lost])


def _file(folder: Path) -> Path:
    found = next((folder / n for n in (*_FILES, *_LISTS) if (folder / n).is_file()), None)
    if found is None:
        raise DataError(
            f"{folder} holds boxes as YOLO has them, and no names of their classes: write them "
            f"into {_LISTS[0]}, one a line, or into a {_FILES[0]}"
        )
    return found


def _of_list(file: Path, root: Path) -> tuple[dict[str, Any], list[str]]:
    """Return what a ``data.yaml`` would say, and remarks: names in a list, folders of parts."""
    names = _lines(file, "names")
    lists = darknet_lists(file.with_name(DARKNET), root) if file.suffix == ".names" else {}
    while names and not names[-1]:
        names.pop()
    if not all(names):
        raise DataError(f"{file}, line {names.index('') + 1}: expected a name, found a blank line")
    if lists:
        return {"names": names} | lists, []
    inside = "images" if (root / "images").is_dir() else "."
    found: dict[str, Any] = {"names": names}
    for above in dict.fromkeys((inside, ".")):
        for each in sorted((root / above).iterdir()):
            part = part_of_folder(each.name) if each.is_dir() else ""
            if part and images_under(each):
                found.setdefault(_PLACES[part], []).append(each.relative_to(root).as_posix())
    parts = [place for key in _PLACES.values() for place in found.get(key, ())]
    under = {f"{place}/{image}" for place in parts for image in images_under(root / place)}
    there = {os.path.normpath(f"{inside}/{image}") for image in images_under(root / inside)}
    if not there - under:
        return found, []
    others = sorted(there - under, key=natural_key)
    said = f"warning: no split, as images lie outside {listed(parts)} as well: {listed(others, 3)}"
    return {"names": names, "train": inside}, [said] if parts else []


def _document(file: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    try:  # all as texts: YAML 1.1 takes no and off for false, and 08 for no number
        document = yaml.BaseLoader(file.read_text(encoding="utf-8-sig")).get_single_data()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{file} cannot be read as YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict):
        raise DataError(f"{file}: expected names and folders, found {type(document).__name__}")
    return document


def _names(document: dict[str, Any], file: Path) -> list[str]:
    names = document.get("names")
    if isinstance(names, dict) and set(names) == set(map(str, range(len(names)))):
        names = [names[str(at)] for at in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise DataError(f"{file}: expected a list of names, found {names!r:.60}")
    count = document.get("nc")
    if count not in (None, *_NOTHING) and count != str(len(names)):
        raise DataError(f"{file}: nc is {count!r:.20}, and names are {len(names)}: correct one")
    return [str(name) for name in names]


def _places(value: Any, file: Path) -> list[str]:
    found = value if isinstance(value, list) else [value]
    strange = [each for each in found if each is not None and not isinstance(each, str)]
    if strange:
        raise DataError(f"{file}: expected folders of images, found {strange[0]!r:.60}")
    return [each for each in found if each is not None and each not in _NOTHING]


def _same(document: dict[str, Any]) -> list[str]:
    """Return the parts that are one folder, as where there are too few images for a split."""
    given = {key: document[key] for key in _part_keys(document) if document[key]}
    return [part for part in given if list(given.values()).count(given[part]) > 1]


def _part_keys(document: dict[str, Any]) -> list[str]:
    """Return the keys of parts of a split, those of training first."""
    order = list(dict.fromkeys(PARTS.values()))
    return sorted(filter(part_of_field, document), key=lambda key: order.index(part_of_field(key)))


def _unread(document: dict[str, Any], file: Path, root: Path, base: str) -> dict[str, list[str]]:
    """Return, by key, the images of folders and lists that are called as no part of a split."""
    found = dict[str, list[str]]()
    for key, value in document.items():
        places = value if isinstance(value, list) else [value]
        if key in _KEYS or part_of_field(key) or not all(isinstance(e, str) for e in places):
            continue
        for place in places:
            try:
                own = list(_images(place, key, file, root, base)) if place not in _NOTHING else []
            except DataError:  # it is no place
                continue
            found[key] = found.get(key, []) + [e for e in own if os.path.isfile(root / e)]
    return {key: own for key, own in found.items() if own}


def _images(place: str, part: str, file: Path, root: Path, base: str) -> Iterator[str]:
    """Yield the images of a folder or of a list of paths, relative to ``root``."""
    if "\\" in place and not os.path.exists(root / place):  # as Windows writes paths
        place = slashed(place)
    tried = [root / base / place, root / place, root / place.removeprefix("../")]
    tried.append(root / without_data(place))
    for each in tried:
        there = Path(os.path.normpath(each))
        if not there.is_relative_to(root):
            continue
        if os.path.isdir(there):
            for image in images_under(there):
                yield (there / image).relative_to(root).as_posix()
            return
        if os.path.isfile(there):
            yield from _listed(there, root, root / base)
            return
    outside = next((each for each in tried if os.path.exists(each)), None)
    if outside is not None:
        raise DataError(
            f"{file}: {part} is {place!r}, outside {root}: name a folder above both by root "
            "(--root)"
        )
    raise DataError(
        f"{file}: expected the folder or list {place!r} ({part}), found none below {root}; another "
        "folder that it starts from is named by root (--root)"
    )


def _lines(file: Path, what: str) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as a list of {what}: {error}") from error
    return [line.strip() for line in text.splitlines()]


def _listed(file: Path, root: Path, base: Path) -> Iterator[str]:
    """Yield what a list names; where nothing is there, the name as it stands, to be reported."""
    for line in filter(None, _lines(file, "paths")):
        forms = dict.fromkeys(
            (line, slashed(line), without_data(line), without_data(slashed(line)))
        )
        places = (each / form for form in forms for each in (file.parent, base, root))
        tried = (Path(os.path.normpath(each)) for each in places)
        there = next((e for e in tried if e.is_relative_to(root) and os.path.isfile(e)), None)
        yield slashed(line) if there is None else there.relative_to(root).as_posix()


def _as_called(parts: dict[str, str], root: Path, remarks: list[str]) -> dict[str, str]:
    """Return parts by image, those that a list names in other capitals as their files are called.

    Their files of boxes would not be found otherwise.
    """
    gone = [image for image in parts if not os.path.isfile(root / image)]
    if not gone:
        return parts
    finder, cased = Finder(root), list[str]()
    called: dict[str, str] = {}
    for image in gone:
        found = finder.by_case(image, cased)
        called[image] = image if found in parts else found
    remarks += say_case(cased)
    return {called.get(image, image): part for image, part in parts.items()}


def _labels_of(image: str) -> str:
    folders = image.split("/")
    at = max((i for i, name in enumerate(folders) if name == "images"), default=None)
    if at is not None:
        folders[at] = "labels"
    return str(Path(*folders).with_suffix(".txt"))


def _without_use(images: list[str], root: Path) -> tuple[list[str], list[str]]:
    """Return files of boxes whose image is not there, and those whose image no part names."""
    used = {_labels_of(image) for image in images}
    trees, beside = set[str](), set[str]()
    for image in images:
        before, found, _ = f"/{image}".rpartition("/images/")
        (trees if found else beside).add(before.strip("/") if found else os.path.dirname(image))
    unused, known = list[str](), set[str]()
    for tree in trees:
        for folder, _, files in os.walk(root / tree / "labels", followlinks=True):
            place = Path(folder).relative_to(root)
            unused += [(place / name).as_posix() for name in files if _may_be_boxes(name)]
        if os.path.isdir(root / tree / "images"):
            own = (Path(tree, "images", image) for image in images_under(root / tree / "images"))
            known |= {_labels_of(image.as_posix()) for image in own}
    for folder in beside:
        for name in os.listdir(root / folder) if os.path.isdir(root / folder) else ():
            place = Path(folder, name)
            if _may_be_boxes(name) and _BOXES.match(_head(root / place)):
                unused.append(place.as_posix())
    unused = sorted(set(unused) - used, key=natural_key)
    return [each for each in unused if each not in known], [e for e in unused if e in known]


def _may_be_boxes(name: str) -> bool:
    stem, ending = os.path.splitext(name.lower())
    return ending == ".txt" and stem[:1] != "." and stem not in {*NOT_LABELS, "classes"}


def _head(file: Path) -> str:
    if not file.is_file():
        return ""
    with file.open(encoding="utf-8-sig", errors="replace") as opened:
        return opened.read(200)


def _classes(file: Path, names: list[str]) -> list[int] | None:
    """Return the classes of the boxes in a file; None without one."""
    if not file.is_file():
        return None
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text (byte {error.start})") from error
    found = []
    for number, line in enumerate(lines, 1):
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
        return path.suffix.lower() in _ENDINGS or path.name in _LISTS
    if not path.is_dir():
        return False
    known = any((path / name).is_file() for name in (*_FILES, DARKNET))
    return known or _holds_boxes(path)


def _holds_boxes(folder: Path) -> bool:
    """Tell a folder in which texts of boxes lie, next to images or in folders of their own."""
    places = [folder, folder / "labels", *(folder / part / "labels" for part in PARTS)]
    places += [folder / "labels" / part for part in PARTS]
    for place in places:
        try:
            there = os.listdir(place)
        except OSError:
            continue
        names = sorted(name for name in there if _may_be_boxes(name))
        if place == folder:  # next to images, texts of other names are lists of another kind
            images = {Path(name).stem for name in there if is_image_name(name)}
            names = [name for name in names if Path(name).stem in images]
        if any(_BOXES.match(_head(place / name)) for name in names[:_LOOKED_INTO]):
            return True
    return False


YOLO = Format(_recognises, read)
