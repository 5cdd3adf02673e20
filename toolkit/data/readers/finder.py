"""Finder: the image files below a folder, found by what label files call them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from toolkit.data.readers.course import AMBIGUOUS, aliases, image_id, is_image_name, register
from toolkit.data.readers.part_words import part_of_file, part_of_folder
from toolkit.errors import DataError, counted, listed
from toolkit.images.addresses import is_address, is_local
from toolkit.images.places import in_container, is_there
from toolkit.storage.files import natural_key

_NUMBERED = re.compile(r"[A-Za-z_-]*(\d+)")


class Finder:
    """The images in a folder and those below it.

    Args:
        root: the folder.

    Attributes:
        there: the images, relative to the folder.
        strange: names that are not UTF-8, which no label file can give.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.strange = list[str]()
        self.there = images_under(root, self.strange)
        ids = [image_id(file) for file in self.there]
        bare = [image.rpartition("/")[2] for image in ids]
        # a name without a folder must fit one file of all folders, unless it is a whole path
        tails: dict[str, str] = {}
        for path in self.there:
            for tail in _tails(path):
                register(tails, {tail, image_id(tail)}, path)
        self._known = (
            tails
            | aliases(ids, self.there, self.there)
            | aliases(bare, self.there, self.there)
            | {file: file for file in self.there}
        )

    def find(self, name: str, addresses: bool = True, whole: bool = False) -> str:
        """Return the place of an image, or nothing where none or several are called so.

        By its path, by its place in a container, by an absolute path in the folder, or, where that
        fits one file alone, by the end of its path, its file name, its id, or the number in it;
        with folders parted by slashes or backslashes.

        Args:
            name: as a label file gives it.
            addresses: whether it may be an address that is read.
            whole: whether it is an image's place, whatever its ending.
        """
        inside = self.inside(name)
        file = self._known.get(name) or self._known.get(inside) or self._file(inside, whole)
        if not file and "\\" in name:  # as Windows writes paths
            inside = self.inside(slashed(name))
            own = self._known.get(slashed(name)) or self._known.get(inside)
            file = own or self._file(inside, whole)
        if not file and is_address(name):
            return name if addresses and not is_local(name) else ""
        if not file and inside and self._held(inside):
            return inside
        return file

    def several(self, name: str) -> list[str]:
        """Return the files that a name fits equally, where it fits several."""
        forms = {name, slashed(name), self.inside(slashed(name))} - {""}
        if not any(self._known.get(form) == AMBIGUOUS for form in forms):
            return []
        found = [file for form in sorted(forms) for file in self._by_end.get(form, ())]
        return sorted(set(found), key=natural_key)

    def in_other_capitals(self, name: str) -> list[str]:
        """Return the files that a name fits but for case: whole paths, else ends of paths."""
        if is_address(name):
            return []
        forms = list(map(_folded, (slashed(name), self.inside(slashed(name)))))
        for known in self._without_case:
            found = [file for form in dict.fromkeys(forms) for file in known.get(form, ())]
            if found:
                return sorted(set(found), key=natural_key)
        return []

    def by_case(self, name: str, said: list[str]) -> str:
        """Return the one file that a name fits but for case, and note it; else the name."""
        fits = self.in_other_capitals(name)
        if len(fits) != 1:
            return name
        said.append(f"{name!r:.80} is {fits[0]}")
        return fits[0]

    @cached_property
    def _by_end(self) -> dict[str, list[str]]:
        """The files by the ends of their paths, with the ending and without, and by number."""
        found: dict[str, list[str]] = {}
        for file in self.there:
            forms = {end for tail in (file, *_tails(file)) for end in (tail, image_id(tail))}
            digits = _NUMBERED.fullmatch(image_id(file).rpartition("/")[2])
            forms |= {digits[1], digits[1].lstrip("0") or "0"} if digits else set()
            for form in forms:
                found.setdefault(form, []).append(file)
        return found

    @cached_property
    def _without_case(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        whole: dict[str, list[str]] = {}
        ends: dict[str, list[str]] = {}
        for file in self.there:
            for known, forms in ((whole, (file,)), (ends, _tails(file))):
                for form in {_folded(end) for tail in forms for end in (tail, image_id(tail))}:
                    known.setdefault(form, []).append(file)
        return whole, ends

    def inside(self, name: str) -> str:
        """Return a path in the folder relative to it; a first folder of its name is taken off."""
        path = Path(name)
        if ".." in path.parts or is_address(name):
            return ""
        if path.is_absolute():
            within = path.is_relative_to(self.root)
            return path.relative_to(self.root).as_posix() if within else ""
        plain = os.path.normpath(name).replace(os.sep, "/")
        first, _, rest = plain.partition("/")
        if first != self.root.name or os.path.exists(self.root / plain) or self._held(plain):
            return plain
        return rest

    def _file(self, inside: str, any_ending: bool) -> str:
        """Return the path of an image file below the folder, or nothing."""
        named = inside and (any_ending or is_image_name(inside))
        there = named and os.path.isfile(self.root / inside)
        return inside if there else ""

    def _held(self, inside: str) -> bool:
        return in_container(inside) and is_there(str(self.root / inside))


def slashed(name: str) -> str:
    """Return a path with slashes, as Windows writes it with backslashes."""
    return name if is_address(name) else name.replace("\\", "/")


def say_case(said: Sequence[str]) -> list[str]:
    """Return a remark on images that were found in other capitals, as they were noted."""
    found = counted(len(said), "image")
    return [f"{found} found in other capitals than named ({listed(said, 3)})"] if said else []


def in_folder_of(word: str, files: Iterable[str]) -> str:
    """Return the one file that lies in a folder called as a word for a part, or nothing.

    >>> in_folder_of("instances_val2017", ["train2017/1.jpg", "val2017/1.jpg"])
    'val2017/1.jpg'
    """
    part, words = part_of_file(word), re.split(r"[\W_]+", word.casefold())

    def called(folder: str) -> bool:
        return folder.casefold() in words or (part != "" and part_of_folder(folder) == part)

    found = [file for file in files if any(map(called, file.split("/")[:-1]))]
    return found[0] if len(found) == 1 else ""


def _tails(path: str) -> Iterator[str]:
    """Yield the ends of a path that begin with a folder or the file, but for the whole."""
    for cut, letter in enumerate(path):
        if letter == "/":
            yield path[cut + 1 :]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


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
