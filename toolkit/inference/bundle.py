"""Bundle: a folder that predicts without the artifacts; numbers and text only, nothing pickled."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from toolkit.errors import ArtifactError, UsageError
from toolkit.features.backbones import own_weights
from toolkit.inference.scorer import Parts
from toolkit.inference.scorers import Find
from toolkit.storage.files import (
    begin_folder,
    digest_file,
    read_json,
    replace_folder,
)
from toolkit.storage.manifest import read_manifest, write_manifest
from toolkit.storage.toml import dump_toml, load_toml

FORMAT = 2
CARD = "MODEL_CARD.md"
_MANIFEST = "bundle.json"


def is_bundle(folder: Path) -> bool:
    """Tell whether a folder was exported by this toolkit."""
    return (folder / _MANIFEST).is_file()


def export_bundle(
    find: Find,
    name: str,
    place: Path,
    *,
    thresholds: dict[str, float],
    card: str,
    overwrite: bool = False,
) -> list[str]:
    """Write a model, the members it is made of and its card to a folder.

    Weights that come with the install or from a public source are named by their digest, which is
    checked before the first image; a local weights file is copied.

    Args:
        find: gives the parts of members by name.
        name: the member or ensemble.
        place: the folder to write; it must not exist, unless it is a bundle, of the same model or
            with ``overwrite``.
        thresholds: label to tuned threshold.
        card: the model card, Markdown.
        overwrite: replace a bundle.

    Returns:
        The names of the members in it.

    Raises:
        UsageError: the folder is in the way.
    """
    if place.exists() and not is_bundle(place):
        raise UsageError(f"{place} is there already: choose another folder")
    place = place.absolute()
    building = begin_folder(place)
    try:
        members: dict[str, Any] = {}
        _add(find, name, building, members)
        facts = {
            "format": FORMAT,
            "model": name,
            "labels": list(find(name).labels),
            "thresholds": thresholds,
            "members": members,
        }
        digest = write_manifest(building / _MANIFEST, facts)
        if place.exists() and not overwrite:
            if not _holds(place, digest):
                raise UsageError(f"{place} is there already: replace it with overwrite")
            return list(members)
        (building / CARD).write_text(card, encoding="utf-8")
        replace_folder(building, place)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return list(members)


def open_bundle(folder: Path) -> tuple[Find, str, dict[str, float]]:
    """Check every file of a bundle; return what finds its members, its model's name and thresholds.

    Raises:
        ArtifactError: a file is missing, damaged or of another format version.
    """
    manifest = _manifest(folder)
    if manifest["format"] != FORMAT:
        raise ArtifactError(
            f"{folder} was exported by another version of the toolkit (expected format {FORMAT}, "
            f"found {manifest['format']}): export it again with 'toolkit export "
            f"{manifest['model']} {folder} --overwrite'"
        )
    members: dict[str, Any] = manifest["members"]

    def find(name: str) -> Parts:
        if name not in members:
            raise ArtifactError(f"{folder} holds no member {name}: export again")
        model = folder / "members" / name / "model"
        return Parts(
            name=name,
            kind=members[name]["kind"],
            source=members[name]["source"],
            labels=tuple(manifest["labels"]),
            digest=members[name]["predictions"],
            folder=model,
            recipe=load_toml(folder / "members" / name / "recipe.toml"),
            notes=read_json(model / "notes.json", f"the notes of {name}"),
            weights=lambda path: str(folder / PurePosixPath(path)),
        )

    return find, str(manifest["model"]), dict(manifest["thresholds"])


def _manifest(folder: Path) -> dict[str, Any]:
    again = "copy the folder again, or export again"
    return read_manifest(folder / _MANIFEST, f"the exported model {folder}", again)


def _holds(folder: Path, digest: str) -> bool:
    """Tell whether a bundle is whole and of that digest."""
    try:
        return bool(_manifest(folder)["digest"] == digest)
    except ArtifactError:
        return False


def _add(find: Find, name: str, building: Path, members: dict[str, Any]) -> None:
    if name in members:
        return
    parts = find(name)
    members[name] = {"kind": parts.kind, "source": parts.source, "predictions": parts.digest}
    folder = building / "members" / name
    (folder / "model").mkdir(parents=True)
    for file in parts.folder.iterdir():  # one by one: copytree's error hides that a disk is full
        shutil.copyfile(file, folder / "model" / file.name)
    recipe = dict(parts.recipe)
    asked = str(recipe.get("weights", "default"))
    if asked not in ("default", "none"):
        # networks trained on pictures hold all their weights; the file they began with is a name
        file = Path(parts.weights(asked))
        own = "pixels" in parts.notes.get("trunk", {})
        recipe["weights"] = file.name if own else _copy_weights(file, building)
    if "features" in recipe:
        recipe["features"] = [_bundled(each, parts, building) for each in recipe["features"]]
    (folder / "recipe.toml").write_text(dump_toml(recipe), encoding="utf-8")
    if parts.kind == "ensemble":
        for other in parts.notes["members"]:
            _add(find, other, building, members)


def _bundled(feature: str, parts: Parts, building: Path) -> str:
    name, own = own_weights(feature)
    return name if own is None else f"{name}@{_copy_weights(Path(parts.weights(own)), building)}"


def _copy_weights(file: Path, building: Path) -> str:
    if not file.is_file():
        raise UsageError(f"the weights file {file} is gone: put it back, then export again")
    copied = PurePosixPath("weights") / f"{digest_file(file).hex()[:12]}-{file.name}"
    target = building / copied
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(file, target)
    return str(copied)
