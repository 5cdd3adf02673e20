"""Scorer: what a member of any kind offers to those who predict with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toolkit.errors import WeightsError
from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.features.key import CacheKey
from toolkit.features.resolve import resolve
from toolkit.images.pixel_store import PixelKey
from toolkit.images.sources import Images

if TYPE_CHECKING:
    from toolkit.features.resolve import Loaded


@dataclass(frozen=True)
class Store:
    """Embeddings that a member needs.

    Attributes:
        key: of the store.
        request: how to get the backbone.
    """

    key: CacheKey
    request: BackboneSpec

    def resolve(self, artifacts: Path) -> Callable[[], Loaded]:
        """Return what loads the network, after checking that the weights are still the same.

        Raises:
            WeightsError: the weights cannot be had, or are not those that the member learned on.
        """
        found, load = resolve(self.request, artifacts)
        wanted = self.key.backbone
        if replace(found, weights=wanted.weights) != wanted:  # a file's name is no part of it
            raise WeightsError(
                f"the weights of {wanted.name} here (digest {found.digest[:12]}) are not those "
                f"that the model learned on (digest {wanted.digest[:12]}): install or give those"
            )
        return load


@dataclass(frozen=True)
class Pictures:
    """Pictures that a member's own networks take.

    Attributes:
        key: their size and what shapes them.
        backbone: the network that the member's own ones started as.
    """

    key: PixelKey
    backbone: Backbone


class Batch(Protocol):
    """Images to score together, every one of which can be decoded.

    Attributes:
        images: the n images.
        device: where networks compute: ``cpu``, ``cuda`` or ``mps``.
    """

    images: Images
    device: str

    def features(self, keys: Sequence[CacheKey]) -> np.ndarray:
        """Return their embeddings, the stores side by side, ``float32 (n, d)``."""

    def pixels(self, key: PixelKey) -> np.ndarray:
        """Return them decoded, ``uint8 (n, size, size, 3)``."""


class Scorer(Protocol):
    """A fitted member that scores new images.

    Attributes:
        labels: L label names.
        stores: embeddings that :meth:`score` will ask the batch for.
        pictures: pixels that it will ask the batch for.
    """

    labels: tuple[str, ...]
    stores: tuple[Store, ...]
    pictures: tuple[Pictures, ...]

    def score(self, batch: Batch) -> np.ndarray:
        """Return ``float32 (n, L)`` probabilities; a row of NaN is an image it cannot score."""


@dataclass(frozen=True)
class Parts:
    """A member as it is needed to score: without its predictions.

    Attributes:
        name: the member's name.
        kind: as in ``toolkit.members.member.KINDS``.
        source: what it was made from.
        labels: L label names.
        digest: of its predictions; says whether it is still the one that an ensemble learned on.
        folder: the folder of fitted models.
        recipe: the resolved recipe.
        notes: the facts kept with the models.
        weights: turns a weights path of the recipe into the path it has here.
    """

    name: str
    kind: str
    source: str
    labels: tuple[str, ...]
    digest: str
    folder: Path
    recipe: Mapping[str, Any]
    notes: Mapping[str, Any]
    weights: Callable[[str], str] = str

    def asked_weights(self) -> str:
        """Return the weights asked for: ``default``, ``none``, or a path as it is here."""
        asked = str(self.recipe.get("weights", "default"))
        return asked if asked in ("default", "none") else self.weights(asked)
