"""Labels from the VGG Image Annotator's JSON: an image has a label if a region of it does.

Format: VIA 1 and 2 (Dutta & Zisserman 2019; 3 is :mod:`~toolkit.data.readers.via3`): a project
(``_via_img_metadata``) or an export of annotations, an object of images with ``filename``,
``regions`` and ``file_attributes``. A region's attribute is a text, or an object of choices that
are true. The attribute that holds the labels is the only one, or is named; attributes of whole
files count where they are named, or where there are no others. All labels were looked for in every
image that is listed, so one without regions has none of them. A project lists its choices, which
are kept as labels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.data.readers.base import Format, Labelled, Options, absence
from toolkit.data.readers.course import check_labels
from toolkit.data.readers.join import joined, matrix, unknown_cells
from toolkit.data.readers.json_file import json_head, read_json
from toolkit.data.readers.places import Places
from toolkit.data.readers.via3 import LOOKS, as_via_2
from toolkit.errors import DataError, counted, listed

_LOOKS = re.compile(
    r'\s*\{\s*(?:"_via_\w+"\s*:|"[^"]*"\s*:\s*\{(?=[^{}\[\]]*"filename"\s*:)'
    r'(?=.{0,4000}?"regions"\s*:))',
    re.DOTALL,
)
_USUAL = {"caption", "public_domain", "image_url"}  # attributes of files that VIA begins with
Attributes = dict[str, list[set[str]]]  # labels of each image


@dataclass
class _Found:
    """What a file says: images, and by attribute of regions and of files the labels of each."""

    names: list[str] = field(default_factory=list)
    regions: Attributes = field(default_factory=dict)
    files: Attributes = field(default_factory=dict)
    count: int = 0
    bare: int = 0


def read(path: Path, options: Options) -> Labelled:
    """Read a project of VIA's or an export of annotations, or a folder with one.

    ``labels`` of the options names the attribute that holds the labels.

    Raises:
        DataError: it is none of VIA's, several attributes may hold labels, or see
            :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("VIA", "absent", "labels", "root")
    file = path if path.is_file() else _file(path)
    root = options.root or file.parent
    document = as_via_2(read_json(file), file)
    found = _images(document, file)
    name, own = _attribute(found, file, options.labels)
    declared = _declared(document, name, own is found.files)
    labels = check_labels(declared.union(*own[name]))
    absent = options.absent or "no"
    Y = matrix(own[name], labels, absent, [()] * len(found.names))
    remarks = [absence(absent)]
    if found.bare and own is found.regions:
        remarks.append(f"{counted(found.bare, 'image')} without regions: none of the labels")
    others = sorted({*found.regions, *found.files} - {name} - _USUAL)
    if others:
        remarks.append(f"other attributes, left out: {listed(others)}")
    places = Places(root)
    names = [places.find(each) for each in found.names]
    remarks += places.said()
    return joined(
        str(file),
        root,
        names,
        Y,
        labels,
        options,
        facts={"layout": "via", "annotations": None},
        found=f"VIA: {counted(len(labels), 'label')} (attribute {name!r}), "
        f"{counted(len(found.names), 'image')}, {counted(found.count, 'region')} → "
        f"{int((Y == 1).sum()):,} image labels" + unknown_cells(Y),
        remarks=remarks,
        addresses=False,
    )


def _images(document: Any, file: Path) -> _Found:
    inside = document.get("_via_img_metadata", document) if isinstance(document, dict) else None
    if not isinstance(inside, dict) or not inside:
        raise DataError(f"{file}: expected an object of images, as VIA writes it, found none")
    found = _Found()
    for row, (key, image) in enumerate(inside.items()):
        place = f"{file}, {key[:60]!r}"
        if not isinstance(image, dict) or not isinstance(image.get("filename"), str):
            raise DataError(f"{place}: expected an image with filename, found {image!r:.60}")
        regions = image.get("regions")
        regions = [] if regions is None else regions  # null, as scripts write where there are none
        regions = list(regions.values()) if isinstance(regions, dict) else regions  # VIA 1
        if not isinstance(regions, list):
            raise DataError(f"{place}: expected a list of regions, found {regions!r:.60}")
        found.names.append(image["filename"].strip())
        found.count += len(regions)
        found.bare += not regions
        for each in regions:
            given = each.get("region_attributes") if isinstance(each, dict) else None
            if not isinstance(given, dict):
                raise DataError(f"{place}: expected region_attributes, found {each!r:.60}")
            _note(given, found.regions, row, len(inside), place)
        _note(image.get("file_attributes") or {}, found.files, row, len(inside), place)
    return found


def _note(given: Any, kept: Attributes, row: int, count: int, place: str) -> None:
    """Add what attributes say to the labels of an image."""
    if not isinstance(given, dict):
        raise DataError(f"{place}: expected an object of attributes, found {given!r:.60}")
    for name, value in given.items():
        labels = {value} if isinstance(value, str) else value
        if value is None or isinstance(value, int | float):  # of attributes that are no labels
            labels = set() if value is None else {str(value)}
        if isinstance(value, dict) and all(isinstance(each, bool) for each in value.values()):
            labels = {label for label, yes in value.items() if yes}
        if not isinstance(labels, set):
            raise DataError(f"{place}: expected a text or choices in {name!r}, found {value!r:.60}")
        labels = {label.strip() for label in labels if label.strip()}
        kept.setdefault(name, [set() for _ in range(count)])[row] |= labels


def _attribute(found: _Found, file: Path, wanted: tuple[str, ...]) -> tuple[str, Attributes]:
    """Return the attribute that holds the labels, and those of its kind."""
    regions = sorted(name for name, each in found.regions.items() if any(each))
    files = sorted(name for name, each in found.files.items() if any(each))
    if wanted:
        if len(wanted) > 1 or wanted[0] not in (*regions, *files):
            raise DataError(
                f"{file}: expected one attribute of labels "
                f"({listed([*regions, *files]) or 'there is none'}), found "
                f"labels={','.join(wanted)}"
            )
        return wanted[0], found.regions if wanted[0] in regions else found.files
    usual = [name for name in files if name not in _USUAL]
    for names, kept in ((regions, found.regions), (usual, found.files)):
        if len(names) > 1:
            raise DataError(
                f"{file}: several attributes may hold labels ({listed(names)}): name one by labels "
                "(--labels)"
            )
        if names:
            return names[0], kept
    raise DataError(f"{file}: expected an attribute of regions or files with labels, found none")


def _declared(document: dict[str, Any], name: str, of_files: bool) -> set[str]:
    """Return the choices that a project lists for an attribute; none of one in free text."""
    kinds = document.get("_via_attributes")
    own = kinds.get("file" if of_files else "region") if isinstance(kinds, dict) else None
    attribute = own.get(name) if isinstance(own, dict) else None
    options = attribute.get("options") if isinstance(attribute, dict) else None
    if not isinstance(options, dict | list):  # none, or the default of a free text
        return set()
    return {label.strip() for label in map(str, options) if label.strip()}


def _file(folder: Path) -> Path:
    found = sorted(filter(_looks, folder.glob("*.json")))
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise DataError(f"{folder}: expected one file of VIA's, found {names}: give its own path")
    return found[0]


def _looks(file: Path) -> bool:
    head = json_head(file)
    return _LOOKS.match(head) is not None or LOOKS.match(head) is not None


def _recognises(path: Path) -> bool:
    if path.is_file():
        return _looks(path)
    return path.is_dir() and any(map(_looks, path.glob("*.json")))


VIA = Format(_recognises, read)
