"""Words of a split: what folders, files and fields say of an image's part, and which say nothing.

An image whose word names no part would be dropped, or learned from although somebody held it out.
So there is no split where one word names none, and that is said with how many images it is about.
Words such as ``holdout`` and ``eval`` mean validation to some and test to others: none is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from toolkit.data.readers.base import PARTS, part_named
from toolkit.errors import counted, listed

NUMBERS = {"0": "train", "1": "validation", "2": "test"}
SAID = "0, 1 and 2 are training, validation and test"
_FEW = 4
SETTLED = "split_file (--split-file) names the part of each image"


def numbered(words: Iterable[str]) -> bool:
    """Tell whether texts are 0, 1 and 2, each at least once.

    >>> numbered(["2", "0", "1.0"]), numbered(["0", "1"])
    (True, False)
    """
    return {word.removesuffix(".0") for word in words} == set(NUMBERS)


def part_of_field(word: str) -> str:
    """Return the part that a field of a label file tells, or an empty text."""
    return PARTS.get(word.strip().casefold(), "")


def part_of_folder(name: str) -> str:
    """Return the part that a folder's name tells, or an empty text.

    The whole name must: ``train_station`` is no part.

    >>> part_of_folder("Train2017"), part_of_folder("train_station")
    ('train', '')
    """
    return part_of_field(name.rstrip("0123456789").rstrip("-_ "))


def part_of_file(stem: str) -> str:
    """Return the part that the name of a file or of a whole split tells, or an empty text."""
    return part_of_field(stem) or part_named(stem)


def folder_words(names: Iterable[str]) -> list[str]:
    """Return, of paths, the names of the first folders in which they differ; blank without one.

    >>> folder_words(["images/train/a.jpg", "images/val/b.jpg"]), folder_words(["train/a.jpg"])
    (['train', 'val'], ['train'])
    """
    above = [name.split("/")[:-1] for name in names]
    depth, deepest = 0, min(map(len, above), default=0)
    while depth + 1 < deepest and len({tuple(steps[: depth + 1]) for steps in above}) == 1:
        depth += 1
    return [steps[depth] if len(steps) > depth else "" for steps in above]


def unsplit_folders(files: Sequence[str]) -> list[str]:
    """Return a warning where images lie in folders called as parts, of data without a split.

    One folder of several may be called so by chance, as one of pictures of a train.

    Args:
        files: of images.
    """
    words = folder_words(files)
    count = Counter(words)
    known = {part_of_folder(word) for word in count} - {""}
    if len(count) < 2 or not known or (len(known) == 1 and len(count) > _FEW):
        return []
    shown = listed((f"{word!r} ({counted(n, 'image')})" for word, n in count.items() if word), 4)
    return [f"warning: images lie in folders {shown}, and no split was read: {SETTLED}"]


def split_of(
    words: Sequence[str],
    kind: str,
    remarks: list[str],
    part: Callable[[str], str] = part_of_field,
    *,
    meant: bool = False,
) -> list[str]:
    """Return the part of each image by a word; nothing where one of the words names no part.

    Args:
        words: of n images; blank where nothing stands.
        kind: what the words are, such as "folder".
        remarks: is told which words name no part, of how many images; and what part a longer name
            is taken for.
        part: returns what a word names.
        meant: whether words are of a split for sure, so that it is said too that none names a part.
    """
    part_of = {word: part(word) for word in dict.fromkeys(words)}
    odd = [word for word, found in part_of.items() if not found]
    if odd:
        known = len(odd) < len(part_of)
        if known or (meant and any(odd)):
            remarks.append(_no_split(words, kind, odd, known))
        return []
    longer = [f"{w!r} is {found}" for w, found in part_of.items() if not part_of_field(w)]
    if longer:
        remarks.append(f"parts of the split: {listed(longer, 6)}")
    return [part_of[word] for word in words]


def _no_split(words: Sequence[str], kind: str, odd: Sequence[str], known: bool) -> str:
    count = Counter(words)
    shown = [f"{kind} {word!r} ({counted(count[word], 'image')})" for word in odd if word]
    shown += [f"no {kind} ({counted(count[''], 'image')})"] if count[""] else []
    return (
        f"{'warning: ' if known else ''}no split, as {listed(shown, 4)} "
        f"name{'s' if len(shown) == 1 else ''} no part of one: expected train, val and test; "
        f"rename it, or {SETTLED}"
    )
