"""Import: from images and label files in place to a Dataset, every join by id."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from toolkit.data.annotations import aliases, check_labels, join_by_id
from toolkit.data.dataset import Dataset, Progress
from toolkit.data.layouts import Layout, find_layout, list_images
from toolkit.errors import DataError, UsageError, listed
from toolkit.store import DIGEST_BYTES, digest_bytes, natural_key, safe_name

PAIRINGS = ("by-id", "published")


class Imported(NamedTuple):
    """What an import made, and what it passed over."""

    dataset: Dataset
    passed_over: list[str]


def import_dataset(
    path: Path,
    name: str,
    *,
    annotations: str | None = None,
    pairing: str = "by-id",
    on_progress: Progress | None = None,
) -> Imported:
    """Read a folder or a CSV file into a Dataset; images stay where they are.

    Args:
        path: course layout (``images/`` and ``annotations/<label>.txt``), MIRFLICKR-25000's own,
            or a CSV file with a column ``image`` and one 0/1 column a label.
        name: the data set's name.
        annotations: which of MIRFLICKR-25000's label files to take.
        pairing: ``by-id``, or ``published`` to repeat on purpose the paper's fault: label rows in
            numeric order set beside files in lexicographic order.
        on_progress: called with the number of images read since the last call.

    Raises:
        DataError: images or labels cannot be joined; nothing is written.
        UsageError: an option is not among its choices.
    """
    safe_name(name, "data set name")
    if pairing not in PAIRINGS:
        raise UsageError(f"--pairing is one of {', '.join(PAIRINGS)}, not {pairing!r}")
    layout = find_layout(path, annotations)
    if layout.table is not None:
        files, labels, Y = _read_csv(layout.table)
        passed_over: list[str] = []
        ids = _ids(files)
    else:
        files, passed_over = list_images(layout.images)
        ids = _ids(files)
        labels, Y = _read_label_files(layout, ids, files)
    if pairing == "published":
        Y = Y[published_order(files)]
    facts = _read_files(layout.images, files, on_progress)
    dataset = Dataset(
        name=name,
        root=layout.images,
        ids=tuple(ids),
        files=tuple(files),
        labels=labels,
        Y=Y,
        digests=np.stack([np.frombuffer(fact.digest, np.uint8) for fact in facts]),
        stats=np.array([(fact.size, fact.mtime_ns) for fact in facts], np.int64),
        shapes=np.array([(fact.width, fact.height) for fact in facts], np.int32),
        modes=tuple(fact.mode for fact in facts),
        provenance={
            "layout": layout.kind,
            "annotations": layout.annotations,
            "pairing": pairing,
            "source": str(path.absolute()),
        },
    )
    return Imported(dataset, passed_over)


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


def _ids(files: Sequence[str]) -> list[str]:
    ids = [str(Path(file).with_suffix("").as_posix()) for file in files]
    if len(set(ids)) != len(ids):
        first: dict[str, str] = {}
        clashes = [
            f"{first[image]} and {file}"
            for image, file in zip(ids, files, strict=True)
            if first.setdefault(image, file) != file
        ]
        raise DataError(
            f"{len(clashes)} images share an id with another ({listed(clashes, 3)}): "
            "an image's id is its file name without the ending, so rename or remove one of each"
        )
    return ids


def _read_label_files(
    layout: Layout, ids: Sequence[str], files: Sequence[str]
) -> tuple[tuple[str, ...], np.ndarray]:
    labels = check_labels(layout.label_files)
    positives = join_by_id(layout.label_files, ids, files)
    row = {image: i for i, image in enumerate(ids)}
    Y = np.zeros((len(ids), len(labels)), np.uint8)
    for j, label in enumerate(labels):
        Y[[row[image] for image in positives[label]], j] = 1
    return labels, Y


def _read_csv(table: Path) -> tuple[list[str], tuple[str, ...], np.ndarray]:
    try:
        text = table.read_bytes().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not UTF-8 text (byte {error.start}): save it so") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a CSV file: {error}") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    places = [i for i, cell in enumerate(header) if cell.lower() == "image"]
    if len(places) != 1:
        raise DataError(f"{table} needs exactly one column 'image'; its header is {header[:8]}")
    columns = [i for i in range(len(header)) if i != places[0]]
    if len({header[i] for i in columns}) != len(columns):
        raise DataError(f"{table} has two columns of one name: rename one")
    labels = check_labels(header[i] for i in columns)
    column = {header[i]: i for i in columns}
    found: dict[str, list[int]] = {}
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise DataError(
                f"{table}, line {number}, has {len(cells)} cells where the header has {len(header)}"
            )
        values = [cells[column[label]].strip() for label in labels]
        wrong = next((value for value in values if value not in ("0", "1")), None)
        if wrong is not None:
            raise DataError(f"{table}, line {number}: {wrong[:40]!r} stands where 0 or 1 must")
        file = cells[places[0]].strip()
        if file in found:
            raise DataError(f"{table}, line {number}: image {file[:80]!r} is listed twice")
        found[file] = [int(value) for value in values]
    if not found:
        raise DataError(f"{table} lists no images")
    files = _locate(table, list(found))
    by_file = dict(zip(files, found.values(), strict=True))
    ordered = sorted(by_file, key=lambda file: natural_key(str(Path(file).with_suffix(""))))
    return ordered, labels, np.array([by_file[file] for file in ordered], np.uint8)


def _locate(table: Path, names: list[str]) -> list[str]:
    """Find each named image beside the table or in ``images/``; a bare id finds its file."""
    folder = table.parent
    candidates: dict[str, str] = {}
    for place in ("images", "."):
        if (folder / place).is_dir():
            try:
                there, _ = list_images(folder / place)
            except DataError:
                continue
            prefix = "" if place == "." else f"{place}/"
            known = aliases([Path(file).stem for file in there], there)
            by_stem = {Path(file).stem: file for file in there}
            candidates |= {alias: prefix + by_stem[stem] for alias, stem in known.items()}
    files, missing = [], []
    for name in names:
        inside = not Path(name).is_absolute() and ".." not in Path(name).parts
        if inside and "/" in name and (folder / name).is_file():
            files.append(name)
        elif name in candidates:
            files.append(candidates[name])
        else:
            missing.append(name[:80])
    if missing:
        raise DataError(
            f"{table} names {len(missing)} images that are not there ({listed(missing, 3)}): "
            f"paths are relative to {folder} and stay inside it"
        )
    if len(set(files)) != len(files):
        raise DataError(f"{table} names one image file in two ways: list each image once")
    return files


class _FileFacts(NamedTuple):
    digest: bytes
    size: int
    mtime_ns: int
    width: int
    height: int
    mode: str


def _read_files(root: Path, files: Sequence[str], on_progress: Progress | None) -> list[_FileFacts]:
    # files are read in threads: hashing and reading release the interpreter's lock
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about odd headers
        facts = []
        for fact in pool.map(_file_facts, (root / file for file in files), chunksize=64):
            facts.append(fact)
            if on_progress is not None:
                on_progress(1)
    return facts


def _file_facts(path: Path) -> _FileFacts:
    try:
        stat = os.stat(path)
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"image {path} cannot be read: {error.strerror}") from error
    width, height, mode = _header(data)
    digest = digest_bytes(data)
    assert len(digest) == DIGEST_BYTES
    return _FileFacts(digest, stat.st_size, stat.st_mtime_ns, width, height, mode)


def _header(data: bytes) -> tuple[int, int, str]:
    """Read size and mode; an unreadable header is a fact to report later, not an error here."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.width, image.height, image.mode
    except Exception:  # Pillow's plugins raise errors of many kinds on hostile files
        return 0, 0, ""
