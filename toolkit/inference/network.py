"""FinetunedScorer: new images through the networks of a fine-tuned member."""

from __future__ import annotations

import numpy as np
import torch

from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.features.key import CacheKey
from toolkit.finetuning.forward import logits_of, saved_networks
from toolkit.finetuning.source import Source
from toolkit.images.pixel_store import PixelKey
from toolkit.inference.scorer import Batch, Parts, Pictures, Store
from toolkit.statistics.links import sigmoid


class FinetunedScorer:
    """Mean over the probabilities of the networks of all folds, or of the only one.

    A trunk that learned takes pictures, prepared as for the scores that the member was saved with;
    a frozen one has its features in an embedding store, as a head's.

    Args:
        parts: of a member of kind ``finetuned``.
    """

    def __init__(self, parts: Parts) -> None:
        self.labels = parts.labels
        self.stores: tuple[Store, ...] = ()
        self.pictures: tuple[Pictures, ...] = ()
        trunk = parts.notes["trunk"]
        if "features" in trunk:
            self.stores = (_store(parts, CacheKey.from_facts(trunk["features"])),)
        else:
            scored = PixelKey.from_facts(trunk.get("score_pixels", trunk["pixels"]))
            self.pictures = (Pictures(scored, Backbone.from_facts(trunk["backbone"])),)
        self._views = bool(parts.notes["settings"]["views"])
        self._precision = str(parts.recipe["precision"])
        self._networks = saved_networks(parts.folder, parts.notes)

    def score(self, batch: Batch) -> np.ndarray:
        """Return the mean of the networks' probabilities."""
        if self.pictures:
            rows = batch.pixels(self.pictures[0].key)
        else:
            rows = batch.features([store.key for store in self.stores])
        size = rows[:1].nbytes
        source = Source(
            lambda wanted: rows[wanted], len(rows), bool(self.pictures), batch.device, size
        )
        every = np.arange(len(rows))
        total = np.zeros((len(rows), len(self.labels)), np.float32)
        for network in self._networks:
            network.to(source.device)
            if self.pictures:
                network.to(memory_format=torch.channels_last)
            logits = logits_of(network, source, every, views=self._views, precision=self._precision)
            total += sigmoid(logits)
        mean: np.ndarray = total / len(self._networks)
        return mean.clip(0, 1)


def _store(parts: Parts, key: CacheKey) -> Store:
    recipe, invert = parts.recipe, key.backbone.preprocess.invert
    name, crop, seed = str(recipe["backbone"]), str(recipe["crop"]), int(recipe["seed"])
    spec = BackboneSpec(name, parts.asked_weights(), crop=crop, seed=seed, invert=invert)
    return Store(key, spec)
