"""FeatureSpec: which features a verb asks for, and those features of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.data.dataset import Dataset
from toolkit.distribute.machines import device_at
from toolkit.distribute.place import HERE
from toolkit.errors import UsageError, check_choice, check_whole
from toolkit.features.backbones import VIEWS, BackboneSpec, own_weights
from toolkit.features.engines.choose import ENGINES
from toolkit.features.fill import Filled, fill_store
from toolkit.features.key import CacheKey
from toolkit.features.matrix import FeatureMatrix, gather
from toolkit.features.resolve import Loaded, resolve
from toolkit.images.preprocess import CROPS
from toolkit.images.sources import Images
from toolkit.runtime.device import embedding_precision
from toolkit.runtime.progress import Progress, Task
from toolkit.storage.files import folder_name
from toolkit.storage.names import names_of

Loader = Callable[[], Loaded]


@dataclass(frozen=True)
class FeatureSpec:
    """Backbones and crops set side by side, and how each is computed and kept.

    Attributes:
        backbones: names; of those with weights of their own, followed by ``@`` and the file.
        weights: ``default``, ``none``, or a weights file, of the others.
        views: views to average, in the order of ``VIEWS``.
        pooling: one of ``POOLINGS``.
        crops: in the order of ``CROPS``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``fp16``, ``bf16`` or ``fp32``, of the arithmetic.
        dtype: ``fp16`` or ``fp32``, of the rows on disk.
        engine: ``auto``, ``openvino`` or ``torch``.
        seed: of random weights.
        invert: invert colours, as the published code does.
        size: side of the input in pixels; None for the backbone's own.
        layer: ``last``, ``last4``, or names of layers joined by ``+``.
        on: where rows are computed.
    """

    backbones: tuple[str, ...]
    weights: str = "default"
    views: tuple[str, ...] = VIEWS[:1]
    pooling: str = "default"
    crops: tuple[str, ...] = CROPS[:1]
    device: str = "auto"
    precision: str = "auto"
    dtype: str = "fp16"
    engine: str = "auto"
    seed: int = 0
    invert: bool = False
    size: int | None = None
    layer: str = "last"
    on: str = HERE

    @classmethod
    def parse(
        cls,
        features: str | Iterable[str],
        *,
        views: str | Iterable[str] = "original",
        crop: str | Iterable[str] = "center",
        seed: object = 0,
        size: object = None,
        **more: Any,
    ) -> FeatureSpec:
        """Read what a verb was given.

        Args:
            features: backbones.
            views: ``original``, or ``original`` and ``hflip``.
            crop: ``center``, ``full``, or both.
            seed: of random weights.
            size: side of the input in pixels, or None.
            more: the other attributes, by name.

        Raises:
            UsageError: no backbone is named, a view or crop is not among its choices, or the seed
                or the size is no whole number.
        """
        backbones = names_of(features)
        if not backbones:
            raise UsageError("features: expected at least one backbone, found none")
        check_choice("engine", more.get("engine", "auto"), ENGINES)
        crops, asked = names_of(crop), names_of(views)
        for each in crops or [""]:
            check_choice("crop", each, CROPS)
        for each in asked or [""]:
            check_choice("views", each, VIEWS)
        if VIEWS[0] not in asked:
            raise UsageError(f"views: expected {VIEWS[0]!r} among them, found {', '.join(asked)!r}")
        return cls(
            tuple(backbones),
            views=tuple(view for view in VIEWS if view in asked),
            crops=tuple(each for each in CROPS if each in crops),
            seed=check_whole("seed", seed),
            size=None if size is None else check_whole("size", size, 1),
            **more,
        )

    @property
    def name(self) -> str:
        """Short name, for the names of members."""
        name = "+".join(_short(each) for each in self.backbones)
        name += "" if self.size is None else f"-{self.size}px"
        name += "" if self.layer == "last" else f"-{self.layer}"
        name += "" if self.pooling == "default" else f"-{self.pooling}"
        name += "" if self.crops == CROPS[:1] else f"-{'+'.join(self.crops)}"
        return name + ("-hflip" if "hflip" in self.views else "")

    def recipe(self) -> dict[str, Any]:
        """Return what a recipe keeps."""
        return (
            {
                "features": list(self.backbones),
                "weights": self.weights,
                "views": ",".join(self.views),
                "pooling": self.pooling,
                "crop": ",".join(self.crops),
                "seed": self.seed,
            }
            | ({} if self.size is None else {"size": self.size})
            | ({} if self.layer == "last" else {"layer": self.layer})
        )

    def keys(self, artifacts: Path) -> list[tuple[CacheKey, Loader]]:
        """Return, for each backbone and crop, the key of its store and what loads its network.

        Raises:
            UsageError: an option is not among its choices, or a backbone is unknown.
            WeightsError: weights cannot be had or do not fit.
        """
        precision = embedding_precision(
            self.precision, device_at(self.device, self.on), self.engine
        )
        found = []
        for backbone in self.backbones:
            for crop in self.crops:
                name, own = own_weights(backbone)
                wanted = BackboneSpec(
                    *(name, self.weights if own is None else own, self.pooling, crop, self.seed),
                    *(self.invert, self.size, self.layer),
                )
                known, load = resolve(wanted, artifacts)
                key = CacheKey(known, self.views, precision, self.dtype)
                key.facts()
                found.append((key, load))
        return found


def _short(feature: str) -> str:
    name, own = own_weights(feature)
    return name.replace("/", "-") + ("" if own is None else f"@{folder_name(own)}")


def fill(
    dataset: Dataset,
    key: CacheKey,
    load: Loader,
    artifacts: Path,
    *,
    engine: str = "auto",
    device: str = "auto",
    on: str = HERE,
    progress: Progress,
) -> Filled:
    """Embed what a store lacks of a data set.

    Raises:
        DataError: an image changed since it was imported.
    """
    dataset.require_unchanged()
    images = Images(dataset.ids, dataset.files, dataset.digests, dataset.root)
    name, under_way = key.backbone.name, list[Task]()
    with ExitStack() as shown:
        # converting a network may take longer than embedding the images
        preparing = shown.enter_context(ExitStack())
        preparing.enter_context(progress.task(f"preparing {name}"))

        def on_start(images: int) -> None:
            preparing.close()
            under_way.append(
                shown.enter_context(progress.task(f"embedding with {name}", total=images))
            )

        return fill_store(
            images,
            key,
            load,
            artifacts,
            engine=engine,
            device=device_at(device, on),
            on_start=on_start,
            on_progress=lambda done: under_way[0].advance(done),
            on=on,
        )


def features_of(
    dataset: Dataset, spec: FeatureSpec, artifacts: Path, progress: Progress
) -> tuple[FeatureMatrix, list[dict[str, str]]]:
    """Return a data set's features, what is missing embedded, and the images without any.

    Those cannot be decoded: each has its ``image`` and the ``reason``, once for all backbones.

    Raises:
        DataError: an image changed since it was imported.
        UsageError: see :meth:`FeatureSpec.keys`.
        WeightsError: likewise.
    """
    with progress.task(f"loading {spec.name}"):
        made = spec.keys(artifacts)
    how: dict[str, Any] = {"engine": spec.engine, "device": spec.device, "on": spec.on}
    skipped: dict[str, dict[str, str]] = {}
    for key, load in made:
        filled = fill(dataset, key, load, artifacts, progress=progress, **how)
        skipped |= {each["image"]: each for each in filled.skipped}
    return gather(dataset.digests, [key for key, _ in made], artifacts), list(skipped.values())
