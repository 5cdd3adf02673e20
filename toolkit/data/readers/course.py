"""Label files: one image reference a line, joined to images by id and never by position."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from toolkit.errors import DataError, counted, listed

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jp2", ".png", ".webp", ".avif"),
        *(".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"),
    }
)
MAX_REFERENCE = 1024
AMBIGUOUS = ""
_NUMBERED = re.compile(r"[A-Za-z_-]*(\d+)")
# columns of a table of labels or predictions that are no labels
# part of words in Persian and Hindi and of emoji, though they are not seen themselves
_JOINERS = re.compile("[\u200c\u200d]")
_LONGEST = 200  # letters of a label
_RESERVED = ("image", "path", "origin", "fold")


def is_image_name(file: str) -> bool:
    """Tell whether a file is an image by its name's ending."""
    return os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES


def image_id(file: str) -> str:
    """Return an image's id: its file name without the ending.

    >>> image_id("im7.jpg"), image_id("sub/im7.v2")
    ('im7', 'sub/im7.v2')
    """
    return os.path.splitext(file)[0] if is_image_name(file) else file


def image_ids(files: Sequence[str]) -> list[str]:
    """Return the id of each file: its name without the ending.

    Raises:
        DataError: two files have one id.
    """
    first: dict[str, str] = {}
    clashes = []
    for file in files:
        other = first.setdefault(image_id(file), file)
        if other != file:
            clashes.append(f"{other} and {file}")
    if clashes:
        raise DataError(
            f"{counted(len(clashes), 'image')} with the id of another ({listed(clashes, 3)}): "
            "an image's id is its file name without the ending, so rename or remove one of each"
        )
    return list(first)


def aliases(
    ids: Sequence[str], files: Sequence[str], targets: Sequence[str] | None = None
) -> dict[str, str]:
    """Map every way a label file may name an image to the image's id.

    An image answers to its id and its file name; where no other image does, also to these without
    their folders, to the bare number in them (``17448`` for ``im17448``), with leading zeros or
    without, and to all of these with accents composed otherwise (Unicode's NFC and NFD, which look
    the same). Blanks around a name do not count.

    Args:
        ids: image ids.
        files: their files.
        targets: what to map to in place of the ids.

    Returns:
        Name to id; :data:`AMBIGUOUS` for a name that belongs to several images equally.

    >>> aliases(["im7"], ["im7.jpg"])["7"]
    'im7'
    """
    full: dict[str, str] = {}
    bare: dict[str, str] = {}
    numbers: dict[str, str] = {}
    for image, file, target in zip(ids, files, ids if targets is None else targets, strict=True):
        base = image.rpartition("/")[2]
        register(full, {image.strip(), file.strip()}, target)
        register(bare, {base.strip(), file.rpartition("/")[2].strip()}, target)
        numbered = _NUMBERED.fullmatch(base.strip())
        if numbered:
            digits = numbered.group(1)
            register(numbers, {digits, digits.lstrip("0") or "0"}, target)
    spelt: dict[str, str] = {}
    for name, target in (numbers | bare | full).items():
        for form in () if name.isascii() else ("NFC", "NFD"):
            register(spelt, {unicodedata.normalize(form, name)}, target)
    return {**spelt, **numbers, **bare, **full}


def register(names: dict[str, str], forms: set[str], target: str) -> None:
    """Give an image more names; what is another's too is :data:`AMBIGUOUS`."""
    for form in forms - {""}:
        names[form] = target if names.get(form, target) == target else AMBIGUOUS


def read_references(path: Path) -> list[tuple[int, str]]:
    """Read a label file as ``(line number, reference)`` pairs, blank lines left out.

    CR and CRLF line ends, a byte-order mark and surrounding blanks are tolerated.

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
    # str.splitlines would also split at form feeds and the like, which file names may hold
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
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
    label_files: Mapping[str, Path],
    ids: Sequence[str],
    files: Sequence[str],
    cased: list[str] | None = None,
) -> dict[str, set[str]]:
    """Return, for each label, the ids of its images.

    Args:
        label_files: label to label file.
        ids: image ids.
        files: their files.
        cased: is told which images go by a name in other capitals, where it fits one alone.

    Raises:
        DataError: a label file names an image that is not there, or in a way that fits several;
            the first few are listed.
    """
    names = aliases(ids, files)
    folded: dict[str, str] = {}
    for name, target in names.items():
        register(folded, {name.casefold()}, target)
    positives: dict[str, set[str]] = {}
    unknown: list[str] = []
    ambiguous: list[str] = []
    for label, path in label_files.items():
        members = set()
        for number, reference in read_references(path):
            image = names.get(reference)
            if image is None:
                image = folded.get(reference.casefold())
                if image and cased is not None:
                    cased.append(f"{reference!r:.80} is {image}")
            if image:
                members.add(image)
            else:
                wrong = ambiguous if image == AMBIGUOUS else unknown
                wrong.append(f"{path.name} line {number}: {reference[:60]!r}")
        positives[label] = members
    if unknown:
        raise DataError(
            f"label files name {counted(len(unknown), 'image')} not there ({listed(unknown, 3)}): "
            "check that the label files belong to this folder of images, then import again"
        )
    if ambiguous:
        raise DataError(
            f"label files hold {counted(len(ambiguous), 'line')} of several images "
            f"({listed(ambiguous, 3)}): name those images by their whole file names"
        )
    return positives


def check_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return label names sorted.

    Raises:
        DataError: there are none, or one is there twice, is empty, has control characters or is
            ``image``. Names that differ in case alone are left to :func:`require_one_spelling`.
    """
    names = sorted(labels)
    if not names:
        raise DataError("no labels were found: at least one label file or label column is needed")
    for name in names:
        seen_of_it = _JOINERS.sub("", name)
        if not seen_of_it.strip() or not seen_of_it.isprintable() or len(name) > _LONGEST:
            way = "give it a printable name"
            if len(name) > _LONGEST:
                way = f"it has {len(name):,} letters, and {_LONGEST} are the most"
            raise DataError(f"label name {name[:60]!r} cannot be used: {way}")
        folded = unicodedata.normalize("NFC", name).strip().casefold()
        if folded in _RESERVED:
            raise DataError(
                f"label name {name!r} cannot be used, as tables of scores have the columns "
                f"{listed(_RESERVED)} next to those of labels: rename it"
            )
    twice = next((one for one, other in pairwise(names) if one == other), None)
    if twice is not None:
        raise DataError(f"label {twice!r} is there twice: rename one")
    return tuple(names)


def spellings(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Return groups of names that differ only in case, blanks or the composition of accents.

    >>> spellings(["Dog", "cat", "dog"])
    [('Dog', 'dog')]
    """
    groups: dict[str, list[str]] = {}
    for name in labels:
        groups.setdefault(unicodedata.normalize("NFC", name).strip().casefold(), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def require_one_spelling(labels: Sequence[str], Y: np.ndarray) -> None:
    """Raise DataError if two labels differ only in case, blanks or the composition of accents.

    Args:
        labels: L names.
        Y: ``(n, L)``, for the counts in the message.
    """
    found = said_spellings(labels, Y)
    if found:
        raise DataError(
            f"labels differ only in case or blanks ({listed(found, 3)}): give each label one name"
        )


def said_spellings(labels: Sequence[str], Y: np.ndarray) -> list[str]:
    """Return each group of :func:`spellings` with the number of images that carry each name."""
    count = dict(zip(labels, (Y == 1).sum(axis=0).tolist(), strict=True))
    return [
        " and ".join(f"{name!r} of {counted(count[name], 'image')}" for name in group)
        for group in spellings(labels)
    ]
