"""FinetunedScorer: new images through the networks of a fine-tuned member."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from toolkit.errors import ArtifactError
from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.features.key import CacheKey
from toolkit.finetuning.forward import logits_of
from toolkit.finetuning.networks import COUNT, Classifier, FrozenClassifier
from toolkit.finetuning.source import Source
from toolkit.images.pixel_store import PixelKey
from toolkit.inference.scorer import Batch, Parts, Pictures, Store
from toolkit.members.member import load_state
from toolkit.statistics.links import sigmoid


class FinetunedScorer:
    """Mean over the probabilities of the networks of all folds, or of the only one.

    A trunk that learned takes pictures, prepared as for the scores that the member was saved with;
    a frozen one has its features in an embedding store, as a head's.

    Args:
        parts: of a member of kind ``finetuned``.
        precision: ``bf16`` or ``fp32``; None for the member's own.

    Attributes:
        networks: in evaluation mode.
        views: whether a picture's mirror image is scored too.
    """

    def __init__(self, parts: Parts, precision: str | None = None) -> None:
        self.labels = parts.labels
        self.stores: tuple[Store, ...] = ()
        self.pictures: tuple[Pictures, ...] = ()
        trunk = parts.notes["trunk"]
        if "features" in trunk:
            self.stores = (_store(parts, CacheKey.from_facts(trunk["features"])),)
        else:
            scored = PixelKey.from_facts(trunk.get("score_pixels", trunk["pixels"]))
            self.pictures = (Pictures(scored, Backbone.from_facts(trunk["backbone"])),)
        self.views = bool(parts.notes["settings"]["views"])
        self._precision = precision or str(parts.recipe["precision"])
        self.networks = saved_networks(parts.folder, parts.notes)

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
        for network in self.networks:
            network.to(source.device)
            if self.pictures:
                network.to(memory_format=torch.channels_last)
            logits = logits_of(network, source, every, views=self.views, precision=self._precision)
            total += sigmoid(logits)
        mean: np.ndarray = total / len(self.networks)
        return mean.clip(0, 1)


def _store(parts: Parts, key: CacheKey) -> Store:
    recipe, invert = parts.recipe, key.backbone.preprocess.invert
    name, crop, seed = str(recipe["backbone"]), str(recipe["crop"]), int(recipe["seed"])
    spec = BackboneSpec(name, parts.asked_weights(), crop=crop, seed=seed, invert=invert)
    return Store(key, spec)


def saved_networks(folder: Path, notes: Mapping[str, Any]) -> list[nn.Module]:
    """Build the networks of a fine-tuned member, one, or one a fold, in evaluation mode.

    Args:
        folder: the member's folder ``model``.
        notes: what ``notes.json`` there holds.

    Raises:
        ArtifactError: a model cannot be read, or is not of the network that is built now.
    """
    names = sorted(file.stem for file in folder.glob("*.safetensors"))
    shape, networks = _shape(notes["trunk"]), []
    for name in names:
        network = copy.deepcopy(shape)
        arrays = {k: torch.from_numpy(np.array(v)) for k, v in load_state(folder, name).items()}
        try:
            differing = network.load_state_dict(arrays, strict=False)
        except RuntimeError as error:  # of another shape
            raise _another_network(folder / name) from error
        # not saved are numbers of batches seen, which evaluation does not use
        missing = [key for key in differing.missing_keys if not key.endswith(COUNT)]
        if missing or differing.unexpected_keys:
            raise _another_network(folder / name)
        networks.append(network.eval())
    return networks


def _another_network(path: Path) -> ArtifactError:
    return ArtifactError(
        f"the weights in {path}.safetensors are not those of the network that is built for them: "
        "install the versions of torchvision and timm that trained it, or train it again"
    )


def _shape(facts: Mapping[str, Any]) -> nn.Module:
    if "features" in facts:
        return FrozenClassifier(
            CacheKey.from_facts(facts["features"]).backbone.dim, facts["labels"]
        )
    from toolkit.features.loading import load

    known = Backbone.from_facts(facts["backbone"])
    _, trunk, _ = load(BackboneSpec(known.name, "none"))
    return Classifier(trunk, known.dim, facts["labels"], known.preprocess)
