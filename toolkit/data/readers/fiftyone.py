"""Labels from FiftyOne: ``labels.json`` of classified images, or ``samples.json`` of an export.

Formats: FiftyOneImageClassificationDataset and FiftyOneDataset of its documentation.
``labels.json`` has ``classes`` and, by image, a target, a list of targets or none; a target is a
class's number, its name, or an object with ``label``. ``samples.json`` has samples with
``filepath``, ``tags`` and fields of labels; detections and other shapes count as presence. All
classes were looked for in an image that was labelled, with an empty list too; of one that was not,
all labels are unknown. Folders ``train``, ``val`` and ``test`` with such files, and tags of these
names, are a split. Further fields of samples are kept as metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.data.readers.base import METADATA, PARTS, Format, Labelled, Options, absence
from toolkit.data.readers.course import check_labels, image_id
from toolkit.data.readers.join import joined, matrix, unknown_cells
from toolkit.data.readers.json_file import json_head, read_json
from toolkit.data.readers.metadata import metadata_of_objects
from toolkit.data.readers.part_words import part_of_field, part_of_folder, split_of
from toolkit.data.readers.places import Places
from toolkit.errors import DataError, counted, listed

FILES = ("labels.json", "samples.json")
EXTRA = "toolkit"  # what our own export adds: FiftyOne passes it over
_LOOKS = re.compile(r'\s*\{.*?"(?:labels"\s*:\s*\{|samples"\s*:\s*\[)', re.DOTALL)
_INSIDE = ("classifications", "detections", "polylines", "keypoints")
_BY_IMAGE = ("unknown", "metadata", "ids", "parts")  # in it
_OWN = {"id", "filepath", "tags", "metadata", "created_at", "last_modified_at"}  # of any sample
_CLASSES = ("Classification", "Detection", "Polyline", "Keypoint")


@dataclass
class _Images:
    """Images as files name them: names, labels or None of one not labelled, unknown ones, and words
    that say a part.

    ``more`` is what else is known of each; ``ids`` and ``placed``, whether names are whole places,
    are of our own exports.
    """

    names: list[str] = field(default_factory=list)
    given: list[set[str] | None] = field(default_factory=list)
    unknown: list[set[str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)
    more: list[dict[str, Any]] = field(default_factory=list)
    placed: bool = True


def read(path: Path, options: Options) -> Labelled:
    """Read ``labels.json`` or ``samples.json``, a folder with one, or with one for each part.

    ``labels`` of the options names the field of samples that holds the labels.

    Raises:
        DataError: a file is none of FiftyOne's, or see
            :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("FiftyOne", "absent", "labels", "root")
    files = [path] if path.is_file() else _files(path)
    root = options.root or (path if path.is_dir() else path.parent)
    found = _Images()
    samples = False
    for file in files:
        part = file.parent.name if len(files) > 1 else ""
        document = read_json(file)
        if not isinstance(document, dict):
            raise DataError(f"{file}: expected an object, found {type(document).__name__}")
        if isinstance(document.get("samples"), list):
            samples = True
            _from_samples(document["samples"], file, part, options.labels, found)
        elif isinstance(document.get("labels"), dict):
            _from_labels(document, file, part, found)
        else:
            raise DataError(
                f"{file}: expected labels by image, or a list of samples, as FiftyOne has them"
            )
    if not found.names:
        raise DataError(f"{files[0]}: expected images, found none")
    labels = check_labels(found.classes.union(*(each or () for each in found.given)))
    absent = options.absent or "no"
    Y = matrix([each or () for each in found.given], labels, absent, [()] * len(found.names))
    place = {label: at for at, label in enumerate(labels)}
    for row, (given, unknown) in enumerate(zip(found.given, found.unknown, strict=True)):
        if given is None and options.absent is None:
            Y[row] = -1
        Y[row, [place[label] for label in unknown]] = -1
    places = Places(root, endings=samples)
    bare = found.given.count(None)
    remarks = [absence(absent)]
    if bare:
        remarks.append(
            f"{counted(bare, 'image')} not labelled: "
            + (f"all labels {absent}" if options.absent else "all labels unknown")
        )
    parts = split_of(found.words, "tag" if samples else "folder", remarks, part_of_folder)
    names = found.names if found.placed else [_place(name, places) for name in found.names]
    remarks += places.said()
    metadata = metadata_of_objects(found.more, remarks)
    return joined(
        str(path),
        root,
        names,
        Y,
        labels,
        options,
        parts=parts,
        facts={"layout": "fiftyone", "annotations": None},
        found=f"FiftyOne: {counted(len(labels), 'label')}, {counted(len(found.names), 'image')}, "
        f"{int((Y == 1).sum()):,} image labels" + unknown_cells(Y),
        remarks=remarks,
        addresses=found.placed,
        own_ids=found.ids if any(found.ids) else (),
        metadata=metadata,
        near=found.words,
    )


def _place(name: str, places: Places) -> str:
    """Return the place of an image that may be named with or without its ending."""
    found = places.find(name)
    return places.find(image_id(name)) if found == name else found


def _from_labels(document: dict[str, Any], file: Path, part: str, found: _Images) -> None:
    classes = document.get("classes")
    if classes is not None and not isinstance(classes, list):
        raise DataError(f"{file}: expected a list of classes, found {type(classes).__name__}")
    names = None if classes is None else [str(each) for each in classes]
    more = _extra(document, file)
    found.classes |= set(names or ())
    found.placed &= more.get("places") is True
    for image, target in document["labels"].items():
        targets = target if isinstance(target, list) else [target]
        given = None if target is None else {_label(each, names, image, file) for each in targets}
        unknown = {str(each) for each in (more.get("unknown") or {}).get(image, ())}
        if unknown - set(names or ()) or unknown & (given or set()):
            raise DataError(f"{file}: unknown labels of {image!r} are no classes, or given as well")
        found.names.append(image)
        found.given.append(given)
        found.unknown.append(unknown)
        facts = (more.get("metadata") or {}).items()
        found.more.append({METADATA + name: cells.get(image) for name, cells in facts})
        found.ids.append(str((more.get("ids") or {}).get(image, "")))
        found.words.append(str((more.get("parts") or {}).get(image) or part))


def _extra(document: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return what our own export added, each but ``places`` an object by image."""
    more = document.get(EXTRA) or {}
    given: dict[str, Any] = more if isinstance(more, dict) else {"ids": more}
    objects = [given.get(key) or {} for key in _BY_IMAGE]
    facts, open_cells = (given.get(key) or {} for key in ("metadata", "unknown"))
    objects += list(facts.values()) if isinstance(facts, dict) else []
    lists = list(open_cells.values()) if isinstance(open_cells, dict) else []
    if not all(isinstance(e, dict) for e in objects) or not all(isinstance(e, list) for e in lists):
        raise DataError(f"{file}: expected {EXTRA!r} as an export writes it, found {more!r:.60}")
    return given


def _label(target: Any, names: list[str] | None, image: str, file: Path) -> str:
    """Return the label that a target stands for: a number, a name, or an object with one."""
    label = target.get("label") if isinstance(target, dict) else target
    if isinstance(label, int) and not isinstance(label, bool):
        if names is None or not 0 <= label < len(names):
            most = "no classes" if names is None else f"classes from 0 to {len(names) - 1}"
            raise DataError(f"{file}: expected {most}, found the class {label} of {image!r}")
        return names[label]
    if not isinstance(label, str) or (names is not None and label not in names):
        known = "" if names is None else f" among the classes ({listed(names)})"
        raise DataError(f"{file}: expected a label{known}, found {target!r:.60} of {image!r}")
    return label


def _from_samples(
    samples: list[Any], file: Path, part: str, wanted: tuple[str, ...], found: _Images
) -> None:
    for each in samples:
        if not isinstance(each, dict) or not isinstance(each.get("filepath"), str):
            raise DataError(f"{file}: expected samples with a filepath, found {each!r:.60}")
    name = _field(samples, file, wanted)
    found.placed = False
    found.classes |= _classes(file.with_name("metadata.json"), name)
    for each in samples:
        given_tags = each.get("tags") or []
        if not isinstance(given_tags, list):
            raise DataError(f"{file}: expected a list of tags, found {given_tags!r:.60}")
        tags = [str(tag) for tag in given_tags]
        named = {part_of_field(tag): tag for tag in tags if part_of_field(tag)}
        if len(named) > 1:
            raise DataError(
                f"{file}: {each['filepath']!r} is in several parts: {listed(sorted(named))}"
            )
        found.names.append(each["filepath"])
        found.given.append(_labels_of(each.get(name), each["filepath"], file))
        found.unknown.append(set())
        found.ids.append("")
        found.more.append(_further(each))
        found.words.append(next(iter(named.values()), part or ", ".join(sorted(tags))))


def _further(sample: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a sample that are no labels and not FiftyOne's own."""
    return {
        name: value
        for name, value in sample.items()
        if name not in _OWN and name[:1] != "_" and not isinstance(value, dict | list)
    }


def _field(samples: Iterable[dict[str, Any]], file: Path, wanted: tuple[str, ...]) -> str:
    """Return the field of the labels: the one that is named, the only one, or the ground truth."""
    fields = sorted(
        {
            key
            for each in samples
            for key, value in each.items()
            if isinstance(value, dict) and str(value.get("_cls")).rstrip("s") in _CLASSES
        }
    )
    if len(wanted) > 1 or (wanted and wanted[0] not in fields):
        raise DataError(
            f"{file}: expected one field of labels ({listed(fields) or 'there is none'}), found "
            f"labels={','.join(wanted)}"
        )
    if wanted:
        return wanted[0]
    if "ground_truth" in fields or len(fields) == 1:
        return "ground_truth" if "ground_truth" in fields else fields[0]
    if not fields:
        raise DataError(f"{file}: expected samples with a field of labels, found none")
    raise DataError(f"{file} has several fields of labels: name one by labels ({listed(fields)})")


def _labels_of(value: Any, image: str, file: Path) -> set[str] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise DataError(f"{file}: expected labels of {image!r}, found {value!r:.60}")
    inside = next((value[key] for key in _INSIDE if key in value), [value])
    if not isinstance(inside, list) or not all(
        isinstance(each, dict) and isinstance(each.get("label"), str) for each in inside
    ):
        raise DataError(f"{file}: expected labels with a name, found {inside!r:.60} of {image!r}")
    return {each["label"] for each in inside}


def _classes(file: Path, name: str) -> set[str]:
    """Return the classes that a data set's own description lists for a field; none without one."""
    if not file.is_file():
        return set()
    document = read_json(file)
    if not isinstance(document, dict):
        raise DataError(f"{file}: expected an object, found {type(document).__name__}")
    document = {**document, **(document.get("info") or {})}
    classes = (document.get("classes") or {}).get(name) or document.get("default_classes") or []
    return {str(each) for each in classes}


def _files(folder: Path) -> list[Path]:
    for name in FILES[::-1]:  # an export of samples may keep labels beside
        if (folder / name).is_file():
            return [folder / name]
    inner = sorted(each for each in folder.iterdir() if each.is_dir() and each.name[0] != ".")
    files = [[each / name for name in FILES[::-1] if (each / name).is_file()] for each in inner]
    found = [own[0] for own in files if own]
    if not found:
        raise DataError(f"{folder}: expected labels.json or samples.json, found neither")
    return found


def _recognises(path: Path) -> bool:
    if path.is_file():
        return _LOOKS.match(json_head(path)) is not None
    places = [path, *(path / name for name in PARTS)]
    return any(_LOOKS.match(json_head(place / name)) for place in places for name in FILES)


FIFTYONE = Format(_recognises, read)
