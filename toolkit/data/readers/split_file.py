"""Split files: what lies beside labels and names the part of each image, in words or 0, 1 and 2.

As CelebA's ``list_eval_partition.txt`` (Liu et al. 2015), where 0, 1 and 2 are training, validation
and test. Of 0 and 1 alone nothing is guessed: some lists mean training by 1, others test. Nor of 1
and 2, which may be training and test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from toolkit.data.readers.course import image_id
from toolkit.data.readers.part_words import NUMBERS, SAID, SETTLED
from toolkit.data.readers.split_lists import (
    named,
    part_of_list,
    read_lists,
    split_folders,
    why_not,
)
from toolkit.data.readers.split_table import (
    ENDINGS,
    assign,
    cells_of,
    is_pair,
    meaning,
    split_rows,
)
from toolkit.data.readers.table_text import PACKED, table_ending
from toolkit.errors import DataError, counted, listed

_NAMED = re.compile(
    r"(?:.*(?:[\W_\d]|train|test|val|data|my))?(?:splits?|partitions?)(?:[\W_\d].*)?"
)
# endings of what a split may be in, and is not read
_OTHER = (".xlsx", ".xls", ".ods", ".yaml", ".yml", ".mat", ".npy", ".npz", ".pkl", ".pickle")
_HEAD = 4096
_LONGEST = 1 << 24  # bytes of a list that is looked into for what another lacks


def is_split_file(file: Path) -> bool:
    """Tell a split file by its name, and by what its first lines hold: two columns."""
    if not _is_named(file):
        return False
    if file.suffix.lower() in (".txt", ".csv", ".tsv"):
        with file.open("rb") as opened:
            text = opened.read(_HEAD).decode("utf-8-sig", "replace")
        return any(is_pair(cells) for _, cells in cells_of(text.rpartition("\n")[0] or text)[:2])
    return not _why_not_read(file, pairs=True)


def _is_named(file: Path) -> bool:
    stem = Path(file.stem).stem if file.suffix.lower() in PACKED else file.stem
    plain = table_ending(file) in ENDINGS and file.name[0] != "."
    return plain and bool(_NAMED.fullmatch(stem.lower()))


def _why_not_read(file: Path, pairs: bool = False) -> str:
    """Return why a file that is called a split is none, or nothing."""
    if not file.stat().st_size:
        return "it is empty"
    try:
        split_rows(file, pairs)
    except DataError as error:
        return str(error).replace(str(file), "it", 1)
    return ""


def split_beside(
    folders: Iterable[Path],
    names: Sequence[str],
    remarks: list[str],
    parts: Sequence[str] = (),
    known: bool = False,
    table: Path | None = None,
) -> list[str]:
    """Return the part of each image by the split file in one of the folders; nothing without one.

    In place of one file there may be a list of images for each part. What has the name of a split
    and is none is said.

    Args:
        folders: where it may lie, or in a folder ``splits`` of theirs.
        names: of the images.
        remarks: is told which file was taken, or was not and why.
        parts: of a split that the labels came with, which goes before one beside them.
        known: whether 0 and 1 are training and validation for sure.
        table: the file of labels, whatever its name.

    Raises:
        DataError: a line is of another kind, an image has two parts or none, or there are two
            split files.
    """
    given = [each for each in folders if each.is_dir()]
    inner = [folder for each in given for folder in split_folders(each)]
    there = [*given, *inner]
    files = [file for each in there for file in sorted(each.iterdir()) if file.is_file()]
    files = [file for file in files if file != table]
    found = [file for file in files if is_split_file(file)]
    lists = {file: part for file in files if (part := part_of_list(file)) and file not in found}
    wide = list[Path]()
    for file in files:
        if file not in found and file not in lists and _may_be_meant(file, file.parent in inner):
            why = _why_not_read(file) if table_ending(file) in ENDINGS else "none of its kind is"
            if why:
                remarks.append(f"warning: {file.name} is not read as a split: {why}")
            else:
                wide.append(file)
    found = found or ([] if lists else wide)
    if not found and not lists:
        return list(parts)
    if parts:
        shown = named([*found, *lists], there)
        remarks.append(f"a split came with the labels, {shown} is not read")
        return list(parts)
    if len(found) > 1:
        if len({re.sub(r"\d+", "", file.name) for file in found}) > 1:
            raise DataError(
                f"{found[0].parent}: expected one split file, found {named(found, there)}: leave "
                "one"
            )
        remarks.append(
            f"warning: {named(found, there)} are {len(found)} splits, of which none is read: "
            f"{SETTLED}, and takes one of them"
        )
        return []
    if found and lists:
        remarks.append(f"{named(lists, there)}: not read, as {found[0].name} names the split")
    if not found and why_not(lists):
        remarks.append(f"warning: {named(lists, there)}: not read as a split, {why_not(lists)}")
        return []
    name_of_it = named(found or lists, there)
    lines = split_rows(found[0]) if found else read_lists(lists, names)
    meant = meaning(lines, known)
    if not meant:
        words = listed(sorted({each.word for each in lines}))
        remarks.append(
            f"warning: {name_of_it} is not read: expected train, val and test or 0, 1 and 2, found "
            f"{words}; {SETTLED}"
        )
        return []
    file = found[0] if found else next(iter(lists))
    source = str(file.parent / name_of_it)
    assigned = assign(lines, names, source, meant)
    lacking = [name for name, word in zip(names, assigned.words, strict=True) if not word]
    if len(lacking) == len(names) and not known:
        remarks.append(
            f"warning: {name_of_it} is not read: it names none of the images ({lacking[0]!r:.60})"
        )
        return []
    if lacking:
        texts = [each for each in files if each not in (*found, *lists)]
        said = (
            f"{source}: expected a part for each image, found none for "
            f"{counted(len(lacking), 'image')} ({listed(lacking, 3)}): complete it, or move it away"
            f"{_named_in(texts, lacking)}"
        )
        if file not in wide:
            raise DataError(said)
        remarks.append(f"warning: {said}")
        return []
    how = f": {SAID}" if meant is NUMBERS else ""
    more = len({each.image for each in assigned.unknown})
    rest = f"; it names {counted(more, 'image')} more" if more else ""
    remarks.append(f"split of {name_of_it}{how}{rest}")
    return [meant[word] for word in assigned.words]


def _named_in(files: Sequence[Path], images: Sequence[str]) -> str:
    """Say which other list names images that a split lacks; nothing without one."""
    wanted = {image_id(name).rpartition("/")[2] for name in images}
    for file in files:
        if file.suffix.lower() != ".txt" or file.stat().st_size > _LONGEST:
            continue
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        own = {image_id(line.strip().rpartition("/")[2]) for line in lines}
        if own & wanted:
            return f"; {file.name} names {counted(len(own & wanted), 'image')} of these"
    return ""


def _may_be_meant(file: Path, among_splits: bool) -> bool:
    """Tell a file that is a split by its name, or by where it lies."""
    if file.name[0] != "." and file.suffix.lower() in _OTHER:
        return among_splits or bool(_NAMED.fullmatch(file.stem.lower()))
    plain = table_ending(file) in ENDINGS and file.name[0] != "."
    return plain and (among_splits or _is_named(file))
