"""HeadScorer: new images through heads on frozen features."""

from __future__ import annotations

import itertools

import numpy as np

from toolkit.features.backbones import BackboneSpec, own_weights
from toolkit.features.key import CacheKey
from toolkit.heads.registry import make_head
from toolkit.inference.scorer import Batch, Parts, Pictures, Store
from toolkit.members.cross_fit import mean_scores
from toolkit.members.member import load_state


class HeadScorer:
    """Mean over a head's fold models.

    Args:
        parts: of a member of kind ``head`` or ``multitask``.

    Attributes:
        models: the fold models.
    """

    pictures: tuple[Pictures, ...] = ()

    def __init__(self, parts: Parts) -> None:
        self.labels = parts.labels
        self.stores = _stores(parts)
        folds = sorted(parts.folder.glob("fold-*.safetensors"))
        self.models = [
            make_head(parts.notes["head"]).restore(load_state(parts.folder, file.stem))
            for file in folds
        ]

    def score(self, batch: Batch) -> np.ndarray:
        """Return the mean of the fold models' probabilities."""
        return mean_scores(self.models, batch.features([store.key for store in self.stores]))


def _stores(parts: Parts) -> tuple[Store, ...]:
    """Return the stores that a member on frozen features was made from."""
    recipe = parts.recipe
    more = {name: recipe[name] for name in ("pooling", "seed", "size", "layer") if name in recipe}
    keys = [CacheKey.from_facts(facts) for facts in parts.notes["keys"]]
    asked = itertools.product(recipe["features"], str(recipe.get("crop", "center")).split(","))
    stores = []
    for key, (feature, crop) in zip(keys, asked, strict=True):
        name, own = own_weights(feature)
        weights = parts.asked_weights() if own is None else parts.weights(own)
        stores.append(Store(key, BackboneSpec(name, weights, crop=crop, **more)))
    return tuple(stores)
