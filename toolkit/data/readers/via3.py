"""VIA 3's projects as those of VIA 2: the same images, regions and attributes, written otherwise.

Format: "Code Documentation for VIA Version 3" (Dutta 2019): ``file`` lists files, ``view`` which of
them are shown together, ``attribute`` names attributes and their options by numbers, and
``metadata`` holds what was noted of views: ``xy`` is a region, or empty where a whole image is
meant, ``av`` the attributes' values, of choices the options' numbers, several separated by commas.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from toolkit.errors import DataError, listed

LOOKS = re.compile(r'\s*\{\s*"project"\s*:\s*\{[^{}]*"(?:vid_list|rev_timestamp)"\s*:', re.DOTALL)
_TEXT, _IMAGE, _DELETED = 1, 2, 1


def as_via_2(document: Any, file: Path) -> Any:
    """Return a project of VIA 3's as VIA 2 writes it; another document as it is.

    Raises:
        DataError: it names videos or sounds, shows several files together, or is broken.
    """
    if not isinstance(document, dict) or "project" not in document:
        return document
    parts: dict[str, dict[str, Any]] = {}
    for name in ("file", "view", "attribute", "metadata"):
        parts[name] = _object(document.get(name, {}), f"{file}, {name!r}")
        for key, each in parts[name].items():
            _object(each, f"{file}, {name!r}, {key!r:.40}")
    _require_images(parts, file)
    names = {
        key: _name(each, f"{file}, 'file', {key!r:.40}") for key, each in parts["file"].items()
    }
    images: dict[str, dict[str, Any]] = {
        key: {"filename": name, "regions": [], "file_attributes": {}} for key, name in names.items()
    }
    shown = {key: str(each["fid_list"][0]) for key, each in parts["view"].items()}
    for key, each in parts["metadata"].items():
        place = f"{file}, 'metadata', {key!r:.40}"
        if each.get("flg", 0) == _DELETED:
            continue
        image = images.get(shown.get(str(each.get("vid")), ""))
        if image is None:
            found = repr(each.get("vid"))[:40]
            raise DataError(f"{place}: expected the view of an image, found {found}")
        given = _values(_object(each.get("av", {}), place), parts["attribute"], place)
        if each.get("xy"):
            image["regions"].append({"region_attributes": given})
        else:
            for name, labels in given.items():
                image["file_attributes"].setdefault(name, {}).update(labels)
    kinds: dict[str, dict[str, Any]] = {"region": {}, "file": {}}
    for each in parts["attribute"].values():
        kind = "region" if "XY1" in str(each.get("anchor_id")) else "file"
        if each.get("type") != _TEXT:
            options = dict.fromkeys(map(str, _object(each.get("options", {}), file).values()), "")
            kinds[kind].setdefault(str(each.get("aname")), {"options": {}})["options"] |= options
    return {"_via_img_metadata": images, "_via_attributes": kinds}


def _require_images(parts: dict[str, dict[str, Any]], file: Path) -> None:
    files = parts["file"].values()
    others = [str(each.get("fname")) for each in files if each.get("type") != _IMAGE]
    if others:
        raise DataError(
            f"{file}: expected images alone, found {len(others):,} of another kind "
            f"({listed(others, 3)}): take frames of videos out as images, and name these and their "
            "labels in a table"
        )
    for key, view in parts["view"].items():
        fids = view.get("fid_list")
        if not isinstance(fids, list) or len(fids) != 1 or str(fids[0]) not in parts["file"]:
            raise DataError(
                f"{file}, 'view', {key!r:.40}: expected one image of the project, found "
                f"{fids!r:.60}; what is noted of several together is a label of none: name images "
                "and labels in a table"
            )


def _name(each: dict[str, Any], place: str) -> str:
    name, source = each.get("fname"), each.get("src")
    if not isinstance(name, str) or not name.strip():
        raise DataError(f"{place}: expected fname, found {name!r:.60}")
    # the source may be the longer path; or the content itself
    whole = isinstance(source, str) and source.replace("\\", "/").endswith(f"/{name}")
    return str(source) if whole else name


def _values(given: dict[str, Any], attributes: dict[str, Any], place: str) -> dict[str, Any]:
    """Return the labels of each attribute, as choices that are true."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        attribute = attributes.get(key)
        if attribute is None:
            raise DataError(f"{place}: expected an attribute of the project, found {key!r:.40}")
        if not isinstance(value, str):
            raise DataError(f"{place}: expected a text in {key!r:.40}, found {value!r:.60}")
        labels = [value]
        if attribute.get("type") != _TEXT:
            options = _object(attribute.get("options", {}), place)
            chosen = [each for each in value.split(",") if each]
            odd = [each for each in chosen if each not in options]
            if odd:
                raise DataError(f"{place}: expected an option of the project, found {odd[0]!r:.40}")
            labels = [str(options[each]) for each in chosen]
        found.setdefault(str(attribute.get("aname")), {}).update(dict.fromkeys(labels, True))
    return found


def _object(value: Any, place: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected an object, as VIA 3 writes it, found {value!r:.60}")
    return value
