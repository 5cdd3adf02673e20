"""Shards: files of one set that are numbered, such as ``train-00000-of-00004.parquet``.

A number that lacks means images that lack. Where names say how many there are, one that is not
there is an error; where they only count, a gap may be meant, and is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from toolkit.data.readers.part_words import part_of_file, part_of_folder
from toolkit.errors import DataError, counted, listed

_OF = re.compile(r"(.*?)[-_.]?(\d+)-of-(\d+)")  # as the hub, and writers of tars, name them
_COUNTED = re.compile(r"(.*?)(\d+)")
_MOST = 1_000_000  # numbers that are looked through


def bare_stem(name: str) -> str:
    """Return a file's name without ending and number.

    >>> bare_stem("extra-00000-of-00001.parquet"), bare_stem("d/train-07.tar"), bare_stem("7.tar")
    ('extra', 'train', '')
    """
    stem = PurePath(name).stem
    named = _OF.fullmatch(stem) or _COUNTED.fullmatch(stem)
    return (named[1] if named else stem).rstrip("-_.")


def split_word(name: str) -> str:
    """Return what a shard's path says of the split: a part, or else its name without number.

    >>> split_word("data/test_seen-00000-of-00001.parquet"), split_word("val/000.tar")
    ('test_seen', 'val')
    """
    own, folder = bare_stem(name), PurePath(name).parent.name
    return folder if not part_of_file(own) and part_of_folder(folder) else own


def require_all(names: Iterable[str]) -> None:
    """Raise DataError where a file is not there whose number the others' names tell."""
    said = lacking_of(names)
    if said:
        raise DataError(f"{said}: fetch the others, or give the path of one file")


def say_lacking(address: str, names: Sequence[str]) -> list[str]:
    """Return a warning where files lack that a person did not ask for; see :func:`require_all`.

    Args:
        address: as it was given. A folder, or a pattern with ``*``, asks for all there are.
        names: of the files that it stands for.
    """
    said = lacking_of(names)
    if said and ("*" in address or not PurePath(address.rpartition("/")[2]).suffix):
        require_all(names)
    return [f"warning: {said}"] if said else []


def lacking_of(names: Iterable[str]) -> str:
    """Return which file is not there whose number the others' names tell, or nothing."""
    for (start, end), there in _series(names, _OF).items():
        width = len(end.partition(".")[0].removeprefix("-of-"))
        most = int(end.partition(".")[0].removeprefix("-of-"))
        gone = (n for n in range(most) if n not in there) if most < _MOST else ()
        lacking = next(iter(gone), None)
        if lacking is not None:
            there_are = f"and {len(there)} of {most} such files are"
            return f"{start}{lacking:0{width}d}{end} is not there, {there_are}"
    return ""


def say_gaps(names: Sequence[str]) -> list[str]:
    """Return warnings on numbers that lack between those of files that only count.

    >>> say_gaps(["a-0.tar", "a-1.tar", "a-3.tar"])
    ['warning: of a-0.tar to a-3.tar 1 file is not there (2): fetch it, if it is of the data set']
    """
    found = []
    others = [name for name in names if not _OF.fullmatch(PurePath(name).stem)]
    for there in _series(others, _COUNTED).values():
        first, last = min(there), max(there)
        if len(there) < 2 or last - first >= _MOST:
            continue
        gone = [number for number in range(first, last) if number not in there]
        if gone:
            ends = f"{there[first]} to {there[last]}"
            them = "it, if it is" if len(gone) == 1 else "them, if they are"
            found.append(
                f"warning: of {ends} {counted(len(gone), 'file')} "
                f"{'is' if len(gone) == 1 else 'are'} not there ({listed(gone)}): fetch {them} of "
                "the data set"
            )
    return found


def _series(
    names: Iterable[str], pattern: re.Pattern[str]
) -> dict[tuple[str, str], dict[int, str]]:
    """Return the file names of each number, by what stands before and after the number."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    for name in names:
        path = PurePath(name)
        numbered = pattern.fullmatch(path.stem)
        if numbered:
            folder = name[: len(name) - len(path.name)]  # an address stays as it is written
            start = folder + path.stem[: numbered.start(2)]
            end = path.stem[numbered.end(2) :] + path.suffix
            found.setdefault((start, end), {})[int(numbered[2])] = path.name
    return found
