"""Label files: one image reference a line, joined to images by id and never by position."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from toolkit.errors import DataError, listed

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
)
MAX_REFERENCE = 1024
_NUMBERED = re.compile(r"[A-Za-z_-]*?0*(\d+)")
_AMBIGUOUS = ""


def aliases(ids: Sequence[str], files: Sequence[str]) -> dict[str, str]:
    """Map every way a label file may name an image to the image's id.

    An image answers to its id, its file name, and the bare number in it (``17448`` for
    ``im17448``) where no other image has that number.

    >>> aliases(["im7"], ["im7.jpg"])["7"]
    'im7'
    """
    names: dict[str, str] = {}
    for image, file in zip(ids, files, strict=True):
        names[image] = image
        names[file] = image
    numbers: dict[str, str] = {}
    for image in ids:
        numbered = _NUMBERED.fullmatch(image)
        if numbered:
            number = numbered.group(1)
            numbers[number] = image if number not in numbers else _AMBIGUOUS
    for number, image in numbers.items():
        if image != _AMBIGUOUS:
            names.setdefault(number, image)
    return names


def read_references(path: Path) -> list[tuple[int, str]]:
    """Read a label file as ``(line number, reference)`` pairs, blank lines left out.

    CRLF line ends, a byte-order mark and surrounding blanks are tolerated.

    Raises:
        DataError: the file cannot be read, is not UTF-8 text, or a line is absurdly long.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"label file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"label file {path} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from error
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        reference = line.strip()
        if len(reference) > MAX_REFERENCE:
            raise DataError(
                f"label file {path}, line {number}, is {len(reference)} characters long: "
                "it must hold one image number or file name a line"
            )
        if reference:
            found.append((number, reference))
    return found


def join_by_id(
    label_files: Mapping[str, Path], ids: Sequence[str], files: Sequence[str]
) -> dict[str, set[str]]:
    """Return, for each label, the ids of its images.

    Raises:
        DataError: a label file names an image that is not there; the first few are listed.
    """
    names = aliases(ids, files)
    positives: dict[str, set[str]] = {}
    unknown: list[str] = []
    for label, path in label_files.items():
        members = set()
        for number, reference in read_references(path):
            image = names.get(reference)
            if image is None:
                unknown.append(f"{path.name} line {number}: {reference[:60]!r}")
            else:
                members.add(image)
        positives[label] = members
    if unknown:
        raise DataError(
            f"label files name {len(unknown)} images that are not there ({listed(unknown, 3)}): "
            "check that the label files belong to this folder of images, then import again"
        )
    return positives


def check_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return label names sorted.

    Raises:
        DataError: there are none, or two differ only in case, or one is empty or has control
            characters.
    """
    names = sorted(labels)
    if not names:
        raise DataError("no labels were found: at least one label file or label column is needed")
    seen: dict[str, str] = {}
    for name in names:
        if not name.strip() or not name.isprintable() or len(name) > 200:
            raise DataError(f"label name {name[:60]!r} cannot be used: give it a printable name")
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise DataError(f"labels {other!r} and {name!r} differ only in case: rename one")
    return tuple(names)
