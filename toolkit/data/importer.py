"""Import: from images and label files in place to the columns of a data set, every join by id."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from toolkit.data.readers.at_address import read_at_address
from toolkit.data.readers.base import Labelled, Options
from toolkit.data.readers.course import image_ids, require_one_spelling
from toolkit.data.readers.imagefolder import refuse_label_files
from toolkit.data.readers.part_words import unsplit_folders
from toolkit.data.readers.registry import FORMATS
from toolkit.errors import DataError, check_choice, counted, listed
from toolkit.images.addresses import is_address
from toolkit.images.containers import forget_addresses
from toolkit.images.facts import Facts
from toolkit.images.places import (
    connections,
    first_look,
    place_under,
    read_tars_at_addresses,
    reading_order,
    stamp,
)
from toolkit.images.stamps import Stamp

PAIRINGS = ("by-id", "published")
ANNOTATIONS = ("relevant", "potential")
Advance = Callable[[int], None]


class Imported(NamedTuple):
    """The columns of a data set, and what an import passed over.

    Attributes:
        root: folder that the files are relative to.
        columns: ``ids``, ``files``, ``labels``, ``Y``, ``digests``, ``stats``, ``shapes``,
            ``modes``, ``provenance``, ``parts`` and ``metadata`` of
            :class:`~toolkit.data.dataset.Dataset`.
        passed_over: names of files that are no images.
        remarks: what was found, and what a person should know.
    """

    root: Path
    columns: dict[str, Any]
    passed_over: list[str]
    remarks: list[str]


def read_labelled(
    path: Path | str,
    *,
    format: str | None = None,
    options: Options | None = None,
    pairing: str = "by-id",
    on_progress: Advance | None = None,
) -> Imported:
    """Read images with labels; the images stay where they are.

    Args:
        path: a folder, or a file of labels; as text, the address of tars or Parquet files.
        format: one of ``FORMATS``; None for the last that recognises the path.
        options: how labels are read, where that cannot be seen.
        pairing: ``by-id``, or ``published`` to repeat on purpose the paper's fault: label rows in
            numeric order set beside files in lexicographic order.
        on_progress: called with the number of images read since the last call.

    Raises:
        DataError: images or labels cannot be joined; nothing is written.
        UsageError: an option is not among its choices.
    """
    check_choice("pairing", pairing, PAIRINGS)
    options = options or Options()
    _, found = find_labels(path, format, options)
    require_one_spelling(found.labels, found.Y)
    Y = found.Y[published_order(found.files)] if pairing == "published" else found.Y
    provenance = {**found.facts, "pairing": pairing, "source": _whole(path)}
    return take_in(replace(found, Y=Y), options.missing, provenance, on_progress)


def take_in(
    found: Labelled,
    missing: str,
    provenance: dict[str, Any],
    on_progress: Advance | None = None,
) -> Imported:
    """Read the images that a reader found, and return the columns of their data set.

    Args:
        found: images and labels, joined.
        missing: ``skip`` leaves out addresses where nothing is.
        provenance: of the labels.
        on_progress: called with the number of images read since the last call.

    Raises:
        DataError: an image cannot be read.
    """
    ids = found.ids or image_ids(found.files)
    gone: list[int] = []
    skipping = gone if missing == "skip" else None
    columns = read_files(found.root, ids, found.files, on_progress, skipping)
    there = np.delete(np.arange(len(found.files)), gone).tolist()
    columns |= {"labels": found.labels, "Y": found.Y[there], "provenance": provenance}
    columns["parts"] = tuple(found.parts[row] for row in there) if found.parts else ()
    columns["metadata"] = {
        name: tuple(cells[row] for row in there) for name, cells in found.metadata.items()
    }
    remarks = [found.found, *found.remarks] if found.found else list(found.remarks)
    lost = [*found.missing, *(found.files[row] for row in gone)]
    if lost:
        left = f"warning: {counted(len(lost), 'image')} not there, left out"
        remarks.append(f"{left}: {listed(lost)}")
    return Imported(found.root, columns, found.passed_over, remarks)


def _whole(path: Path | str) -> str:
    return path if isinstance(path, str) else str(path.absolute())


def find_labels(path: Path | str, format: str | None, options: Options) -> tuple[str, Labelled]:
    """Return the format of what lies at a path, and the labels that its reader finds there.

    No image is read, but with the tars at addresses, which are read through for their labels.

    Args:
        path: a folder, or a file of labels; as text, the address of tars or Parquet files.
        format: one of ``FORMATS``; None for the last that recognises the path.
        options: how labels are read, where that cannot be seen.

    Raises:
        DataError: images or labels cannot be joined.
        UsageError: an option is not among its choices.
    """
    if options.annotations is not None:
        check_choice("annotations", options.annotations, ANNOTATIONS)
    known, found = (
        read_at_address(path, format, options)
        if isinstance(path, str)
        else _read_path(path.absolute(), format, options)
    )
    said = any("no split" in remark for remark in found.remarks)
    if found.parts or said or known == "imagefolder":  # whose folders are labels
        return known, found
    return known, replace(found, remarks=[*found.remarks, *unsplit_folders(found.files)])


def _read_path(path: Path, format: str | None, options: Options) -> tuple[str, Labelled]:
    if options.root is not None and not options.root.is_dir():
        raise DataError(f"root: expected a folder of images, found none at {options.root}")
    if format is None:
        known = [name for name, each in FORMATS.items() if each.recognises(path)]
        if not known:
            raise DataError(f"nothing to import: {path} is neither a folder nor a file of labels")
        format = known[-1]
        if format == "folder":  # what is left where nothing is found
            try:
                return format, FORMATS[format].read(path, options)
            except DataError as error:
                raise DataError(f"{error}{_further_down(path)}") from error
        if format == "imagefolder":
            refuse_label_files(path)
    check_choice("format", format, FORMATS)
    return format, FORMATS[format].read(path, options)


def _further_down(path: Path) -> str:
    """Say which folder in a folder looks like a data set: archives often hold one."""
    for folder in sorted(each for each in path.iterdir() if each.is_dir()):
        known = [name for name, each in FORMATS.items() if each.recognises(folder)]
        if known[-1:] not in ([], ["folder"], ["imagefolder"]):
            return f"; {folder} looks like {known[-1]}: give that path"
    return ""


def read_files(
    root: Path,
    ids: Sequence[str],
    files: Sequence[str],
    on_progress: Advance | None = None,
    gone: list[int] | None = None,
) -> dict[str, Any]:
    """Return the columns of a data set that describe its files: digests, sizes, times, headers.

    Args:
        root: folder that files are relative to.
        ids: of n images.
        files: their places.
        on_progress: called with the number of images read since the last call.
        gone: is given the rows of addresses where nothing is, which are left out; None for an
            error.

    Raises:
        DataError: an image cannot be read.
    """
    facts = _read_files([place_under(root, file) for file in files], on_progress, gone is not None)
    there = [fact for fact in facts if fact is not None]
    if gone is not None:
        gone += [row for row, fact in enumerate(facts) if fact is None]
        if not there:
            raise DataError(f"none of {counted(len(files), 'image')} is there ({listed(files, 3)})")
    kept = [(row, fact) for row, fact in enumerate(facts) if fact is not None]
    looks = [fact.facts for fact in there]
    return {
        "ids": tuple(ids[row] for row, _ in kept),
        # of a file in a tar at an address, with the range of its bytes
        "files": tuple(fact.place if is_address(files[row]) else files[row] for row, fact in kept),
        "digests": np.stack([np.frombuffer(look.digest, np.uint8) for look in looks]),
        "stats": np.array([fact.stamp for fact in there], np.int64),
        "shapes": np.array([(look.width, look.height) for look in looks], np.int32),
        "modes": tuple(look.mode for look in looks),
    }


def published_order(files: Sequence[str]) -> np.ndarray:
    """Return, for naturally ordered files, the row whose labels the published code gives to each.

    That code indexes labels by image number and fills the file-name column from an unsorted
    directory listing; the lexicographic listing stands in for an unsorted one. The k-th file of
    that listing therefore gets the labels of the k-th image number.

    Args:
        files: n file names in natural order.

    Returns:
        ``int64 (n,)``: file i gets the labels of row ``order[i]``.
    """
    listing = sorted(range(len(files)), key=lambda row: files[row])
    order = np.empty(len(files), np.int64)
    order[listing] = np.arange(len(files))
    return order


class _Read(NamedTuple):
    facts: Facts
    stamp: Stamp
    place: str


def _read_files(
    places: Sequence[str], on_progress: Advance | None, skip: bool
) -> list[_Read | None]:
    read_tars_at_addresses(places)
    # images are read in threads: hashing and reading release the interpreter's lock
    order = reading_order(places).tolist()
    facts: list[_Read | None] = [None] * len(places)
    with ThreadPoolExecutor(connections(places)) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about odd headers
        read = pool.map(partial(_file_facts, skip=skip), (places[row] for row in order))
        try:
            for row, fact in zip(order, read, strict=True):
                facts[row] = fact
                if on_progress is not None:
                    on_progress(1)
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, do not read all the rest
            forget_addresses()
    return facts


def _file_facts(place: str, skip: bool) -> _Read | None:
    try:
        now = stamp(place)
        facts, whole = first_look(place)
    except OSError as error:
        if skip and is_address(place) and isinstance(error, FileNotFoundError):
            return None
        raise DataError(f"image {place} cannot be read: {error.strerror}") from error
    return _Read(facts, now or (facts.size, 0), whole)
