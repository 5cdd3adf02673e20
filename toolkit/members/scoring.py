"""Scoring new images: what a member of any kind offers to those who predict with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toolkit.errors import WeightsError
from toolkit.features.backbones import Request, resolve
from toolkit.features.images import Images
from toolkit.features.key import CacheKey

if TYPE_CHECKING:
    from toolkit.features.backbones import Loaded


@dataclass(frozen=True)
class Store:
    """Embeddings that a member needs.

    Attributes:
        key: of the store.
        request: how to get the backbone.
    """

    key: CacheKey
    request: Request

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


class Batch(Protocol):
    """Images to score together, every one of which can be decoded."""

    images: Images

    def features(self, keys: Sequence[CacheKey]) -> np.ndarray:
        """Return their embeddings, the stores side by side, ``float32 (n, d)``."""


class Scorer(Protocol):
    """A fitted member that scores new images.

    Attributes:
        labels: L label names.
        stores: embeddings that :meth:`score` will ask the batch for.
    """

    labels: tuple[str, ...]
    stores: tuple[Store, ...]

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
        notes: what was kept beside the models.
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


class HeadScorer:
    """Mean over a head's fold models.

    Args:
        parts: of a member of kind ``head``.
    """

    def __init__(self, parts: Parts) -> None:
        from toolkit.members.heads import make_head
        from toolkit.members.member import load_state

        self.labels = parts.labels
        self.stores = stores_of(parts)
        folds = sorted(parts.folder.glob("fold-*.safetensors"))
        self._models = [
            make_head(parts.notes["head"]).restore(load_state(parts.folder, file.stem))
            for file in folds
        ]

    def score(self, batch: Batch) -> np.ndarray:
        """Return the mean of the fold models' probabilities."""
        from toolkit.members.ovr import mean_scores

        return mean_scores(self._models, batch.features([store.key for store in self.stores]))


def stores_of(parts: Parts) -> tuple[Store, ...]:
    """Return the stores that a member on frozen features was made from."""
    recipe = parts.recipe
    asked = str(recipe.get("weights", "default"))
    weights = asked if asked in ("default", "none") else parts.weights(asked)
    keys = [CacheKey.from_facts(facts) for facts in parts.notes["keys"]]
    return tuple(
        Store(
            key,
            Request(
                name,
                weights,
                str(recipe.get("pooling", "default")),
                str(recipe.get("crop", "own")),
                int(recipe.get("seed", 0)),
            ),
        )
        for key, name in zip(keys, recipe["features"], strict=True)
    )
