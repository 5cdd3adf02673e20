"""Places: where an annotation tool says an image lies, joined to a path that is there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from toolkit.data.readers.course import image_id
from toolkit.data.readers.finder import images_under
from toolkit.data.readers.part_words import part_of_folder
from toolkit.errors import counted, listed

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|/data/")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio puts it before an uploaded file's name


class Places:
    """The images in a folder, found by paths and addresses of another machine.

    Args:
        root: the folder.
        endings: whether names have the ending of a file; without, they are ids.

    Attributes:
        cut: names of which only the end is an image's path here, with that path.
    """

    def __init__(self, root: Path, endings: bool = True) -> None:
        files = images_under(root)
        self._there = set(files if endings else map(image_id, files))
        self._root = root.as_posix().rstrip("/") + "/"
        self._whole: dict[str, list[str]] = {}
        self._folded: dict[str, list[str]] = {}
        for each in self._there:
            for end in _ends(each):
                self._whole.setdefault(end, []).append(each)
                self._folded.setdefault(end.casefold(), []).append(each)
        self.cut: dict[str, str] = {}

    def find(self, name: str) -> str:
        """Return the longest end of a path or an address that is an image's path here, or its end.

        It must be that of one image alone, to the letter or else in other capitals, and not lie in
        the folder of another part of a split. Where nothing fits, the name comes back as it is.
        """
        plain = name
        # of a plain path a question mark or a number sign is part
        if _ADDRESS.match(name):
            address = urlsplit(name)
            plain = parse_qs(address.query).get("d", [unquote(address.path)])[0]
        plain = plain.replace("\\", "/")
        if plain.startswith(self._root) and plain[len(self._root) :] in self._there:
            return plain[len(self._root) :]
        steps = [step for step in plain.split("/") if step not in ("", ".")]
        ends = _ends("/".join(steps))
        if steps and _UPLOADED.match(steps[-1]):
            ends.append(_UPLOADED.sub("", steps[-1], count=1))
        for end in ends:
            whole = end in self._there and ("/" in end or end == plain)
            if whole or len(self._whole.get(end, ())) == 1:
                file = end if whole else self._whole[end][0]
                return self._taken(name, steps, file)
        for end in ends if len(steps) > 1 else ():  # of a bare name all names decide together
            found = self._folded.get(end.casefold(), ())
            if found and end not in self._whole:
                return self._taken(name, steps, found[0], True) if len(found) == 1 else name
        return name

    def _taken(self, name: str, steps: list[str], file: str, other: bool = False) -> str:
        named, own = (
            [part for part in map(part_of_folder, folders) if part][-1:]
            for folders in (steps[:-1], file.split("/")[:-1])
        )
        if named and own and named != own:
            return name  # train/1.jpg is not test/1.jpg
        if other or (len(steps) > 1 and not "/".join(steps).endswith(file)):
            self.cut[name] = file
        return file

    def said(self) -> list[str]:
        """Return a remark on names whose folders are not those of the image that was taken."""
        shown = listed((f"{name!r:.80} is {file}" for name, file in self.cut.items()), 3)
        many = counted(len(self.cut), "image")
        return (
            [f"{many} found in other folders or capitals than named ({shown})"] if self.cut else []
        )


def _ends(path: str) -> list[str]:
    """Return a path and its ends, the longest first.

    >>> _ends("a/b/c.jpg")
    ['a/b/c.jpg', 'b/c.jpg', 'c.jpg']
    """
    steps = path.split("/")
    return ["/".join(steps[first:]) for first in range(len(steps))]
