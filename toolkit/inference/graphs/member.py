"""A member's graph: scorers of any kind, from pixels to probabilities, as one ONNX model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import ExportError
from toolkit.features.backbones import Backbone
from toolkit.images.pixel_store import PixelKey
from toolkit.images.preprocess import Preprocess
from toolkit.inference.frozen import HeadScorer
from toolkit.inference.graphs.combine import add_calibration, add_combiner, counted_members
from toolkit.inference.graphs.graph import Graph
from toolkit.inference.graphs.heads import add_head, add_linear
from toolkit.inference.scorer import Scorer, Store
from toolkit.inference.scorers import EnsembleScorer

if TYPE_CHECKING:
    from torch import nn

    from toolkit.inference.network import FinetunedScorer

PIXELS, INPUT, OUTPUT = "pixels", "input", "prediction"


@dataclass(frozen=True)
class Entry:
    """An input of the graph.

    Attributes:
        name: of the input.
        preprocess: what makes it of a picture; with ``normalised`` its mean and deviation, too.
        normalised: whether it is ``float (b, 3, S, S)``, scaled and normalised, and not
            ``uint8 (b, S, S, 3)``.
        backbone: the first network that takes it.
    """

    name: str
    preprocess: Preprocess
    normalised: bool
    backbone: Backbone

    @property
    def pixels(self) -> PixelKey:
        """The pictures that it is made of."""
        return PixelKey.of(self.preprocess)


class MemberGraph:
    """The graph of a scorer.

    Args:
        scorer: of a member of any kind.
        artifacts: where weights are noted.
        normalised: whether the input is normalised before it; else the graph takes bytes.

    Attributes:
        entries: its inputs, one for each way in which pictures are resized and cropped.

    Raises:
        ExportError: something cannot be written as operators.
        WeightsError: a backbone's weights are not those that the model learned on.
    """

    def __init__(self, scorer: Scorer, artifacts: Path, normalised: bool = False) -> None:
        self.entries: list[Entry] = []
        self._graph, self._artifacts, self._normalised = Graph(), artifacts, normalised
        self._width = len(scorer.labels)
        self._made: dict[Any, str] = {}
        self._single = len({store_pixels(each) for each in scorer.stores} | pictures(scorer)) == 1
        self._output = self._add(scorer)

    def finish(self, metadata: dict[str, str]) -> Any:
        """Return the ONNX model, with texts in its metadata."""
        return self._graph.finish({OUTPUT: (self._output, self._width)}, metadata)

    def _add(self, scorer: Scorer) -> str:
        graph = self._graph
        if isinstance(scorer, EnsembleScorer):
            used = counted_members(scorer.combiner)
            members = [self._add(scorer.members[place]) for place in used]
            combined = add_combiner(graph, members, scorer.combiner)
            return add_calibration(graph, combined, scorer.calibration)
        if isinstance(scorer, HeadScorer):
            features = self._features(scorer.stores)
            return self._mean([add_head(graph, features, model) for model in scorer.models])
        return self._finetuned(scorer)  # type: ignore[arg-type]

    def _finetuned(self, scorer: FinetunedScorer) -> str:
        from toolkit.inference.graphs.networks import Averaged, exported_network

        graph = self._graph
        if scorer.stores:
            features, found = self._features(scorer.stores), []
            for network in scorer.networks:
                head: Any = network.head
                arrays = (head.weight.detach().numpy().T, head.bias.detach().numpy())
                found.append(graph.op("Sigmoid", add_linear(graph, features, *arrays)))
            return self._mean(found)
        taken = scorer.pictures[0]
        x = self._entry(taken.key, taken.backbone)
        bare = [_without_normalising(network) for network in scorer.networks]
        model = exported_network(Averaged(bare, scorer.views), taken.key.size, taken.backbone.name)
        return graph.absorb(model, {"x": x})[0]

    def _features(self, stores: tuple[Store, ...]) -> str:
        each = [self._embedded(store) for store in stores]
        return each[0] if len(each) == 1 else self._graph.op("Concat", *each, axis=1)

    def _embedded(self, store: Store) -> str:
        from toolkit.inference.graphs.networks import Mirrored, exported_network

        backbone = store.key.backbone
        # stores that differ in precision alone have one network
        same = (*sorted(map(str, backbone.facts().items())), *store.key.views)

        def make() -> str:
            x = self._entry(store_pixels(store), backbone)
            network: nn.Module = store.resolve(self._artifacts)()[1]
            if "hflip" in store.key.views:
                network = Mirrored(network)
            model = exported_network(network, backbone.preprocess.size, backbone.name)
            return self._graph.absorb(model, {"x": x})[0]

        return self._once(same, make)

    def _entry(self, key: PixelKey, backbone: Backbone) -> str:
        """Return normalised pictures ``float (b, 3, S, S)``."""
        mean, std = backbone.preprocess.mean, backbone.preprocess.std
        transform = Preprocess(mean=mean, std=std, **vars(key))
        if not self._normalised:
            bytes_of = self._once(key, lambda: self._bytes(transform, backbone))
            return self._once((key, mean, std), lambda: self._normalise(bytes_of, transform))
        known = {each.preprocess for each in self.entries}
        if known - {transform}:
            raise ExportError(
                "format hf: expected members that take pictures prepared in one way, found "
                f"several ({_told(transform)}; {_told(next(iter(known)))}): export with format "
                "onnx, whose graph takes several inputs"
            )
        return self._once(key, lambda: self._ready(transform, backbone))

    def _bytes(self, transform: Preprocess, backbone: Backbone) -> str:
        graph, size = self._graph, transform.size
        name = PIXELS if self._single else f"{PIXELS}_{len(self.entries)}"
        self.entries.append(Entry(name, transform, False, backbone))
        pixels = graph.input(name, np.uint8, ["batch", size, size, 3])
        channels = graph.op("Transpose", graph.op("Cast", pixels, to=1), perm=[0, 3, 1, 2])
        return channels

    def _normalise(self, pixels: str, transform: Preprocess) -> str:
        graph = self._graph
        mean, std = (
            graph.constant((np.array(each, np.float32) * np.float32(255)).reshape(1, 3, 1, 1))
            for each in (transform.mean, transform.std)
        )
        return graph.op("Div", graph.op("Sub", pixels, mean), std)

    def _ready(self, transform: Preprocess, backbone: Backbone) -> str:
        self.entries.append(Entry(INPUT, transform, True, backbone))
        size = transform.size
        return self._graph.input(INPUT, np.float32, ["batch", 3, size, size])

    def _mean(self, values: list[str]) -> str:
        return values[0] if len(values) == 1 else self._graph.op("Mean", *values)

    def _once(self, key: Any, make: Callable[[], str]) -> str:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def store_pixels(store: Store) -> PixelKey:
    """Return the pictures that a store's embeddings are of."""
    return PixelKey.of(store.key.backbone.preprocess)


def pictures(scorer: Scorer) -> set[PixelKey]:
    """Return the pictures that a scorer's own networks take."""
    return {each.key for each in scorer.pictures}


def _without_normalising(network: nn.Module) -> nn.Module:
    from torch import nn

    whole: Any = network
    return nn.Sequential(whole.trunk, whole.head)


def _told(transform: Preprocess) -> str:
    return f"{transform.size} of {transform.resize} pixels, {transform.interpolation}"
