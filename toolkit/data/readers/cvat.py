"""Labels from CVAT's "CVAT for images 1.1": an image has a label if a tag or a shape of it does.

Format: CVAT's XML annotation format, version 1.1. Tags, boxes, polygons, polylines, points, masks,
ellipses, cuboids and skeletons count as presence. The labels are those of the task or project; all
were looked for, so a label that no tag or shape of an image carries is no. ``subset`` of the images
of a project is a split.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.data.readers.base import Format, Labelled, Options, absence
from toolkit.data.readers.course import check_labels
from toolkit.data.readers.join import joined, matrix, unknown_cells
from toolkit.data.readers.part_words import split_of
from toolkit.data.readers.places import Places
from toolkit.data.readers.xml_file import read_xml
from toolkit.errors import DataError, counted, listed

FILE = "annotations.xml"
_SHAPES = ("box", "polygon", "polyline", "points", "mask", "ellipse", "cuboid", "skeleton")
_OWNERS = ("task", "project", "job")


@dataclass
class _Document:
    """What a file says: the version, labels, images with what they carry, and tracks of a video."""

    version: str = ""
    labels: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    subsets: list[str] = field(default_factory=list)
    given: list[set[str]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    tracks: int = 0


def read(path: Path, options: Options) -> Labelled:
    """Read a file of CVAT's, or a folder with ``annotations.xml``.

    Raises:
        DataError: it is none of CVAT's for images, names a label that its task does not have, or
            see :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("CVAT", "absent", "root")
    file = path / FILE if path.is_dir() else path
    root = options.root or file.parent
    document = _document(file)
    if document.tracks:
        raise DataError(
            f"{file}: expected CVAT for images, found {counted(document.tracks, 'track')} of a "
            "video: export it as 'CVAT for images 1.1'"
        )
    if not document.version.startswith("1."):
        found = f"version {document.version[:20]!r}" if document.version else "none"
        raise DataError(f"{file}: expected version 1.1 of CVAT's annotations, found {found}")
    if not document.names:
        raise DataError(f"{file}: expected images, found none: export the whole task")
    known = set(document.labels) or set().union(*document.given)
    strange = sorted(set().union(*document.given) - known)
    if strange:
        raise DataError(
            f"{file}: images carry labels that its task does not have ({listed(strange, 3)}); it "
            f"has {listed(sorted(known))}"
        )
    labels = check_labels(known)
    absent = options.absent or "no"
    Y = matrix(document.given, labels, absent, [()] * len(document.given))
    places = Places(root)
    names = [places.find(name) for name in document.names]
    remarks = [absence(absent), *places.said()]
    parts = split_of(document.subsets, "subset", remarks, meant=True)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(document.kinds.items()))
    return joined(
        str(file),
        root,
        names,
        Y,
        labels,
        options,
        parts=parts,
        facts={"layout": "cvat", "annotations": None},
        found=f"CVAT: {counted(len(labels), 'label')}, {counted(len(document.names), 'image')}, "
        f"{kinds or 'no tags'} → {int((Y == 1).sum()):,} image labels" + unknown_cells(Y),
        remarks=remarks,
        addresses=False,
        near=document.subsets,
    )


def _document(file: Path) -> _Document:
    found = _Document()
    label = {"name": "", "parent": ""}  # a skeleton's joints have it for parent, and are no labels

    def start(path: list[str], attributes: dict[str, str]) -> None:
        if len(path) == 1 and path != ["annotations"]:
            raise DataError(f"{file}: expected annotations of CVAT, found an element {path[0]!r}")
        if path[1:] == ["track"]:
            found.tracks += 1
        elif path[1:] == ["image"]:
            if not attributes.get("name", "").strip():
                shown = dict(list(attributes.items())[:3])
                raise DataError(f"{file}: an image has no name: {shown}")
            found.names.append(attributes["name"].strip())
            found.subsets.append(attributes.get("subset", "").strip())
            found.given.append(set())
        elif len(path) == 3 and path[1] == "image" and path[2] in ("tag", *_SHAPES):
            if not attributes.get("label", "").strip():
                raise DataError(f"{file}: a {path[2]} of {found.names[-1]!r} has no label")
            found.given[-1].add(attributes["label"].strip())
            found.kinds[path[2]] += 1

    def end(path: list[str], text: str) -> None:
        if path[1:] == ["version"]:
            found.version = text
        elif len(path) >= 5 and path[1] == "meta" and path[2] in _OWNERS:
            if path[3:5] == ["labels", "label"] and path[5:] in (["name"], ["parent"]):
                label[path[5]] = text
            elif path[3:] == ["labels", "label"]:
                found.labels += [] if label["parent"] else [label["name"]]
                label.update(name="", parent="")

    read_xml(file, start, end)
    return found


def _recognises(path: Path) -> bool:
    file = path / FILE if path.is_dir() else path
    if file.suffix.lower() != ".xml" or not file.is_file():
        return False
    with file.open("rb") as opened:
        head = opened.read(4096)
    return path.is_file() or b"<annotations" in head


CVAT = Format(_recognises, read)
