"""Resolve: from what is asked for to a backbone's digest, without reading weights twice."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ArtifactError, WeightsError
from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.storage.artifacts import user_cache
from toolkit.storage.files import digest_of, read_json, write_json

if TYPE_CHECKING:
    from torch import nn

_NOTE_FORMAT = 2
Loaded = tuple[Backbone, "nn.Module"]


def resolve(request: BackboneSpec, artifacts: Path) -> tuple[Backbone, Callable[[], Loaded]]:
    """Name a backbone's weights without reading them, where they were read before.

    A note beside the embeddings, and one for a user's other artifacts folders, remember the digest
    for a request, the versions of the libraries and the weights file's size and time; a cache hit
    then needs no torch.

    Returns:
        The backbone, and a function that loads it with its network.

    Raises:
        UsageError: the name or an option is unknown.
        WeightsError: the weights cannot be had or do not fit.
    """
    request.check()
    folders = (artifacts / "embeddings" / "backbones", user_cache("backbones"))
    name = f"{_note_name(request)}.json"
    notes = [folder / name for folder in folders if folder is not None]
    known = next(filter(None, map(_noted, notes)), None)
    if known is None:
        loaded = _load_and_note(request, notes)
        return loaded[0], _Load(request, tuple(notes), loaded[0], loaded)
    return known, _Load(request, tuple(notes), known)


@dataclass(frozen=True)
class _Load:
    """Loads the network of a backbone that was named before; on another machine too."""

    request: BackboneSpec
    notes: tuple[Path, ...]
    noted: Backbone
    loaded: Loaded | None = None

    def __call__(self) -> Loaded:
        if self.loaded is not None:
            return self.loaded
        found = _load_and_note(self.request, self.notes)
        # the file's name is not part of what the weights are
        if replace(found[0], weights=self.noted.weights) != self.noted:
            raise WeightsError(
                f"the weights of {self.request.name} are not those that were found there before: "
                "run the command again to use the new ones"
            )
        return found

    def __getstate__(self) -> dict[str, Any]:
        # the network itself stays where it is
        return self.__dict__ | {"loaded": None}


def _noted(note: Path) -> Backbone | None:
    """Return the backbone that a note tells of, None where it is out of date or unreadable."""
    if not note.is_file():
        return None
    try:
        known = read_json(note, "the note on a backbone")
        fresh = (
            known.pop("digest") == digest_of(known)
            and known["format"] == _NOTE_FORMAT
            and known["versions"] == _versions()
            and _same_file(known["file"])
        )
        return Backbone.from_facts(known["backbone"]) if fresh else None
    except (ArtifactError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _load_and_note(request: BackboneSpec, notes: Sequence[Path]) -> Loaded:
    # torch is imported only where weights must be read
    from toolkit.features.loading import load

    backbone, module, file = load(request)
    facts = {
        "format": _NOTE_FORMAT,
        "versions": _versions(),
        "file": _file_facts(file),
        "backbone": backbone.facts(),
    }
    facts |= {"digest": digest_of(facts)}
    own, *shared = notes
    write_json(own, facts)
    for note in shared:
        with suppress(OSError):  # a full disk under the user's cache stops nothing
            write_json(note, facts)
    return backbone, module


def _note_name(request: BackboneSpec) -> str:
    weights = request.weights
    if weights not in ("default", "none"):
        weights = str(Path(weights).absolute())
    asked = digest_of(
        *(request.name, weights, request.pooling, request.crop, request.seed),
        *(["invert"] if request.invert else []),
        *([] if request.size is None else ["size", request.size]),
        *([] if request.layer == "last" else ["layer", request.layer]),
    )
    slug = "".join(c if c.isalnum() or c in "._-" else "-" for c in request.name)[:60]
    return f"{slug}-{asked[:12]}"


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("torch", "torchvision", "timm")}


def _file_facts(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    stat = os.stat(file)
    return {"path": str(file), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _same_file(facts: dict[str, Any] | None) -> bool:
    if facts is None:
        return True
    try:
        return _file_facts(Path(facts["path"])) == facts
    except OSError:
        return False
