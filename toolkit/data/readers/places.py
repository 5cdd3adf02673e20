"""Places: where an annotation tool says an image lies, joined to a path that is there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from toolkit.data.readers.course import image_id
from toolkit.data.readers.finder import images_under

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|/data/")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio puts it before an uploaded file's name


class Places:
    """The images in a folder, found by paths and addresses of another machine.

    Args:
        root: the folder.
        endings: whether names have the ending of a file; without, they are ids.
    """

    def __init__(self, root: Path, endings: bool = True) -> None:
        files = images_under(root)
        self._there = set(files if endings else map(image_id, files))
        self._root = root.as_posix().rstrip("/") + "/"
        self._ends = Counter(end for each in self._there for end in _ends(each))

    def find(self, name: str) -> str:
        """Return the longest end of a path or an address that is an image's path here, or its end.

        It must be that of one image alone. Where nothing fits, the name comes back as it is.
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
            if whole or self._ends[end] == 1:
                return end
        return name


def _ends(path: str) -> list[str]:
    """Return a path and its ends, the longest first.

    >>> _ends("a/b/c.jpg")
    ['a/b/c.jpg', 'b/c.jpg', 'c.jpg']
    """
    steps = path.split("/")
    return ["/".join(steps[first:]) for first in range(len(steps))]
