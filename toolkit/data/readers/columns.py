"""Columns: which of a table's name images, a split and labels, by their names and their cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.data.readers.base import PARTS, Options
from toolkit.data.readers.course import is_image_name
from toolkit.data.readers.label_lists import value_of
from toolkit.data.readers.part_words import numbered
from toolkit.errors import DataError, listed

# as folded() writes them; the first that a table has counts
IMAGE_NAMES: tuple[str, ...] = (
    *("image", "file", "filename", "filepath", "path", "img", "imageid", "imagepath"),
    *("imagename", "imageindex", "imagefile", "imagefilename", "imgname", "imgpath", "imgfile"),
    *("fname", "imgid", "id"),
)
SPLIT_NAMES: tuple[str, ...] = ("split", "subset", "set", "partition", "part", "splitname")
# of columns of yes and no, as fastai has them: what yes says; no is training
FLAG_NAMES = {
    **{"isvalid": "validation", "isval": "validation", "isvalidation": "validation"},
    **{"isdev": "validation", "istest": "test", "istesting": "test"},
}
DOUBTFUL_NAMES = (*FLAG_NAMES, "istrain", "istraining")
BARE_NAMES = ("train", "training", "val", "valid", "validation", "test")  # a train is a label too
NUMBERED_NAMES = ("split", "partition", "splitname")  # "part" or "set" may number other things
LIST_NAMES: tuple[str, ...] = (
    *("labels", "tags", "label", "classes", "categories", "class", "category", "labelname"),
    *("labelnames", "tag", "targets", "target", "attributes", "attributeids", "findinglabels"),
    *("findings", "genres", "genre", "keywords", "concepts"),
)
# of columns that say yes or no of the label in a row; those of labels in tables that were melted
VERDICT_NAMES: tuple[str, ...] = (
    *("value", "present", "ispresent", "presence", "verified", "isverified", "confidence"),
    *("score", "probability", "prob", "conf", "positive", "ispositive", "correct", "iscorrect"),
    *("verdict", "answer", "truth", "applies", "exists", "relevant", "isrelevant", "haslabel"),
)
_MELTED = ("variable", "attribute", "concept")
_WHOLE = re.compile(r"-?\d{1,18}")
_SEVERAL = re.compile(r"[|;,\s]")


@dataclass(frozen=True)
class Rows:
    """A table as it was read.

    Attributes:
        source: its name, for messages.
        header: names of the columns.
        cells: of each row, as many as columns.
        places: where each row stands, such as "labels.csv, line 7".
        remarks: what a person should know of how it was read.
    """

    source: str
    header: list[str]
    cells: list[list[Any]]
    places: list[str]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Chosen:
    """Columns of labels.

    Attributes:
        names: of the columns.
        lists: whether they hold lists; there may be several where they were named.
        remarks: what a person should know of the choice.
        hidden: columns of yes and no beside that one.
        verdict: the column that was named to say yes or no of each row's label.
    """

    names: list[str]
    lists: bool = False
    remarks: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    verdict: str | None = None


def folded(name: str) -> str:
    """Return a column's name without what people write differently.

    >>> folded("Image Index"), folded(" file_name"), folded("ImageID")
    ('imageindex', 'filename', 'imageid')
    """
    return re.sub(r"[\s_-]+", "", name).casefold()


def usual_column(names: Sequence[object]) -> str | None:
    """Return the column that has a usual name of one of images, or None.

    >>> usual_column(["label", "File Name"]), usual_column(["label"])
    ('File Name', None)
    """
    known = {folded(str(name)): str(name) for name in reversed(names)}
    return next((known[name] for name in IMAGE_NAMES if name in known), None)


def image_column(rows: Rows, options: Options) -> int:
    """Return which column names images.

    Raises:
        DataError: none does, or two have that name but for case.
    """
    exact = [name.strip().casefold() for name in rows.header]
    names = exact
    wanted: tuple[str, ...] = (str(options.image_column).casefold(),)
    if options.image_column is None:
        names, wanted = [folded(name) for name in rows.header], IMAGE_NAMES
    known = [names.index(name) for name in wanted if name in names]
    if len(known) > 1:  # one of yes and no is a label, where another names images
        apart = [at for at in known if not mostly_values([line[at] for line in rows.cells])]
        known = apart or known
    if known:
        at = known[0]
        if exact.count(exact[at]) > 1:
            raise DataError(
                f"{rows.source} has two columns named {exact[at]!r} but for case: rename one"
            )
        return at
    shown = [name[:40] for name in rows.header[:8]]
    if options.image_column is None and any(map(is_image_name, rows.header)):
        raise DataError(
            f"{rows.source} has no header, its first line is {shown}: put a line with names of "
            "columns before it, such as image,labels; or header=False (--no-header) reads it so"
        )
    raise DataError(
        f"{rows.source} needs a column 'image' (or {', '.join(IMAGE_NAMES[1:])}; or name it by "
        f"image_column, --image-column); its header is {shown}"
    )


def split_column(columns: dict[str, list[Any]], flags: Sequence[str] = ()) -> str | None:
    """Return the column of a split, or None.

    Args:
        columns: cells by name.
        flags: columns that may be one of yes and no, such as ``is_valid``.
    """
    for name, cells in columns.items():
        words = {str(cell).strip().casefold() for cell in cells}
        if folded(name) in SPLIT_NAMES and words & set(PARTS):
            return name
        if folded(name) in NUMBERED_NAMES and numbered(words):
            return name
    if set(SPLIT_NAMES) & set(map(folded, columns)):
        return None
    found = [name for name in flags if folded(name) in DOUBTFUL_NAMES]
    said = {value_of(cell) for name in found for cell in columns[name]}
    sure = len(found) == 1 and folded(found[0]) in FLAG_NAMES and said == {0, 1}
    return found[0] if sure else None


def flags_in(columns: Sequence[str], options: Options) -> list[str]:
    """Return the columns that are not named as labels: those may be a split of yes and no."""
    prefix = options.label_prefix
    return [
        name
        for name in columns
        if name not in options.labels and not (prefix and name.startswith(prefix))
    ]


def label_columns(
    rows: Rows, columns: dict[str, list[Any]], options: Options, own: bool = False
) -> Chosen:
    """Return the columns of labels, or the one that holds lists of them.

    Of a table that we made, ``own``, each label has a column; one of lists was added to it.

    Raises:
        DataError: a column that was named is not there, or none looks like labels.
    """
    if options.labels:
        lacking = [name for name in options.labels if name not in columns]
        if lacking:
            raise DataError(
                f"{rows.source} has no column {listed(map(repr, lacking))}; its header is "
                f"{[name[:40] for name in rows.header[:12]]}"
            )
        long, verdict = _long([*options.labels], columns)
        if verdict is not None:
            return Chosen([long], True, verdict=verdict)
        lists = options.separator is not None
        lists = lists or all(holds_lists(columns[name]) for name in options.labels)
        return Chosen(list(options.labels), lists)
    if options.label_prefix is not None:
        found = [name for name in columns if name.startswith(options.label_prefix)]
        if not found:
            raise DataError(
                f"{rows.source} has no column that begins with {options.label_prefix!r}"
            )
        return Chosen(found)
    values = [name for name, cells in columns.items() if name.strip() and mostly_values(cells)]
    values = [name for name in values if not _is_fold(name, columns[name])]
    for word in () if own and values else LIST_NAMES:
        for name, cells in columns.items():
            if folded(name) == word and (options.separator or holds_lists(cells)):
                return _lists(name, values, columns)
    _ask_classes(rows.source, values, columns, own)
    melted = any(folded(name) in VERDICT_NAMES for name in columns) and not own
    if melted and all(folded(name) in VERDICT_NAMES for name in values):
        for name, cells in columns.items():
            if folded(name) in _MELTED and holds_lists(cells):
                return _lists(name, values, columns)
    if values:
        blank = [name for name in values if all(value_of(cell) == -2 for cell in columns[name])]
        said = f"blank in every row, and so labels that nobody knows of: {listed(blank)}; "
        said += "labels (--labels) names the columns that count"
        return Chosen(values, False, [said] if blank else [])
    samples = {name: [str(cell)[:20] for cell in cells[:3]] for name, cells in columns.items()}
    raise DataError(
        f"{rows.source}: no column is of labels; found "
        f"{samples or 'none besides images and a split'}: name columns of 0 and 1, or one with "
        "lists of labels, by labels (--labels)"
    )


def mostly_values(cells: Sequence[Any]) -> bool:
    """Tell whether half the cells that are not blank, or more, say yes, no or unknown."""
    values = [value_of(cell) for cell in cells]
    said = [value for value in values if value != -2]
    return not (None in values and counts(cells)) and 2 * sum(
        value is not None for value in said
    ) >= len(said)


def _is_fold(name: str, cells: Sequence[Any]) -> bool:
    """Tell numbers of folds; those of two alone by a name that no label can have."""
    several = any(value_of(cell) is None for cell in cells)
    return name == "fold" or (folded(name) in ("fold", "folds", "kfold") and several)


def counts(cells: Sequence[Any]) -> bool:
    """Tell whole numbers of which a quarter or more are no yes or no, and one is above 2."""
    said = [str(cell).strip().removesuffix(".0") for cell in cells if value_of(cell) != -2]
    if not said or not all(map(_WHOLE.fullmatch, said)):
        return False
    others = sum(value_of(cell) is None for cell in said)
    several = len(set(said)) > 2
    return several and 4 * others >= len(said) and max(map(int, said)) > 2


def _ask_classes(
    source: str, values: Sequence[str], columns: dict[str, list[Any]], own: bool
) -> None:
    """Raise DataError where a column called as those of classes holds three or more of them."""
    for name in () if own else values:
        said = {str(cell).strip() for cell in columns[name] if value_of(cell) != -2}
        odd = sorted(cell for cell in said if value_of(cell) is None)
        if folded(name) in LIST_NAMES and odd and len(said) > 2:
            raise DataError(
                f"{source}: column {name!r} holds {listed(sorted(said), 4)}, which may be classes "
                "or yes and no: separator='|' (--separator '|') takes each for a label; for yes "
                f"and no write 1, 0 and -1 for unknown (not {odd[0][:40]!r}), or name the columns "
                "of labels by labels (--labels)"
            )


def holds_lists(cells: Sequence[Any]) -> bool:
    """Tell whether cells name labels: most say neither yes nor no, or one holds several names."""
    return not mostly_values(cells) or any(
        value_of(cell) is None and (not isinstance(cell, str) or _SEVERAL.search(cell.strip()))
        for cell in cells
    )


def _long(named: list[str], columns: dict[str, list[Any]]) -> tuple[str, str | None]:
    """Return a column of labels and one that says yes or no of them, where two such were named."""
    if len(named) == 2:
        for label, verdict in (named, named[::-1]):
            cells = columns[verdict]
            plain = all(value_of(cell) is not None for cell in cells)
            if plain and not mostly_values(columns[label]):
                return label, verdict
    return named[0], None


def _lists(chosen: str, values: Sequence[str], columns: dict[str, list[Any]]) -> Chosen:
    """Choose a column of lists, and say which others look like labels."""
    hidden = [
        name
        for name in values
        if name != chosen and any(value_of(cell) in (0, 1) for cell in columns[name])
    ]
    return Chosen([chosen], True, hidden=hidden)


def say_hidden(chosen: str, hidden: Sequence[str], repeated: bool) -> list[str]:
    """Return a warning on columns of yes and no beside one of lists, or of one label a row."""
    way = "takes these instead"
    if repeated and hidden:
        way = f"{chosen},{hidden[0]} reads that one as yes or no of each row's label"
    said = (
        f"warning: labels are those of column {chosen!r}; columns of yes and no beside it are "
        f"metadata ({listed(hidden)}): labels (--labels) {way}"
    )
    return [said] if hidden else []
