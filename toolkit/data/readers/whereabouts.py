"""Whereabouts: why images that labels name are not there, and what a person may do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from toolkit.data.readers.course import IMAGE_SUFFIXES, is_image_name
from toolkit.errors import counted, listed
from toolkit.images.addresses import is_address
from toolkit.images.tars import compressed

_TRIED = 20  # of the missing images
_FOLDERS = 100
NUMBERS_HINT = (
    "names were read as numbers, and files have zeros before them: read the column as text, in "
    "pandas by dtype=str"
)
_LABELS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".xml", ".yaml", ".yml")


def hint(missing: Sequence[str], there: Sequence[str], root: Path) -> str:
    """Return what may help, to follow a sentence on missing images; nothing where nothing is known.

    Args:
        missing: names of images that are not there.
        there: images below ``root``.
        root: folder that names start from.
    """
    names = [name for name in missing[:_TRIED] if name and not is_address(name)]
    packed = next(filter(None, (compressed(str(root / name)) for name in names)), "")
    if packed:
        return f"; {packed}"
    unread = [name for name in names if os.path.isfile(root / name) and not is_image_name(name)]
    if unread:
        kind = Path(unread[0]).suffix or "without an ending"
        return f"; {unread[0]!r} is there, but files {kind} are not read as images"
    lower = {file.casefold(): file for file in there}
    for name in names:
        if name.casefold() in lower:
            return (
                f"; in other capitals {lower[name.casefold()]!r} is there: write names as the "
                "files are called"
            )
    shared = Path(os.path.commonpath(names)).parts if len({*map(os.path.isabs, names)}) == 1 else ()
    present = set(there)
    for cut in range(1, len(shared) + 1):
        if {"/".join(Path(name).parts[cut:]) for name in names} <= present:
            first = "/".join(shared[:cut]).replace("//", "/")
            return (
                f"; without {first + '/'!r} they are there: take it off the names, or give the "
                "folder that name"
            )
    for whole in (True, False):
        near = dict.fromkeys(islice(_near(root), _FOLDERS) if names else ())
        found = [each for each in near if all(_lies_in(each, name, whole) for name in names)]
        if found:
            return lie_in(found, "root (--root)", whole or not any(map(os.path.dirname, names)))
    if not there:
        archives = _archives(root)
        way = "root (--root) names the folder that holds them"
        if archives:
            way = f"unpack {listed(archives, 3)}, if it holds them, or {way}"
        return f"; no images lie below {root}: {way}"
    otherwise = _otherwise(names, there)
    if otherwise:
        return otherwise
    for name in names:
        begun = [file for file in there if _begins(file.rpartition("/")[2], name)]
        if len(begun) > 1:
            return (
                f"; of {name!r} there are {len(begun)} files ({listed(map(repr, begun), 4)}): an "
                "image is one file, so write what follows the name of one of them into the names "
                "too, or merge these files"
            )
        if begun:
            return f"; of such a name there is {begun[0]!r}: names must be whole, or without ending"
    return ""


def _otherwise(names: Sequence[str], there: Sequence[str]) -> str:
    """Say how names would fit: without folders, with another ending, as text or without labels."""
    ends = [name.replace("\\", "/").rpartition("/")[2] for name in names]
    known: dict[str, list[str]] = {}
    for file in there:
        last = file.rpartition("/")[2]
        for form in {last, last.casefold(), os.path.splitext(last)[0].casefold()}:
            known.setdefault(form, []).append(file)

    def fit(forms: Sequence[str]) -> bool:
        return bool(forms) and all(len(known.get(form, ())) == 1 for form in forms)

    if ends != list(names) and fit(ends):
        return (
            f"; {known[ends[0]][0]!r} is there: take the folders off the names, as each of these "
            "fits one file without them"
        )
    lower = [end.casefold() for end in ends]
    stems = [os.path.splitext(end)[0] if is_image_name(end) else end for end in lower]
    if stems != lower and fit(stems):
        return (
            f"; with another ending {known[stems[0]][0]!r} is there: write names as the files are "
            "called, or without endings"
        )
    if _numbers(lower, known):
        return f"; {NUMBERS_HINT}"
    longer = [end.rpartition("_") for end in lower if not is_image_name(end)]
    if len(longer) == len(lower) > 1 and fit([before for before, _, _ in longer]):
        labels = dict.fromkeys(repr(name.rpartition("_")[2]) for name in names)
        return (
            f"; {known[longer[0][0]][0]!r} is there: where names end in labels ({listed(labels, 3)}"
            "), cut them into two columns first, in pandas by frame[column].str.rsplit('_', n=1, "
            "expand=True)"
        )
    return ""


def _numbers(names: Sequence[str], known: Mapping[str, Sequence[str]]) -> bool:
    """Tell names that are numbers of files whose names begin with zeros."""
    numbers = [as_number(name) for name in names]
    stripped = {stem.lstrip("0") or "0" for stem in known if stem.isdecimal()}
    return bool(numbers) and all(number and number in stripped for number in numbers)


def as_number(name: str) -> str:
    """Return a whole number that a name is, as text, or nothing.

    >>> as_number("7.0"), as_number("im7")
    ('7', '')
    """
    bare = name.removesuffix(".0")
    return (bare.lstrip("0") or "0") if bare.isdecimal() else ""


def _archives(root: Path) -> list[str]:
    """Return the names of archives in a folder that are no plain tars."""
    endings = (".zip", ".7z", ".rar", ".tar.gz", ".tgz")
    try:
        return sorted(name for name in os.listdir(root) if name.lower().endswith(endings))
    except OSError:
        return []


def lie_in(folders: Sequence[Path], option: str, whole: bool = True) -> str:
    """Say in which folders files of such names lie; many data sets number their images alike.

    Args:
        folders: one or more.
        option: what names the folder.
        whole: whether names are paths in them, or have further folders.
    """
    off = "" if whole else ", and take the folders off the names"
    if len(folders) == 1:
        return (
            f"; files of such names lie in {folders[0]}: if they are these images, name it by "
            f"{option}{off}"
        )
    above = Path(os.path.commonpath(folders))
    names = listed((each.relative_to(above).as_posix() for each in folders), 3) + ", folders"
    where = names if len(folders) <= 3 else counted(len(folders), "folder")
    return (
        f"; files of such names lie in {where} in {above}: name the one that holds these images by "
        f"{option}{off}"
    )


def _near(root: Path) -> Iterator[Path]:
    """Yield folders in which images may lie: the working one, those above and those beside.

    Not those that hold labels of their own, unless they are above: theirs are other images.
    """
    try:
        beside = sorted(root.parent.iterdir())
    except OSError:
        beside = []
    for each in (Path.cwd(), root.parent, *beside):
        above = root.is_relative_to(each)
        if each != root and each.is_dir() and (above or not holds_labels(each)):
            yield each


def holds_labels(folder: Path) -> bool:
    """Tell a folder with labels of its own, or of artifacts."""
    try:
        names = os.listdir(folder)
    except OSError:
        return True
    return any(
        name.lower().endswith(_LABELS) or name in ("annotations", "datasets") for name in names
    )


def _lies_in(folder: Path, name: str, whole: bool) -> bool:
    place = os.path.join(folder, name.removeprefix("/") if whole else Path(name).name)
    if is_image_name(name):
        return os.path.isfile(place)
    return any(os.path.isfile(f"{place}{ending}") for ending in IMAGE_SUFFIXES)


def _begins(file: str, name: str) -> bool:
    bare = name.rpartition("/")[2]
    rest = file.removeprefix(bare)
    return len(bare) > 3 and bool(rest) and rest != file and not rest[0].isalnum()
