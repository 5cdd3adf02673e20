"""Label lists: what one cell says of several labels, in the ways that people and tools write it."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.data.readers.json_file import RepeatedKeyError, loads, object_of
from toolkit.errors import DataError, listed

_SEPARATORS = ("|", ";", ",")
_SENTENCE = 4  # words of a text that may be a caption
_FURTHER = ("/", "+", "&", ":")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_POINT = re.compile(r"(-?[01])[.,]0+")  # 1.00 is 1
YES = {"1", "1.0", "1,0", "true", "t", "yes", "y"}
NO = {"0", "0.0", "0,0", "false", "f", "no", "n"}
UNKNOWN = {"-1", "-1.0", "-1,0"}
BLANK = {"", "nan", "none", "null", "na", "n/a", "<na>", "?"}


def value_of(cell: Any) -> int | None:
    """Return 1, 0 or -1 for what a cell says; None where it says nothing of a label.

    A blank cell is -2: what it means depends.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return -2
    text = str(cell).strip().casefold()
    for value, words in ((1, YES), (0, NO), (-1, UNKNOWN), (-2, BLANK)):
        if text in words:
            return value
    same = _POINT.fullmatch(text)
    return int(same[1]) if same else None


def separator_of(cells: Sequence[Any]) -> str:
    """Return what separates labels in texts: the commonest of ``|``, ``;`` and ``,``, or none."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()[:1] not in ("[", "{")]
    counts = {each: sum(each in text for text in texts) for each in _SEPARATORS}
    best = max(counts, key=lambda each: counts[each])
    return best if counts[best] else ""


def ask_mixed(cells: Sequence[Any], separator: str, source: str, column: str) -> list[str]:
    """Say where names that a guessed separator leaves hold another usual one.

    Returns:
        A warning, as names may well hold a comma.

    Raises:
        DataError: a part of such a name is a label by itself, so that two separators are mixed.
    """
    texts = {
        part.strip(): cell
        for cell in cells
        if isinstance(cell, str) and cell.strip()[:1] not in ("[", "{", "(")
        for part in cell.split(separator)
    }
    others = [sign for sign in _SEPARATORS if sign != separator]
    mixed = {part: cell for part, cell in texts.items() if any(sign in part for sign in others)}
    if not mixed:
        return []
    shown = listed((repr(each[:60]) for each in dict.fromkeys(mixed.values())), 3)
    said = (
        f"column {column!r} holds {shown}: cut at {separator!r} this leaves the labels "
        f"{listed((repr(part[:40]) for part in mixed), 3)}"
    )
    way = "separator (--separator) names the sign between labels"
    parts = {each.strip() for part in mixed for sign in others for each in part.split(sign)}
    if parts & (set(texts) - set(mixed)) - {""}:
        raise DataError(f"{source}: {said}; {way}, or write one sign throughout")
    return [f"warning: {said}; {way} if they are several"]


def ask_commas(cells: Sequence[Any], separator: str, source: str, column: str) -> None:
    """Raise DataError where a guessed comma would cut the one label of a row, as names hold commas.

    Of images in several rows. Where every part is a label by itself somewhere, it is a list.
    """
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    held = sorted({text for text in texts if separator == "," in text and text[:1] not in ("[{(")})
    whole = {text for text in texts if "," not in text}
    odd = [text for text in held if not whole.issuperset(map(str.strip, text.split(",")))]
    if odd:
        raise DataError(
            f"{source}: images stand in several rows, and cells of column {column!r} hold commas "
            f"({listed((repr(text[:60]) for text in odd), 3)}): separator=',' (--separator ,) cuts "
            "them into labels, separator='|' (--separator '|') leaves each one label; "
            f"a column that says yes or no of each is named with it, labels={column},... (--labels)"
        )


def ask_separator(cells: Sequence[Any], source: str, column: str) -> list[str]:
    """Say where texts without a usual separator may have another.

    Returns:
        A remark where blanks may separate labels; a warning where half the texts are as long as
        sentences.

    Raises:
        DataError: blanks most likely do (there are no more words than texts), or a sign does
            between what are texts by themselves.
    """
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    known = {text for text in texts if text and text[0] not in "[{("}
    for sign in _FURTHER:
        parts = {text: [part.strip() for part in text.split(sign)] for text in known}
        joined = [text for text, each in parts.items() if len(each) > 1 and known.issuperset(each)]
        if joined:
            raise DataError(_which(source, column, sorted(joined), sign))
    several = sorted(text for text in known if len(text.split()) > 1)
    if several and len({word for text in known for word in text.split()}) <= len(known):
        raise DataError(_which(source, column, several, " "))
    shown = listed((repr(text[:40]) for text in several), 3)
    way = "separator=' ' (--separator ' ') takes each word for one"
    prose = 2 * sum(len(text.split()) >= _SENTENCE for text in known) >= len(known)
    sign = "warning: " if prose else ""
    return [f"{sign}labels hold blanks ({shown}); {way}"] if several else []


def _which(source: str, column: str, samples: Sequence[str], sign: str) -> str:
    shown = listed((repr(text[:40]) for text in samples), 3)
    return (
        f"{source}: column {column!r} holds {shown}: separator={sign!r} (--separator '{sign}') "
        "takes them for several labels, separator='|' for one each"
    )


def is_open(cell: Any) -> bool:
    """Tell a cell of a list that says that nothing is known of the image's labels."""
    return isinstance(cell, str) and cell.strip() == "?"


def labels_in(cell: Any, separator: str, place: str) -> dict[str, int]:
    """Return the labels in a cell with what it says of each: 1 yes, 0 no, -1 unknown.

    A cell is a list or a set of names; an object of values by name; the text of one of these as
    JSON, Python or NumPy write it; or names with a separator between them.

    Raises:
        DataError: it is a vector of numbers, or an object with other values, or cannot be read.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return {}
    if not isinstance(cell, str):
        return _of_object(cell, place)
    text = cell.strip()
    if text.casefold() in BLANK or text in ("set()", "()"):
        return {}
    if text[0] + text[-1] in ("[]", "{}", "()"):
        try:
            found = _parsed(text)
        except RepeatedKeyError as error:
            raise DataError(f"{place}: {error}") from error
        if found is not None:
            return _of_object(found, place)
        if text[0] != "(":
            raise DataError(f"{place}: expected a list of labels, found {text[:60]!r}")
    if re.match(r"array\(\s*\[", text):
        raise DataError(f"{place}: expected a list of labels, found an array's text {text[:60]!r}")
    each = [part.strip() for part in (text.split(separator) if separator else [text])]
    if "?" in each:
        raise DataError(
            f"{place}: expected names of labels, found '?' among them in {text[:60]!r}: a cell of "
            "'?' alone says that nothing is known of the image; leave others out, or give an "
            'object such as {"cat": 1, "dog": -1}'
        )
    return dict.fromkeys((_unquoted(label) for label in each if label), 1)


def refuse_vectors(cells: Sequence[Any], source: str, column: str) -> None:
    """Raise DataError where all cells are vectors of 0 and 1 of one length, a place for a label."""
    lengths = set()
    for cell in cells:
        if isinstance(cell, str):
            text = cell.strip()
            cell = _parsed(text) if text[:1] == "[" and text[-1:] == "]" else None
            if cell is None:
                return
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            continue
        if not isinstance(cell, list | tuple | np.ndarray) or not len(cell):
            return
        if any(isinstance(each, str) or each not in (0, 1) for each in cell):
            return
        lengths.add(len(cell))
    if len(lengths) == 1 and lengths.pop() > 1:
        raise DataError(
            f"{source}: column {column!r} holds vectors of 0 and 1, which name no labels: give "
            "lists of names, or a column of 0 and 1 for each label"
        )


def _of_object(given: Any, place: str) -> dict[str, int]:
    if isinstance(given, Mapping) and set(given) == {"choices"}:  # as Label Studio's CSV has them
        given = given["choices"] if isinstance(given["choices"], list) else given
    if isinstance(given, Mapping):
        return _of_values(given.items(), place)
    if not isinstance(given, Iterable):
        whole = isinstance(given, float | np.floating) and float(given).is_integer()
        return {str(int(given) if whole else given): 1}  # pandas makes 16.0 of 16 beside blanks
    each = list(given)
    if each and all(isinstance(pair, tuple) and len(pair) == 2 for pair in each):  # Arrow's map
        return _of_values(each, place)
    if any(isinstance(one, bool | np.bool_ | float | np.floating) for one in each) or (
        len(set(map(str, each))) < len(each) and not any(isinstance(one, str) for one in each)
    ):
        raise DataError(
            f"{place}: expected names of labels, found a vector of numbers ({str(each)[:60]}): "
            "give lists of names, or a column of 0 and 1 for each label"
        )
    odd = [one for one in each if not isinstance(one, str | int | np.integer)]
    if odd:
        raise DataError(f"{place}: expected names of labels, found {str(odd[0])[:60]!r} among them")
    return dict.fromkeys((str(one).strip() for one in each), 1)


def _of_values(pairs: Iterable[tuple[Any, Any]], place: str) -> dict[str, int]:
    found = {}
    for name, cell in pairs:
        value = value_of(cell)
        if value is None:
            raise DataError(
                f"{place}: expected 1, 0 or -1 for label {str(name)[:60]!r}, found "
                f"{str(cell)[:40]!r}"
            )
        found[str(name).strip()] = max(value, -1)
    return found


def _parsed(text: str) -> Any:
    """Return what a text means in JSON, Python or as NumPy prints arrays of texts, else None."""
    try:
        return loads(text)
    except RepeatedKeyError:
        raise
    except ValueError:
        pass
    try:
        tree = ast.parse(text, mode="eval")
        found = ast.literal_eval(tree)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if isinstance(found, dict) and isinstance(tree.body, ast.Dict):
        object_of([(ast.literal_eval(key), None) for key in tree.body.keys if key])
    if isinstance(found, list) and found and all(isinstance(each, str) for each in found):
        # NumPy leaves commas out, and Python joins the texts: ['cat' 'dog']
        quoted = _QUOTED.findall(text)
        if len(quoted) > len(found):
            return [ast.literal_eval(each) for each in quoted]
    return found if isinstance(found, list | tuple | set | dict) else None


def _unquoted(label: str) -> str:
    quoted = len(label) > 2 and label[0] == label[-1] and label[0] in "'\""
    return label[1:-1] if quoted else label
