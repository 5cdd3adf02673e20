"""XML files read piece by piece; entities, which could be bombs, are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.parsers import expat

from toolkit.errors import DataError

Start = Callable[[list[str], dict[str, str]], None]
End = Callable[[list[str], str], None]


def read_xml(file: Path, start: Start, end: End) -> None:
    """Read a file and call back at each element.

    Args:
        file: the file.
        start: called with the path of tags to an element, its own last, and its attributes.
        end: called with the path and the text right before the element's end.

    Raises:
        DataError: it is no XML, or declares entities.
    """
    path: list[str] = []
    text: list[str] = []

    def started(tag: str, attributes: dict[str, str]) -> None:
        path.append(tag)
        text.clear()
        start(path, attributes)

    def ended(_: str) -> None:
        end(path, "".join(text).strip())
        path.pop()
        text.clear()

    def entity(*_: object) -> None:
        raise DataError(f"{file} declares entities: such a file is not read")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = started, ended
    parser.CharacterDataHandler, parser.EntityDeclHandler = text.append, entity
    try:
        with file.open("rb") as opened:
            parser.ParseFile(opened)
    except (expat.ExpatError, OSError) as error:
        raise DataError(f"{file} cannot be read as XML: {error}") from error
