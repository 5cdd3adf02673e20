"""Backbones: names, weights, preprocessing, and the network that gives pooled features."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ArtifactError, UsageError, WeightsError
from toolkit.images.preprocess import CROPS, Preprocess
from toolkit.storage.files import digest_of, read_json, write_json

if TYPE_CHECKING:
    from torch import nn

DEFAULT = "efficientnet_lite0"
BUNDLED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
PAPER = ("alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg16", "densenet121", "squeezenet1_0")
POOLINGS = ("default", "avgmax")
VIEWS = ("original", "hflip")
_NOTE_FORMAT = 2
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Backbone:
    """A network with one set of weights, named by the digest of those weights.

    Attributes:
        name: ``efficientnet_lite0``, a torchvision name, ``timm/<name>`` or ``basic_cnn``.
        weights: ``bundled``, ``pretrained``, ``none`` (a random start) or a file's name.
        digest: SHA-256 of the state dict without its classifier.
        preprocess: the transform that the weights expect.
        pooling: ``default``, or ``avgmax`` for average and maximum pooling side by side.
        dim: width of a feature vector.
    """

    name: str
    weights: str
    digest: str
    preprocess: Preprocess
    pooling: str
    dim: int

    @property
    def title(self) -> str:
        """Name for tables; it says so when the weights are a random start."""
        return f"{self.name} (random weights)" if self.weights == "none" else self.name

    def facts(self) -> dict[str, Any]:
        """Return JSON-able facts from which :meth:`from_facts` rebuilds."""
        return {
            "name": self.name,
            "weights": self.weights,
            "digest": self.digest,
            "preprocess": self.preprocess.facts(),
            "pooling": self.pooling,
            "dim": self.dim,
        }

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Backbone:
        """Rebuild from :meth:`facts`."""
        return cls(**(facts | {"preprocess": Preprocess.from_facts(facts["preprocess"])}))


@dataclass(frozen=True)
class BackboneSpec:
    """What a user asked for, before any weights are read.

    Attributes:
        name: the backbone's name.
        weights: ``default``, ``none``, or the path of a file.
        pooling: one of ``POOLINGS``.
        crop: ``own`` for the backbone's own evaluation transform, ``whole`` to resize the shorter
            side to the input size and cut nothing off square images (as the paper did).
        seed: of the random start when ``weights`` is ``none``.
        invert: invert colours as the published code does (see ``Preprocess.invert``).
    """

    name: str = DEFAULT
    weights: str = "default"
    pooling: str = "default"
    crop: str = "center"
    seed: int = 0
    invert: bool = False

    def check(self) -> None:
        """Raise UsageError, naming the choices, if an option is not one of its choices."""
        for option, value, choices in (
            ("--pooling", self.pooling, POOLINGS),
            ("--crop", self.crop, CROPS),
        ):
            if value not in choices:
                raise UsageError(f"{option} is one of {', '.join(choices)}, not {value!r}")


Loaded = tuple[Backbone, "nn.Module"]


def resolve(request: BackboneSpec, artifacts: Path) -> tuple[Backbone, Callable[[], Loaded]]:
    """Name a backbone's weights without reading them, where they were read before.

    A note beside the embeddings remembers the digest for a request, the versions of the libraries
    and the weights file's size and time; a cache hit then needs no torch.

    Returns:
        The backbone, and a function that loads it with its network.

    Raises:
        UsageError: the name or an option is unknown.
        WeightsError: the weights cannot be had or do not fit.
    """
    request.check()
    note = artifacts / "embeddings" / "backbones" / f"{_note_name(request)}.json"
    known = _noted(note)
    if known is None:
        loaded = _load_and_note(request, note)
        return loaded[0], lambda: loaded
    noted = known

    def load() -> Loaded:
        found = _load_and_note(request, note)
        # the file's name is not part of what the weights are
        if replace(found[0], weights=noted.weights) != noted:
            raise WeightsError(
                f"the weights of {request.name} are not those that were found there before: run "
                "the command again to use the new ones"
            )
        return found

    return noted, load


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


def _load_and_note(request: BackboneSpec, note: Path) -> Loaded:
    from toolkit.features.loading import load

    backbone, module, file = load(request)
    facts = {
        "format": _NOTE_FORMAT,
        "versions": _versions(),
        "file": _file_facts(file),
        "backbone": backbone.facts(),
    }
    write_json(note, facts | {"digest": digest_of(facts)})
    return backbone, module


def _note_name(request: BackboneSpec) -> str:
    weights = request.weights
    if weights not in ("default", "none"):
        weights = str(Path(weights).absolute())
    asked = digest_of(
        *(request.name, weights, request.pooling, request.crop, request.seed),
        *(["invert"] if request.invert else []),
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


def without_weights(name: str, reason: str) -> WeightsError:
    """Return the error for weights that cannot be had, with the three ways on."""
    return WeightsError(
        f"the pretrained weights of {name} cannot be had here ({reason}): give a file with "
        f"--weights PATH, start from random weights with --weights none, or use a bundled "
        f"backbone such as {DEFAULT}"
    )


def imagenet_preprocess(size: int, resize: int, interpolation: str) -> Preprocess:
    """Return the transform with ImageNet's mean and standard deviation."""
    return Preprocess(size, resize, interpolation, *_IMAGENET)
