"""Labels from Hugging Face data sets on disk, and images in columns of Parquet and Arrow files.

Formats: what ``save_to_disk`` of the library ``datasets`` writes (``state.json`` names Arrow files,
``dataset_info.json`` has the features, ``dataset_dict.json`` the splits, one folder each), and
Parquet as on the hub (``data/train-00000-of-00001.parquet``). Features also stand in the schema's
metadata under ``huggingface``. An image is bytes, or a structure of ``bytes`` and ``path``; labels
are a ClassLabel, a list of them, a list of texts, or columns of 0 and 1. Read with pyarrow alone;
images stay in the files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from toolkit.data.readers.base import PARTS, Format, Labelled, Options, part_named
from toolkit.data.readers.columns import LIST_NAMES, Rows, folded
from toolkit.data.readers.course import image_id
from toolkit.data.readers.hub_features import (
    INFO,
    Names,
    features_of,
    named,
    names_of_classes,
    read_object,
    require_numbers,
    type_of,
)
from toolkit.data.readers.parquet_files import holds_images
from toolkit.data.readers.part_words import part_of_file, split_of
from toolkit.data.readers.samples import Samples, container, first_twice, labelled
from toolkit.data.readers.shards import require_all, say_gaps, say_lacking, split_word
from toolkit.errors import DataError, counted, listed
from toolkit.images.addresses import is_address, is_local
from toolkit.images.containers import Columns, holds_bytes
from toolkit.storage.files import natural_key

_ID = "id"
_UNKNOWN = "unknown"  # a list of classes that nobody looked at, as data export writes it
_DICT, _STATE = "dataset_dict.json", "state.json"
Shards = list[tuple[str, Path | str]]  # split and file, as text at an address


def read(path: Path, options: Options) -> Labelled:
    """Read a folder that ``save_to_disk`` wrote, a folder of Parquet shards, or one such file.

    Raises:
        DataError: a file is missing or damaged; no column or several are of images or of labels; a
            class has no name; or see :func:`~toolkit.data.readers.samples.labelled`.
    """
    own_root = path if path.is_dir() else path.parent
    return _read(str(path), _shards(path), own_root, options)


def read_shards(address: str, shards: Sequence[str], options: Options) -> Labelled:
    """Read Parquet files at addresses.

    Args:
        address: what was given, for messages.
        shards: address of each file.
        options: as for all formats; paths instead of bytes start from ``root``.

    Raises:
        DataError: as of :func:`read`, or a file cannot be had.
    """
    said = say_lacking(address, shards)
    return _read(address, _by_split(shards), options.root or Path.cwd(), options, said)


def _read(
    path: str, shards: Shards, own_root: Path, options: Options, said: Sequence[str] = ()
) -> Labelled:
    options.only(
        "columns of images",
        *("image_column", "labels", "label_prefix", "separator", "absent", "root"),
    )
    root = Path(os.path.commonpath([own_root, options.root or own_root]))
    files = [(split, file, _columns(file)) for split, file in shards]
    features = [features_of(file, columns) for _, file, columns in files]
    image = _image_column(files[0], features[0], options)
    header = [
        field.name for field in files[0][2].schema if field.name != image and _plain(field.type)
    ]
    names = names_of_classes(features[0], header, shards[0][1])
    for (_, file, columns), each in zip(files, features, strict=True):
        lacking = [name for name in (image, *header) if name not in columns.schema.names]
        if lacking or names_of_classes(each, header, file) != names or image not in columns.images:
            raise DataError(
                f"{file} and {shards[0][1]} differ in columns or names of classes "
                f"({listed(lacking or ['classes'])}): they are not of one data set"
            )
    places, cells, paths, splits = list[str | None](), list[list[Any]](), list[Any](), list[str]()
    words = list[str]()
    numbers: dict[str, int] = {}
    for split, file, columns in files:
        rows, own_paths = _rows(file, columns, image, header, names)
        empty = set(_empty(file, columns, image))
        at = file if isinstance(file, str) else file.relative_to(root).as_posix()
        places += [
            _file(options.root or own_root, own, root) if n in empty else f"{at}/{image}/{n}"
            for n, own in enumerate(own_paths)
        ]
        cells += rows
        paths += own_paths
        first = numbers.get(split, 0)
        numbers[split] = first + columns.rows
        splits += [split] * columns.rows
        called = split_word(str(file))
        words += [called if part_of_file(called) or not split else split] * columns.rows
    ids, how = _ids(paths, splits, numbers)
    own_ids = _own_ids(cells, header, files[0][2])
    if own_ids:
        ids, how = own_ids, "the column id"
    where = [f"row {row}" for split in numbers for row in range(numbers[split])]
    where = [f"{split} {text}".strip() for split, text in zip(splits, where, strict=True)]
    remarks = [*say_gaps([str(file) for _, file in shards]), *said]
    remarks += _say_folders([file for _, file in shards])
    parts = split_of(words, "split", remarks, part_of_file)
    chosen = _label_column(path, header, names, files[0][2], options)
    unlooked = header.index(_UNKNOWN) if _unknown(names, chosen) else None
    left = [f.name for f in files[0][2].schema if f.name != image and f.name not in header]
    # what is used already is no metadata
    used = {_ID if own_ids else "", _UNKNOWN if unlooked is not None else ""}
    kept = [at for at, name in enumerate(header) if name not in used]
    if left:
        remarks.append(f"columns left out, of other types: {listed(left)}")
    rows_found = Rows(
        path,
        [image, *(header[at] for at in kept)],
        [[name, *(line[at] for at in kept)] for name, line in zip(ids, cells, strict=True)],
        where,
    )
    own = header.index(chosen[0]) if len(chosen) == 1 and chosen[0] in header else None
    lists = own is not None and (
        chosen[0] in names or _is_list(files[0][2].schema.field(chosen[0]).type)
    )
    found = Samples(
        rows_found,
        places,
        parts if len(set(parts)) > 1 else (),
        [row for row, line in enumerate(cells) if lists and line[own or 0] is None],
        names,
        f"columns of images, {counted(len(files), 'file')}, ids from {how}",
        "huggingface",
        remarks=remarks,
        unknown=[] if unlooked is None else [line[unlooked] or () for line in cells],
    )
    return labelled(root, found, replace(options, image_column=image, labels=chosen))


def _say_folders(files: Sequence[Path | str]) -> list[str]:
    """Return a warning where files of one name lie in several folders, as of several subsets."""
    folders: dict[str, set[str]] = {}
    for file in map(str, files):
        if file.lower().endswith(".parquet"):
            folders.setdefault(split_word(file), set()).add(PurePath(file).parent.name)
    several = {word: sorted(own) for word, own in folders.items() if len(own) > 1}
    return [
        f"warning: files{f' of {word!r}' if word else ''} lie in several folders, and all are read "
        f"({listed(own, 4)}): give the path of one for it alone"
        for word, own in list(several.items())[:1]
    ]


def _shards(path: Path) -> Shards:
    if path.is_file():
        if path.suffix.lower() not in (".parquet", ".arrow"):
            raise DataError(f"{path}: expected a file ending in .parquet or .arrow")
        return [("", path)]
    if (path / _DICT).is_file():
        splits = read_object(path / _DICT).get("splits")
        if not isinstance(splits, list) or not splits:
            raise DataError(f"{path / _DICT}: expected a list of splits, found {splits!r:.60}")
        return [each for split in splits for each in _saved(path / str(split), str(split))]
    if (path / _STATE).is_file():
        return _saved(path, "")
    found = _parquet(path)  # one that is damaged, or of another kind, is refused, not left out
    if not any(map(holds_images, found)):
        raise DataError(f"{path}: expected Parquet files with a column of images, found none")
    require_all(map(str, found))
    return _by_split(found)


def _by_split(files: Sequence[Path | str]) -> Shards:
    """Return files with the splits that their names say, split by split."""
    paths = [PurePath(file) for file in files]
    splits = [part_named(path.stem) or PARTS.get(path.parent.name.lower(), "") for path in paths]
    order = sorted(set(splits), key=splits.index)
    return [
        (split, f) for split in order for f, own in zip(files, splits, strict=True) if own == split
    ]


def _parquet(path: Path) -> list[Path]:
    found = [each for each in path.rglob("*.parquet") if each.is_file()]
    found = [e for e in found if not any(name[0] == "." for name in e.relative_to(path).parts)]
    return sorted(found, key=lambda each: natural_key(str(each)))


def _saved(folder: Path, split: str) -> Shards:
    listed_files = read_object(folder / _STATE).get("_data_files")
    given = [each.get("filename") for each in listed_files or () if isinstance(each, dict)]
    names = [name for name in given if isinstance(name, str)]
    if not names or len(names) < len(listed_files or ()):
        raise DataError(f"{folder / _STATE}: expected _data_files with names, found {given!r:.60}")
    strange = [name for name in names if PurePath(name).name != name or name[-6:] != ".arrow"]
    if strange:
        raise DataError(
            f"{folder / _STATE}: expected files of its folder ending in .arrow, found "
            f"{strange[0]!r:.60}"
        )
    return [(split, folder / name) for name in names]


def _columns(file: Path | str) -> Columns:
    found = container(file)
    assert isinstance(found, Columns)
    if not found.rows:
        raise DataError(f"{file} holds no rows: leave it out")
    return found


def _image_column(
    first: tuple[str, Path | str, Columns], features: dict[str, Any], options: Options
) -> str:
    _, file, columns = first
    if options.image_column is not None:
        if options.image_column not in columns.images:
            raise DataError(
                f"{file}: column {options.image_column!r} holds no images; columns of bytes: "
                f"{listed(columns.images) or 'none'}"
            )
        return options.image_column
    declared = [name for name in columns.images if type_of(features.get(name)) == "Image"]
    found = declared or columns.images
    if len(found) != 1:
        raise DataError(
            f"{file}: expected one column of images (bytes, or bytes and path), found "
            f"{listed(found) or 'none'} among {listed(columns.schema.names, 12)}: "
            "name it by image_column"
        )
    return found[0]


def _plain(kind: Any) -> bool:
    """Tell whether a column can be of labels: numbers, truth, texts, or lists of these."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    texts = (pa.types.is_string, pa.types.is_large_string)
    return any(test(kind) for test in (*tests, *texts))


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(lists or pa.types.is_fixed_size_list(kind))


def _label_column(
    source: str, header: Sequence[str], names: Names, columns: Columns, options: Options
) -> tuple[str, ...]:
    """Return the column of labels, or nothing where the usual names and columns of 0 and 1 tell."""
    if options.labels or options.label_prefix is not None:
        return options.labels
    lists = [name for name in header if _is_list(columns.schema.field(name).type)]
    for found in (list(names), lists):
        usual = [name for word in LIST_NAMES for name in found if folded(name) == word]
        if usual or len(found) == 1:
            return ((usual or found)[0],)
        if found:
            raise DataError(
                f"{source}: columns {listed(found)} may all be labels: name one by labels"
            )
    return ()


def _rows(
    file: Path | str, columns: Columns, image: str, header: Sequence[str], names: Names
) -> tuple[list[list[Any]], list[Any]]:
    """Return the cells of all rows, classes by name in lists, and the paths of the images."""
    kind = columns.schema.field(image).type
    whole = holds_bytes(kind) == "struct" and kind.get_field_index("path") >= 0
    try:
        table = columns.values([*header, *([f"{image}.path"] if whole else [])])
        paths = [None] * columns.rows
        if whole:
            import pyarrow.compute as pc

            paths = pc.struct_field(table.column(image), "path").to_pylist()
        lists = [table.column(name).to_pylist() for name in header]
    except (OSError, ValueError) as error:  # a text that is not UTF-8
        text = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{file} cannot be read: {text}") from error
    for at, name in enumerate(header):
        if name in names:
            require_numbers(lists[at], names[name], f"{file}, column {name!r}")
            lists[at] = [
                named(cell, names[name], f"{file}, row {row}, column {name!r}")
                for row, cell in enumerate(lists[at])
            ]
    rows = [list(row) for row in zip(*lists, strict=True)] if lists else [[] for _ in paths]
    return rows, paths


def _unknown(names: Names, chosen: Sequence[str]) -> bool:
    """Tell whether a column lists the labels that nobody looked at."""
    return (
        len(chosen) == 1
        and chosen[0] != _UNKNOWN
        and _UNKNOWN in names
        and names[_UNKNOWN] == names.get(chosen[0])
    )


def _own_ids(cells: Sequence[Sequence[Any]], header: Sequence[str], first: Columns) -> list[str]:
    """Return the texts of a column ``id`` where each row has one and they differ."""
    import pyarrow as pa

    if _ID not in header or not pa.types.is_string(first.schema.field(_ID).type):
        return []
    found = [line[header.index(_ID)] for line in cells]
    return found if all(found) and first_twice(found) is None else []


def _file(folder: Path, path: Any, root: Path) -> str | None:
    """Return what stands instead of bytes: a file below the folder, or an address."""
    if not isinstance(path, str) or not path:
        return None
    if is_address(path):
        return None if is_local(path) else path
    whole = Path(os.path.normpath(folder / path))
    inside = whole.is_relative_to(folder) and os.path.isfile(whole)
    return whole.relative_to(root).as_posix() if inside else None


def _empty(file: Path | str, columns: Columns, image: str) -> list[int]:
    try:
        return columns.empty_rows(image)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error


def _ids(
    paths: Sequence[Any], splits: Sequence[str], numbers: dict[str, int]
) -> tuple[list[str], str]:
    """Return ids: the images' own file names where all have one and they differ, else row numbers.

    Those are counted within a split, after its name where there are several.
    """
    own = [image_id(path if path[0] != "/" else PurePath(path).name) for path in paths if path]
    if len(own) == len(paths) and first_twice(own) is None:
        return own, "file names"
    counted_rows = [str(row) for split in numbers for row in range(numbers[split])]
    if len(numbers) == 1:
        return counted_rows, "row numbers"
    pairs = zip(splits, counted_rows, strict=True)
    return [f"{split}/{row}" if split else row for split, row in pairs], "splits and row numbers"


def _recognises(path: Path) -> bool:
    if path.is_file():
        ending = path.suffix.lower()
        return ending == ".arrow" or (ending == ".parquet" and holds_images(path))
    if not path.is_dir():
        return False
    if (path / _DICT).is_file() or ((path / _STATE).is_file() and (path / INFO).is_file()):
        return True
    if any(each.is_dir() and each.name in ("images", "annotations") for each in path.iterdir()):
        return False
    return any(map(holds_images, _parquet(path)[:3]))


HUGGINGFACE = Format(_recognises, read)
