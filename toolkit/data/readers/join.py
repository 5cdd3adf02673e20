"""Join: what a label file says of named images, joined to the files that are there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np

from toolkit.data.readers.base import ID_KEY, Labelled, Options
from toolkit.data.readers.course import (
    AMBIGUOUS,
    aliases,
    image_id,
    image_ids,
    is_image_name,
    register,
)
from toolkit.data.readers.whereabouts import hint
from toolkit.errors import DataError, counted, listed
from toolkit.images.addresses import is_address, is_local
from toolkit.images.places import in_container, is_there
from toolkit.images.tars import ranged
from toolkit.storage.files import natural_key


def images_under(root: Path, strange: list[str] | None = None) -> list[str]:
    """Return the image files in a folder and those below it, relative to it, hidden ones left out.

    Folders that are links are looked into, each folder once; a folder of artifacts below is not:
    the pictures in it are other data sets'.

    Args:
        root: the folder.
        strange: is given the names that are not UTF-8, which are left out; None for an error.

    Raises:
        DataError: a name is not text.
    """
    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # links may lead round
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(
            each for each in folders if each[0] != "." and not _of_artifacts(folder, each)
        )
        place = os.path.relpath(folder, root)
        prefix = "" if place == "." else place.replace(os.sep, "/") + "/"
        found += [prefix + name for name in files if is_image_name(name) and name[0] != "."]
    odd = {name for name in found if name.encode("utf-8", "replace") != os.fsencode(name)}
    if odd and strange is None:
        names = listed(map(ascii, sorted(odd)), 3)
        raise DataError(f"file names in {root} are not UTF-8 ({names}): rename them")
    if strange is not None:
        strange += sorted(map(ascii, odd))
    return sorted((name for name in found if name not in odd), key=natural_key)


def _of_artifacts(folder: str, name: str) -> bool:
    return os.path.isfile(os.path.join(folder, name, "datasets", ".last.json"))


def joined(
    source: str,
    root: Path,
    names: Sequence[str],
    Y: np.ndarray,
    labels: tuple[str, ...],
    options: Options,
    *,
    parts: Sequence[str] = (),
    places: Sequence[str] = (),
    facts: dict[str, object],
    found: str,
    remarks: Iterable[str] = (),
    addresses: bool = True,
    own_ids: Sequence[str] = (),
    metadata: Mapping[str, Sequence[str]] | None = None,
    way_on: str = "",
) -> Labelled:
    """Join rows of labels to the files that they name.

    An image goes by its address, by its place in a tar, Parquet or Arrow file below ``root``, by
    its path below ``root``, by an absolute path in it, or, where that fits one file alone, by the
    end of its path, its file name, its id, or the number in it.

    Args:
        source: the label file, for messages.
        root: folder that holds the images, somewhere below.
        names: of n images.
        Y: ``int8 (n, L)``.
        labels: L names, sorted.
        options: say what becomes of missing images.
        parts: of each image in a split, or empty.
        places: where each name stands, for messages.
        facts: kept as provenance.
        found: what was found, in a sentence.
        remarks: what a person should know.
        addresses: whether a name may be an address that is read, or is where an image lay before.
        own_ids: of each image, as our own export carries them; a name is then the image's place,
            whatever its ending. Else ids are made from places.
        metadata: by name, further facts of each image.
        way_on: what else may be done where images are not there, to end the sentence.

    Raises:
        DataError: an image is not there, is named twice, or in a way that fits several; or ids
            repeat or are blank.
    """
    strange = list[str]()  # no label file can name these
    there = images_under(root, strange)
    ids = [image_id(file) for file in there]
    bare = [image.rpartition("/")[2] for image in ids]
    # a name without a folder must fit one file of all folders, unless it is a file's whole path
    tails: dict[str, str] = {}
    for path in there:
        for cut, letter in enumerate(path[: path.rfind("/")]):
            if letter == "/":
                register(tails, {path[cut + 1 :], image_id(path[cut + 1 :])}, path)
    known = tails | aliases(ids, there, there) | aliases(bare, there, there) | {f: f for f in there}
    kept, files, missing, ambiguous = list[int](), list[str](), list[str](), list[str]()
    gone = list[str]()
    for row, name in enumerate(names):
        inside = _inside(name, root)
        whole = bool(own_ids)
        file = known.get(name) or known.get(inside) or _whole(inside, root, whole)
        if not file and "\\" in name:  # as Windows writes paths
            slashed = name.replace("\\", "/")
            inside = _inside(slashed, root)
            file = known.get(slashed) or known.get(inside) or _whole(inside, root, whole)
        if not file and (addresses or not is_address(name)):
            file = _elsewhere(name, inside, root)
        at = f" ({places[row]})" if places else ""
        if file:
            kept.append(row)
            files.append(file)
        elif known.get(name) == AMBIGUOUS:
            ambiguous.append(f"{name[:80]!r}{at}")
        else:
            gone.append(name)
            missing.append(f"{name[:80]!r}{at}")
    if ambiguous:
        raise DataError(
            f"{source} holds {counted(len(ambiguous), 'name')} of several images "
            f"({listed(ambiguous, 3)}): give those images' whole paths"
        )
    outside = [name for name in names if os.path.isabs(name) and not _inside(name, root)]
    outside = [name for name in outside if is_image_name(name) and os.path.isfile(name)]
    if outside:
        raise DataError(
            f"{source} names {counted(len(outside), 'image')} outside {root} "
            f"({listed(outside, 3)}): name the folder that holds them by root (--root)"
        )
    if missing and (options.missing == "error" or not kept):
        raise DataError(
            f"{source} names {counted(len(missing), 'image')} not there ({listed(missing, 3)}): "
            f"paths are relative to {root} and stay inside it; missing='skip' leaves such images "
            f"out{hint(gone, there, root)}{way_on}"
        )
    if len(set(files)) < len(files):
        twice = sorted({file for file in files if files.count(file) > 1}, key=natural_key)
        raise DataError(f"{source} names images in several rows ({listed(twice, 3)}): once each")
    said = [*remarks, *_unlisted(there, files)]
    said += [f"passed over, file names not UTF-8: {listed(strange, 3)}"] if strange else []
    ids = [own_ids[row] for row in kept] if own_ids else place_ids(files)
    if own_ids:
        check_ids(ids, source)
    order = sorted(range(len(files)), key=lambda at: natural_key(ids[at]))
    rows = [kept[at] for at in order]
    return Labelled(
        root,
        [files[at] for at in order],
        labels,
        Y[rows],
        facts=facts,
        parts=tuple(parts[row] for row in rows) if parts else (),
        found=found,
        ids=[ids[at] for at in order],
        remarks=said,
        missing=missing,
        metadata={name: [cells[row] for row in rows] for name, cells in (metadata or {}).items()},
    )


def _unlisted(there: Sequence[str], files: Sequence[str]) -> list[str]:
    """Say which images lie in the folders of those that are named, and are not named."""
    named = set(files)
    folders = {os.path.dirname(file) for file in files}
    left = [file for file in there if file not in named and os.path.dirname(file) in folders]
    if not left:
        return []
    return [f"{counted(len(left), 'image')} not listed, left out: {listed(left, 3)}"]


def matrix(
    yes: Sequence[Iterable[str]], labels: tuple[str, ...], absent: str, no: Sequence[Iterable[str]]
) -> np.ndarray:
    """Return ``int8 (n, L)`` from the labels that each image has, and has not for sure."""
    place = {label: at for at, label in enumerate(labels)}
    Y = np.full((len(yes), len(labels)), 0 if absent == "no" else -1, np.int8)
    for value, each in ((0, no), (1, yes)):
        for row, given in enumerate(each):
            Y[row, [place[label] for label in given]] = value
    return Y


def place_ids(files: Sequence[str]) -> list[str]:
    """Return the ids of images: their places without ending.

    Where all are at addresses, without what the addresses share up to a slash, and without what
    follows a question mark, if they differ without it.

    >>> place_ids(["s3://photos/a/im1.jpg?v=2", "s3://photos/b/im2.jpg"])
    ['a/im1', 'b/im2']

    Raises:
        DataError: two have one id.
    """
    if not files or not all(map(is_address, files)):
        return image_ids(files)
    named = [(ranged(file) or (file,))[0] for file in files]
    bare = [file.partition("?")[0] for file in named]
    bare = bare if len(set(bare)) == len(bare) else named
    folders = zip(*(file.split("/")[:-1] for file in bare), strict=False)
    shared = sum(1 for _ in takewhile(lambda each: len(set(each)) == 1, folders))
    return image_ids([file.split("/", shared)[-1] for file in bare])


def check_ids(ids: Sequence[str], source: str, column: str = ID_KEY) -> None:
    """Raise DataError where carried ids repeat or are blank."""
    if not all(ids):
        raise DataError(f"{source}: expected an id of each image in {column}, found blanks")
    twice = [one for one, count in Counter(ids).items() if count > 1]
    if twice:
        raise DataError(f"{source}: ids in {column} stand twice ({listed(twice, 3)}): once each")


def _whole(inside: str, root: Path, any_ending: bool) -> str:
    """Return the path of an image file below the folder, or nothing."""
    named = inside and (any_ending or is_image_name(inside))
    there = named and os.path.isfile(root / inside)
    return inside if there else ""


def _elsewhere(name: str, inside: str, root: Path) -> str:
    """Return an address, or a place in a container below ``root``, or nothing."""
    if is_address(name):
        return "" if is_local(name) else name
    return inside if inside and _held(inside, root) else ""


def _held(inside: str, root: Path) -> bool:
    return in_container(inside) and is_there(str(root / inside))


def unknown_cells(Y: np.ndarray) -> str:
    """Return how many cells are unknown, for the end of a sentence; nothing where all are known."""
    unknown = int((Y < 0).sum())
    return f", {unknown:,} unknown" if unknown else ""


def _inside(name: str, root: Path) -> str:
    """Return a path in ``root`` relative to it; a first folder of the root's name is taken off."""
    path = Path(name)
    if ".." in path.parts or is_address(name):
        return ""
    if path.is_absolute():
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
    plain = os.path.normpath(name).replace(os.sep, "/")
    first, _, rest = plain.partition("/")
    if first != root.name or os.path.exists(root / plain) or _held(plain, root):
        return plain
    return rest
