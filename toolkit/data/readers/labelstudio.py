"""Labels from Label Studio's JSON export: choices of images, by one person or several.

Format: Label Studio's JSON of annotated tasks (its "JSON" export, not "JSON_MIN"). Choices count,
and so do boxes and other regions with labels. An annotation that was cancelled does not count, nor
do predictions; a task without any other is not labelled, and all its labels are unknown. Whoever
submitted an annotation looked for every label, so one that it does not carry is no. Of several
annotations of a task those marked as ground truth decide, where there are any; else the majority
does, and a tie is unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.readers.base import Format, Labelled, Options, absence
from toolkit.data.readers.course import check_labels, is_image_name
from toolkit.data.readers.join import joined, unknown_cells
from toolkit.data.readers.json_file import json_head, read_json
from toolkit.data.readers.places import Places
from toolkit.errors import DataError, counted, listed

_LOOKS = re.compile(r'\s*\[\s*\{.*?"(?:annotations|completions)"\s*:\s*\[', re.DOTALL)
_IMAGE = ("image", "img", "photo", "picture", "url")
_REGIONS = re.compile(r"[a-z]*labels")


@dataclass
class _Found:
    """What annotations hold: choices by control, cancelled ones, other kinds of results."""

    controls: dict[str, set[str]] = field(default_factory=dict)
    cancelled: int = 0
    other: Counter[str] = field(default_factory=Counter)


def read(path: Path, options: Options) -> Labelled:
    """Read a JSON export, or a folder with one.

    ``labels`` of the options names the controls whose choices are labels, ``image_column`` the key
    of the image in ``data``.

    Raises:
        DataError: it is no such export, or see :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("Label Studio", "absent", "labels", "image_column", "root")
    file = path if path.is_file() else _file(path)
    root = options.root or file.parent
    tasks = _tasks(file)
    key = _image_key(tasks, file, options.image_column)
    found = _Found()
    votes = [_annotations(task, file, options.labels, found) for task in tasks]
    _check_controls(found.controls, file, options.labels)
    labels = check_labels(set().union(*found.controls.values()))
    absent = options.absent or "no"
    Y, differ, tied = _decided(votes, labels, absent, options.absent)
    remarks = [absence(absent)]
    bare = sum(not each for each in votes)
    if bare:
        remarks.append(
            f"{counted(bare, 'task')} without an annotation that counts: "
            + (f"all labels {absent}" if options.absent else "all labels unknown")
        )
    if found.cancelled:
        remarks.append(f"{counted(found.cancelled, 'annotation')} cancelled, left out")
    if differ.any():
        remarks.append(
            f"annotators differ on {counted(int(differ.sum()), 'label')} of "
            f"{counted(int(differ.any(axis=1).sum()), 'image')}: the majority decides, "
            f"{counted(int(tied.sum()), 'tie')} unknown"
        )
    if found.other:
        kinds = listed(f"{count:,} {kind}" for kind, count in sorted(found.other.items()))
        remarks.append(f"results that are no choices or regions, left out: {kinds}")
    places = Places(root)
    names = [places.find(task["data"][key]) for task in tasks]
    remarks += places.said()
    several = sum(len(each) > 1 for each in votes)
    return joined(
        str(file),
        root,
        names,
        Y,
        labels,
        options,
        places=[f"task {task.get('id', row + 1)}" for row, task in enumerate(tasks)],
        facts={"layout": "label-studio", "annotations": None},
        found=f"Label Studio: {counted(len(labels), 'label')}, {counted(len(tasks), 'task')}, "
        f"{several:,} with several annotations → {int((Y == 1).sum()):,} image labels"
        + unknown_cells(Y),
        remarks=remarks,
        addresses=False,
    )


def _tasks(file: Path) -> list[dict[str, Any]]:
    document = read_json(file)
    if not isinstance(document, list) or not document:
        what = "an empty list" if document == [] else type(document).__name__
        raise DataError(f"{file}: expected a list of tasks, found {what}")
    for row, task in enumerate(document):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise DataError(
                f"{file}, task {row + 1}: expected data and annotations, found {task!r:.60}; "
                "export as JSON, not as JSON_MIN"
            )
    return document


def _image_key(tasks: list[dict[str, Any]], file: Path, wanted: str | None) -> str:
    """Return the key of the image in the tasks' data."""
    first = tasks[0]["data"]
    texts = [key for key, value in first.items() if isinstance(value, str)]
    named = [key for key in _IMAGE if key in texts]
    likely = [key for key in texts if is_image_name(first[key].split("?")[0])]
    likely += [key for key in texts if "?d=" in first[key]]
    key = wanted or next(iter([*named, *likely]), None)
    if key is None:
        raise DataError(
            f"{file}: no key of the tasks' data names an image ({listed(first)}): name it by "
            "image_column"
        )
    for row, task in enumerate(tasks):
        if not isinstance(task["data"].get(key), str) or not task["data"][key].strip():
            raise DataError(
                f"{file}, task {task.get('id', row + 1)}: expected an image in data.{key}, found "
                f"{task['data'].get(key)!r:.60}"
            )
    return key


def _annotations(
    task: dict[str, Any], file: Path, wanted: tuple[str, ...], found: _Found
) -> list[set[str]]:
    """Return the labels of each annotation of a task that counts."""
    place = f"{file}, task {task.get('id', '?')}"
    given = task.get("annotations", task.get("completions"))
    if not isinstance(given, list):
        raise DataError(f"{place}: expected a list of annotations, found {given!r:.60}")
    truth, others = list[set[str]](), list[set[str]]()
    for each in given:
        if not isinstance(each, dict) or not isinstance(each.get("result"), list):
            raise DataError(f"{place}: expected annotations with a result, found {each!r:.60}")
        if each.get("was_cancelled") or each.get("skipped"):
            found.cancelled += 1
            continue
        labels = set[str]()
        for result in each["result"]:
            labels |= _labels_of(result, place, wanted, found)
        (truth if each.get("ground_truth") else others).append(labels)
    return truth or others


def _labels_of(result: Any, place: str, wanted: tuple[str, ...], found: _Found) -> set[str]:
    if not isinstance(result, dict) or not isinstance(result.get("type"), str):
        raise DataError(f"{place}: expected results with a type, found {result!r:.60}")
    kind, control = result["type"], str(result.get("from_name", ""))
    if kind == "relation" or (wanted and control not in wanted):
        return set()
    if kind != "choices" and not _REGIONS.fullmatch(kind):
        found.other[kind] += 1
        return set()
    value = result.get("value")
    labels = value.get(kind) if isinstance(value, dict) else None
    if not isinstance(labels, list) or not all(isinstance(each, str) for each in labels):
        raise DataError(f"{place}: expected a list of {kind} as value, found {value!r:.60}")
    found.controls.setdefault(control, set()).update(labels)
    return set(labels)


def _check_controls(controls: dict[str, set[str]], file: Path, wanted: tuple[str, ...]) -> None:
    lacking = sorted(set(wanted) - set(controls))
    if lacking:
        raise DataError(
            f"{file}: no annotation of the controls {listed(lacking)} (labels); there are "
            f"{listed(sorted(controls)) or 'none'}"
        )
    if not controls:
        raise DataError(f"{file}: expected choices or regions with labels, found none")
    count = Counter(label for labels in controls.values() for label in labels)
    shared = sorted(label for label, controls_of in count.items() if controls_of > 1)
    if shared:  # "yes" of two questions is not one label
        raise DataError(
            f"{file}: several controls ({listed(sorted(controls))}) have one choice "
            f"({listed(shared, 3)}): name one of them by labels"
        )


def _decided(
    votes: list[list[set[str]]], labels: tuple[str, ...], absent: str, forced: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``Y (n, L)``, where annotators differ, and where as many say yes as do not."""
    place = {label: at for at, label in enumerate(labels)}
    yes = np.zeros((len(votes), len(labels)), np.int64)
    for row, each in enumerate(votes):
        for given in each:
            yes[row, [place[label] for label in given]] += 1
    count = np.array([len(each) for each in votes])[:, None]
    differ, tied = (yes > 0) & (yes < count), (2 * yes == count) & (count > 0)
    Y = np.where(2 * yes > count, 1, 0 if absent == "no" else -1).astype(np.int8)
    # by absent='unknown' nobody's silence is a no, so it does not outvote a yes either
    Y[(yes > 0) & (absent == "unknown")] = 1
    Y[tied & (absent == "no")] = -1
    if forced is None:
        Y[(count == 0).ravel()] = -1
    return Y, differ, tied & (absent == "no")


def _file(folder: Path) -> Path:
    found = sorted(each for each in folder.glob("*.json") if _LOOKS.match(json_head(each)))
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise DataError(f"{folder}: expected one JSON export, found {names}: give its own path")
    return found[0]


def _recognises(path: Path) -> bool:
    if path.is_file():
        return _LOOKS.match(json_head(path)) is not None
    return path.is_dir() and any(_LOOKS.match(json_head(each)) for each in path.glob("*.json"))


LABEL_STUDIO = Format(_recognises, read)
