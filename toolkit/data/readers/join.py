"""Join: what a label file says of named images, joined to the files that are there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np

from toolkit.data.readers.base import ID_KEY, Labelled, Options
from toolkit.data.readers.course import image_ids, is_image_name
from toolkit.data.readers.finder import Finder, in_folder_of, say_case, slashed
from toolkit.data.readers.whereabouts import hint
from toolkit.errors import DataError, counted, listed
from toolkit.images.addresses import is_address
from toolkit.images.tars import ranged
from toolkit.storage.files import natural_key


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
    near: Sequence[str] = (),
) -> Labelled:
    """Join rows of labels to the files that they name.

    An image goes by its address, by its place in a tar, Parquet or Arrow file below ``root``, by
    its path below ``root``, by an absolute path in it, or, where that fits one file alone, by the
    end of its path, its file name, its id, or the number in it; and last by these in other
    capitals, where no other name is the file's.

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
        near: of each image a word for its part, or blank: of several of its name, the one in a
            folder called so is meant; by default ``parts``.

    Raises:
        DataError: an image is not there, is named twice, or in a way that fits several; or ids
            repeat or are blank.
    """
    finder = Finder(root)
    files = [finder.find(name, addresses, whole=bool(own_ids)) for name in names]
    remarks = list(remarks)
    several = _settle(finder, names, files, near or parts, remarks)
    kept = [row for row, file in enumerate(files) if file]
    gone = [row for row, file in enumerate(files) if not file and row not in several]
    missing, ambiguous = (
        [
            f"{names[row][:80]!r}{f' ({places[row]})' if places else ''}"
            + (f" is {' or '.join(several[row][:3])}" if row in several else "")
            for row in rows
        ]
        for rows in (gone, several)
    )
    if ambiguous:
        raise DataError(
            f"{source} holds {counted(len(ambiguous), 'name')} of several images "
            f"({listed(ambiguous, 3)}): give those images' whole paths, or name the folder that "
            "holds them by root (--root)"
        )
    outside = [name for name in names if os.path.isabs(name) and not finder.inside(name)]
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
            f"out{hint([slashed(names[row]) for row in gone], finder.there, root)}{way_on}"
        )
    files = [files[row] for row in kept]
    if len(set(files)) < len(files):
        twice = sorted({file for file in files if files.count(file) > 1}, key=natural_key)
        raise DataError(f"{source} names images in several rows ({listed(twice, 3)}): once each")
    said = [*remarks, *_unlisted(finder.there, files)]
    if finder.strange:
        said.append(f"passed over, file names not UTF-8: {listed(finder.strange, 3)}")
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


def _settle(
    finder: Finder,
    names: Sequence[str],
    files: list[str],
    words: Sequence[str],
    remarks: list[str],
) -> dict[int, list[str]]:
    """Fill in files by the folder of a part, and by names in other capitals, and say so.

    Returns:
        The files that a name fits equally, by row, where it fits several.
    """
    several: dict[int, list[str]] = {}
    by_part, by_case = list[str](), list[str]()
    taken = set(files)
    for row, name in enumerate(names):
        if files[row]:
            continue
        fits = finder.several(name)
        if fits:
            own = in_folder_of(words[row], fits) if words and words[row] else ""
            files[row] = own
            by_part += [f"{name!r:.80} is {own}"] if own else []
        else:
            fits = [file for file in finder.in_other_capitals(name) if file not in taken]
            files[row] = fits[0] if len(fits) == 1 else ""
            by_case += [f"{name!r:.80} is {fits[0]}"] if len(fits) == 1 else []
        if len(fits) > 1 and not files[row]:
            several[row] = fits
    remarks += say_case(by_case)
    if by_part:
        remarks.append(
            f"{counted(len(by_part), 'image')} of names that several have, taken from the folder "
            f"of the part ({listed(by_part, 3)})"
        )
    return several


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


def unknown_cells(Y: np.ndarray) -> str:
    """Return how many cells are unknown, for the end of a sentence; nothing where all are known."""
    unknown = int((Y < 0).sum())
    return f", {unknown:,} unknown" if unknown else ""
