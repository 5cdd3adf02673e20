"""Labels from WebDataset: tars in which the files of one name, up to its first dot, are a sample.

Format: the WebDataset library's documentation ("The WebDataset Format"). A sample holds one image
and its labels: ``.json`` with an object as a row of a table (``labels``, ``tags``, ``classes`` or
the like, or a key of 0 and 1 per label), ``.cls`` with classes, numbers or names, separated by
blanks or commas, or ``.txt`` with labels, one a line or separated. The name is the image's id.
Images stay in the tars, which may lie at addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.data.readers.base import Format, Labelled, Options
from toolkit.data.readers.columns import LIST_NAMES, Rows, folded
from toolkit.data.readers.course import is_image_name
from toolkit.data.readers.json_file import loads
from toolkit.data.readers.label_lists import ask_separator, separator_of
from toolkit.data.readers.part_words import part_of_file, split_of
from toolkit.data.readers.samples import Samples, container, labelled
from toolkit.data.readers.shards import require_all, say_gaps, say_lacking, split_word
from toolkit.errors import DataError, counted, listed
from toolkit.images.addresses import is_address
from toolkit.images.containers import Columns
from toolkit.images.tars import COMPRESSED, Tar, compressed, read_through
from toolkit.storage.files import natural_key

KEY = "__key__"  # the format's own name for it
_LABELS = "labels"


Tars = Mapping[str, Tar | Columns]


class _Sample(NamedTuple):
    shard: str
    files: dict[str, str]  # ending to name in the tar


def read(path: Path, options: Options) -> Labelled:
    """Read one tar, or a folder of tars.

    Raises:
        DataError: a tar is damaged or compressed; a sample has two images or stands in two tars;
            none has labels; or see :func:`~toolkit.data.readers.samples.labelled`.
    """
    shards = list(map(str, _shards(path)))
    if path.is_dir():
        require_all(shards)
    root = path if path.is_dir() else path.parent
    return _read(str(path), shards, root, options)


def read_shards(address: str, shards: Sequence[str], options: Options) -> Labelled:
    """Read tars at addresses, each through once.

    Args:
        address: what was given, for messages.
        shards: address of each tar.
        options: as for all formats.

    Raises:
        DataError: as of :func:`read`, or a tar cannot be had.
    """
    said = say_lacking(address, shards)
    try:
        read_through(shards)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    return _read(address, shards, Path.cwd(), options, said)


def _read(
    path: str, shards: Sequence[str], root: Path, options: Options, said: Sequence[str] = ()
) -> Labelled:
    tars = {shard: container(shard) for shard in shards}
    samples, passed_over = _samples(tars, root)
    endings = {ending for sample in samples.values() for ending in sample.files}
    images = [_image(key, sample, root) for key, sample in samples.items()]
    places = [_place(sample.shard, root, key) for key, sample in samples.items()]
    if not any(images):
        raise DataError(f"{path}: expected samples with images, found endings {listed(endings)}")
    ending, how, header, cells = _labels(path, tars, list(samples.values()), endings, options)
    what = "labels, label_prefix, separator and absent are for"
    options.only(f"WebDataset ({what} its JSON)", *how)
    known = options if header != [_LABELS] else replace(options, labels=(_LABELS,), separator=None)
    rows = Rows(
        path,
        [KEY, *header],
        [[key, *line] for key, line in zip(samples, cells, strict=True)],
        places,
    )
    remarks = [*say_gaps(shards), *said]
    words = [split_word(sample.shard) for sample in samples.values()]
    parts = split_of(words, "split", remarks, part_of_file)
    others = endings - {"json", "cls", "txt"} - {e for e in endings if is_image_name(f"x.{e}")}
    if others:
        remarks.append(f"files left out, neither image nor labels: {listed(sorted(others))}")
    if ending == "txt" and options.separator is None:
        remarks += ask_separator([label for line in cells for label in line[0] or ()], path, ".txt")
    found = Samples(
        rows,
        images,
        parts if len(set(parts)) > 1 else (),
        [row for row, sample in enumerate(samples.values()) if ending not in sample.files],
        {},
        f"WebDataset, {counted(len(shards), 'tar')}",
        "webdataset",
        passed_over,
        remarks,
    )
    return labelled(root, found, replace(known, image_column=KEY))


def _shards(path: Path) -> list[Path]:
    if path.is_file():
        if not _is_tar(path):
            raise DataError(f"{path}: expected a tar, a file ending in .tar")
        found = [path]
    else:
        found = [each for each in path.rglob("*") if _is_tar(each) and each.is_file()]
        found = [e for e in found if not any(n[0] == "." for n in e.relative_to(path).parts)]
    refuse_compressed(map(str, found))
    if not found:
        raise DataError(f"{path}: expected tars, found none")
    return sorted(found, key=lambda each: natural_key(str(each)))


def refuse_compressed(shards: Iterable[str]) -> None:
    """Raise DataError where a tar is compressed."""
    for each in shards:
        why = compressed(each) if each.lower().endswith(COMPRESSED) else ""
        if why:
            raise DataError(why)


def _samples(tars: Tars, root: Path) -> tuple[dict[str, _Sample], list[str]]:
    samples: dict[str, _Sample] = {}
    passed_over: list[str] = []
    for shard, tar in tars.items():
        assert isinstance(tar, Tar)
        passed_over += [_place(shard, root, name) for name in tar.others]
        for name in tar.names:
            folder, _, file = name.rpartition("/")
            stem, _, ending = file.partition(".")
            if not stem or not ending or name.startswith("__MACOSX/"):
                passed_over.append(_place(shard, root, name))
                continue
            key = f"{folder}/{stem}" if folder else stem
            if not _is_text(key):
                raise DataError(f"{shard}: the name {name!a} is not UTF-8: rename it")
            sample = samples.setdefault(key, _Sample(shard, {}))
            if sample.shard != shard:
                raise DataError(
                    f"sample {key!r} is in {_place(sample.shard, root)} and in "
                    f"{_place(shard, root)}: names must differ over all tars"
                )
            if ending.lower() in sample.files:
                raise DataError(f"{_place(shard, root, name)} stands twice in its tar: once each")
            sample.files[ending.lower()] = name
    return samples, passed_over


def _image(key: str, sample: _Sample, root: Path) -> str | None:
    found = [name for ending, name in sample.files.items() if is_image_name(f"x.{ending}")]
    if len(found) > 1:
        raise DataError(
            f"sample {key!r} in {_place(sample.shard, root)} has {len(found)} images "
            f"({listed(found)}): one is needed"
        )
    return _place(sample.shard, root, found[0]) if found else None


def _labels(
    path: str, tars: Tars, samples: Sequence[_Sample], endings: set[str], options: Options
) -> tuple[str, tuple[str, ...], list[str], list[list[Any]]]:
    """Return where labels are, the options that apply, columns, and each sample's cells."""
    if "json" in endings:
        records = [_text_of(tars, sample, "json", _record) for sample in samples]
        keys = list(dict.fromkeys(key for each in records for key in each or ()))
        telling = options.labels or options.label_prefix is not None
        own = any(folded(key) in LIST_NAMES for key in keys)
        if telling or own or not {"cls", "txt"} & endings:
            cells = [[(each or {}).get(key) for key in keys] for each in records]
            return "json", ("labels", "label_prefix", "separator", "absent"), keys, cells
    if "cls" in endings:
        classes = [[_text_of(tars, sample, "cls", _classes)] for sample in samples]
        return "cls", ("absent",), [_LABELS], classes
    if "txt" not in endings:
        raise DataError(
            f"{path}: expected labels in .json, .cls or .txt beside the images, found endings "
            f"{listed(sorted(endings))}"
        )
    texts = [_text_of(tars, sample, "txt", lambda text, _: text) for sample in samples]
    by = options.separator or separator_of(texts)
    lists = [None if text is None else _listed(text, by) for text in texts]
    return "txt", ("separator", "absent"), [_LABELS], [[each] for each in lists]


def _text_of(tars: Tars, sample: _Sample, ending: str, parse: Callable[[str, str], Any]) -> Any:
    name = sample.files.get(ending)
    if name is None:
        return None
    tar = tars[sample.shard]
    place = f"{sample.shard}/{name}"
    try:
        return parse(tar.read(name).decode("utf-8-sig"), place)
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{place} is not UTF-8 text (byte {error.start})") from error


def _record(text: str, place: str) -> dict[str, Any]:
    """Return a JSON object; where its labels are an object themselves, that one."""
    try:
        found = loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: no JSON ({str(error)[:80]})") from error
    if not isinstance(found, dict):
        raise DataError(f"{place}: expected an object, found {text[:40]!r}")
    for key, value in found.items():
        if folded(key) in LIST_NAMES and isinstance(value, dict):
            found = value
            break
    return {key: value for key, value in found.items() if key != KEY}


def _classes(text: str, place: str) -> list[str]:
    found = [each for each in re.split(r"[\s,]+", text) if each]
    if not found:
        raise DataError(f"{place}: expected a class, found nothing")
    return found


def _listed(text: str, separator: str) -> list[str]:
    lines = text.splitlines()
    parts = [part for line in lines for part in (line.split(separator) if separator else [line])]
    return [part.strip() for part in parts if part.strip()]


def _place(shard: str, root: Path, name: str = "") -> str:
    own = shard if is_address(shard) else Path(shard).relative_to(root).as_posix()
    return own + (f"/{name}" if name else "")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith((".tar", *COMPRESSED))


def _recognises(path: Path) -> bool:
    if path.is_file():
        return _is_tar(path)
    if not path.is_dir():
        return False
    inside = list(path.iterdir())
    inside += [each for one in inside if one.is_dir() for each in one.iterdir()]
    others = (".csv", ".tsv", ".jsonl", ".ndjson", ".yaml")  # an archive may lie beside these
    return any(map(_is_tar, inside)) and not any(
        is_image_name(each.name) or each.suffix.lower() in others for each in inside
    )


WEBDATASET = Format(_recognises, read)
