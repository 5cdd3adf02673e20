"""Labels from COCO's instances: an image carries a category if any annotation of it does.

Format: Lin et al. 2014, "Microsoft COCO: Common Objects in Context" (images, annotations,
categories; annotations of crowds count). Every category was looked for in every image, so an image
without annotations has none. Where images list ``neg_category_ids``, as those of LVIS do (Gupta,
Dollár & Girshick 2019), only these were looked for and not found: the others are unknown. Several
files in ``annotations/`` are the parts of a split, and so are folders ``train``, ``valid`` and
``test`` with a file and its images in each; so is ``split`` of the images of one file, as in
Karpathy & Fei-Fei 2015. Fields of images that are not of the format are kept as metadata.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from toolkit.data.readers.base import ID_KEY, Format, Labelled, Options, part_named
from toolkit.data.readers.course import check_labels
from toolkit.data.readers.finder import slashed
from toolkit.data.readers.join import joined, matrix, unknown_cells
from toolkit.data.readers.json_file import HEAD, json_head, read_json
from toolkit.data.readers.metadata import metadata_of_objects
from toolkit.data.readers.part_words import part_of_file, part_of_folder, split_of
from toolkit.errors import DataError, counted
from toolkit.images.addresses import is_address

_NAME = "file_name"
_URLS = ("coco_url", "flickr_url", "url")
_OWN = {  # what the format says of an image, and LVIS of its own
    *("id", "file_name", "width", "height", "license", "date_captured", "split", ID_KEY, *_URLS),
    *("neg_category_ids", "not_exhaustive_category_ids"),
}
_KEYS = ("images", "annotations", "categories")
# COCO's own files of other tasks, which lie next to the instances
_OTHER = re.compile(r"(captions|person_keypoints|keypoints|panoptic|stuff|image_info)_")


def read(path: Path, options: Options) -> Labelled:
    """Read one file of instances, or a folder with such files in ``annotations/`` or next to it.

    ``image_column`` of the options names the key of an image's place, such as ``coco_url``.

    Raises:
        DataError: a file is none of COCO's, or see :func:`~toolkit.data.readers.join.joined`.
    """
    options.only("COCO", "absent", "root", "image_column")
    key = options.image_column or _NAME
    files = [path] if path.is_file() else _files(path)
    root = options.root or (path if path.is_dir() else _root(path))
    remarks = list[str]()
    documents = [_document(file) for file in files]
    if key == _NAME:
        remarks += _name_by_addresses(documents)
    categories = _categories(documents, files)
    names, words, yes, no = list[str](), list[str](), list[set[str]](), list[set[str]]()
    ids, more, named_by = list[str](), list[dict[str, Any]](), list[str]()
    annotations, boxes = 0, 0
    flat = len({file.parent for file in files}) == 1
    federated = any(
        "neg_category_ids" in each for document in documents for each in _images(document)
    )
    for file, document in zip(files, documents, strict=True):
        given: dict[Any, set[str]] = {}
        for each in document["images"]:
            if not _has(each, "id", key):
                raise DataError(f"{file}: expected images with id and {key}, found {each!r:.60}")
            if each["id"] in given:
                raise DataError(f"{file}: image id {each['id']!r} stands twice")
            given[each["id"]] = set()
            names.append(_from_root(file, str(each[key]), root))
            ids.append(str(each.get(ID_KEY, "")))
            more.append({name: cell for name, cell in each.items() if name not in {*_OWN, key}})
            words.append(str(each.get("split") or ""))
            named_by.append(file.stem if part_named(file.stem) or flat else file.parent.name)
            no.append(_looked_for(each, categories, file))
        for each in document["annotations"]:
            try:
                given[each["image_id"]].add(categories[each["category_id"]])
            except (KeyError, TypeError) as error:
                raise DataError(
                    f"{file}: an annotation names an image or a category that is not there: "
                    f"{each!r:.80}"
                ) from error
        annotations += len(document["annotations"])
        boxes += sum("bbox" in each for each in document["annotations"])
        yes += given.values()
        clash = next((pair for pair in zip(names, yes, no, strict=True) if pair[1] & pair[2]), None)
        if clash is not None:
            raise DataError(
                f"{file}: {clash[0]!r} has {min(clash[1] & clash[2])!r}, and has it among its "
                "neg_category_ids"
            )
    labels = check_labels(set(categories.values()))
    absent = options.absent or ("unknown" if federated else "no")
    Y = matrix(yes, labels, absent, no)
    bare = next((name for name, word in zip(names, words, strict=True) if not word), None)
    if any(words) and bare is not None:
        raise DataError(
            f"{path}: expected a split of each image, as some have one; {bare!r} has none"
        )
    parts = list[str]()
    if any(words):
        parts = split_of(words, "split", remarks, meant=True)
    elif len(files) > 1:
        parts = split_of(named_by, "file", remarks, part_of_file, meant=True)
    metadata = metadata_of_objects(more, remarks)
    drawn = counted(annotations, "annotation")
    if boxes == annotations:
        drawn = f"{boxes:,} box{'' if boxes == 1 else 'es'}"
    return joined(
        str(path),
        root,
        names,
        Y,
        labels,
        options,
        parts=parts,
        facts={"layout": "coco", "annotations": None},
        found=f"COCO: {len(labels):,} categor{'y' if len(labels) == 1 else 'ies'}, "
        f"{counted(len(names), 'image')}, {drawn} → "
        f"{int((Y == 1).sum()):,} image labels" + unknown_cells(Y),
        remarks=remarks,
        own_ids=ids if any(ids) else (),
        metadata=metadata,
        way_on=_addresses(documents) if key == _NAME else "",
        near=words if any(words) else named_by,
    )


def _has(each: Any, *keys: str) -> bool:
    """Tell an object that has a number or a text by each key."""
    return isinstance(each, dict) and all(isinstance(each.get(key), int | str) for key in keys)


def _images(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in document["images"] if isinstance(each, dict)]


def _addresses(documents: Sequence[dict[str, Any]]) -> str:
    """Say where images may be read from that are not on this machine."""
    first = [_images(document)[0] for document in documents if _images(document)]
    known = (key for key in _URLS if all(is_address(str(each.get(key))) for each in first))
    key = next(known, "") if first else ""
    if not key:
        return ""
    return f"; image_column={key!r} (--image-column {key}) reads images from their addresses"


def _looked_for(image: dict[str, Any], categories: dict[Any, str], file: Path) -> set[str]:
    """Return the categories that an image is said not to have."""
    try:
        return {categories[each] for each in image.get("neg_category_ids", ())}
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{file}: neg_category_ids of an image name a category that is not there: {image!r:.80}"
        ) from error


def _files(folder: Path) -> list[Path]:
    for place in (folder / "annotations", folder):
        found = sorted(place.glob("*.json"))
        others = [file for file in found if not _OTHER.match(file.stem.lower())]
        own = [file for file in others if "instances" in file.name]
        own = own or [file for file in others if _looks(file)]
        if own:  # what is begun as they are, or called as a part, is read or refused
            return [file for file in others if file in own or _looks(file) or _may_be_meant(file)]
    inner = _inner(folder)
    if inner:
        return inner
    raise DataError(f"{folder}: expected COCO's instances in annotations/, found none")


def _name_by_addresses(documents: Sequence[dict[str, Any]]) -> list[str]:
    """Name images without ``file_name`` by the last folder and file of ``coco_url``, as in LVIS."""
    bare = [
        each
        for document in documents
        for each in _images(document)
        if _NAME not in each and is_address(str(each.get(_URLS[0])))
    ]
    for each in bare:
        each[_NAME] = "/".join(str(each[_URLS[0]]).split("/")[-2:])
    if not bare:
        return []
    many = counted(len(bare), "image")
    return [f"{many} without {_NAME}, looked for by the end of {_URLS[0]} ({bare[0][_NAME]!r:.80})"]


def _inner(folder: Path) -> list[Path]:
    """Return the files in the folders of a split's parts, and of others there, as of Roboflow."""
    folders = [e for e in sorted(folder.iterdir()) if e.is_dir() and e.name[0] != "."]
    first = (islice(sorted(each.glob("*.json")), 3) for each in folders)  # there may be thousands
    found = [next(filter(_looks, each), None) for each in first]
    files = [file for file in found if file is not None]
    return files if any(part_of_folder(file.parent.name) for file in files) else []


def _from_root(file: Path, name: str, root: Path) -> str:
    """Return an image's path from the root, where it lies next to its file in a folder below."""
    if file.parent == root or not file.is_relative_to(root) or is_address(name):
        return name
    whole = file.parent / slashed(name)
    return whole.relative_to(root).as_posix() if whole.is_file() else name


def _may_be_meant(file: Path) -> bool:
    """Tell a file that is called as a part, and lacks a list or is no JSON."""
    if not part_named(file.stem):
        return False
    try:
        read_json(file)
    except DataError:
        return True
    return _resembles(file)


def _root(file: Path) -> Path:
    return file.parent.parent if file.parent.name == "annotations" else file.parent


def _document(file: Path) -> dict[str, Any]:
    document = read_json(file)
    if not isinstance(document, dict) or not all(isinstance(document.get(k), list) for k in _KEYS):
        raise DataError(f"{file}: expected lists named {', '.join(_KEYS)}, as COCO has them")
    return document


def _categories(documents: Sequence[dict[str, Any]], files: Sequence[Path]) -> dict[Any, str]:
    found: dict[Any, str] = {}
    for file, document in zip(files, documents, strict=True):
        for each in document["categories"]:
            if not _has(each, "id", "name"):
                raise DataError(f"{file}: expected categories with id and name, found {each!r:.60}")
            if found.setdefault(each["id"], str(each["name"])) != str(each["name"]):
                raise DataError(f"{file}: category {each['id']!r} has two names")
    if len(set(found.values())) < len(found):
        raise DataError(f"{files[0]}: two categories have one name")
    return found


def _looks(path: Path) -> bool:
    """Tell COCO's files by their beginning, or by the keys of short ones."""
    text = json_head(path)
    return sum(f'"{key}"' in text for key in _KEYS) >= (1 if len(text) >= HEAD else 3)


def _recognises(path: Path) -> bool:
    if path.is_file():
        return _looks(path) or _resembles(path)
    places = (path / "annotations", path)
    if any(_looks(file) for place in places for file in place.glob("*.json")):
        return True
    return path.is_dir() and bool(_inner(path))


def _resembles(path: Path) -> bool:
    """Tell a file that is COCO's but for a list: one to be refused as such."""
    head = json_head(path).lstrip()
    return head[:1] == "{" and sum(f'"{key}"' in head for key in _KEYS) == 2


COCO = Format(_recognises, read)
