"""What a fine-tuning run learns from: pictures from the pixel store, or cached features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.errors import UsageError
from toolkit.features.backbones import BackboneSpec
from toolkit.features.resolve import resolve
from toolkit.features.spec import FeatureSpec, features_of
from toolkit.finetuning.settings import Settings
from toolkit.images.pixel_store import PixelKey, PixelStore
from toolkit.images.sources import Images
from toolkit.runtime.progress import Progress

if TYPE_CHECKING:
    from torch import nn

    from toolkit.finetuning.source import Source

Skipped = list[dict[str, str]]


@dataclass(frozen=True)
class TrainingImages:
    """Where a run's images and networks come from.

    Attributes:
        facts: JSON-able; they name weights, preprocessing and picture size, and enter the digest.
        backbone: the backbone's title.
        source: decodes or embeds what is missing; gives the source, the data set's row of each of
            its images, and those left out that cannot be decoded.
        network: gives a new network.
    """

    facts: dict[str, Any]
    backbone: str
    source: Callable[[], tuple[Source, np.ndarray, Skipped]]
    network: Callable[[], nn.Module]


def training_images(
    dataset: Dataset,
    settings: Settings,
    spec: FeatureSpec,
    size: int | None,
    artifacts: Path,
    progress: Progress,
) -> TrainingImages:
    """Return pictures where the trunk learns, cached features where it does not.

    Args:
        dataset: the images.
        settings: say whether the trunk learns, and whether colours are inverted.
        spec: names one backbone and one crop.
        size: side of the pictures; None for the backbone's.
        artifacts: the artifacts folder.
        progress: where progress is shown.

    Raises:
        UsageError: a size is given and the trunk does not learn.
    """
    spec = replace(spec, invert=settings.invert)
    if settings.pretrain == "finetune":
        return _pictures(dataset, settings, spec, size, artifacts, progress)
    if size is not None:
        raise UsageError("size goes with a trunk that learns: leave it out, or pretrain too")
    return _features(dataset, spec, artifacts, progress)


def _features(
    dataset: Dataset, spec: FeatureSpec, artifacts: Path, progress: Progress
) -> TrainingImages:
    from toolkit.finetuning.networks import FrozenClassifier, seeded
    from toolkit.finetuning.source import Source

    ((key, _),) = spec.keys(artifacts)

    def source() -> tuple[Source, np.ndarray, Skipped]:
        matrix, skipped = features_of(dataset, spec, artifacts, progress)
        return Source.of_features(matrix.X, spec.device), matrix.rows, skipped

    def network() -> nn.Module:
        return FrozenClassifier(key.backbone.dim, len(dataset.labels))

    facts = {"features": key.facts(), "labels": len(dataset.labels)}
    return TrainingImages(facts, key.backbone.title, source, seeded(network, spec.seed))


def _pictures(
    dataset: Dataset,
    settings: Settings,
    spec: FeatureSpec,
    size: int | None,
    artifacts: Path,
    progress: Progress,
) -> TrainingImages:
    from toolkit.finetuning.networks import classifier, seeded
    from toolkit.finetuning.source import Source

    wanted = BackboneSpec(
        spec.backbones[0],
        spec.weights,
        crop=spec.crops[0],
        seed=spec.seed,
        invert=spec.invert,
    )
    known, _ = resolve(wanted, artifacts)
    side = known.preprocess.size if size is None else size
    key = PixelKey.of(known.preprocess, side)
    larger = settings.scored_size(side, known.preprocess.size)
    score_key = PixelKey.of(known.preprocess, larger)

    def source() -> tuple[Source, np.ndarray, Skipped]:
        dataset.require_unchanged()
        network()  # a size that it does not take is refused before anything is decoded
        store, rows, skipped = _decoded(dataset, PixelStore(artifacts, key), progress)
        scored = None
        if score_key != key:
            larger_store, also, more = _decoded(dataset, PixelStore(artifacts, score_key), progress)
            rows, skipped = np.intersect1d(rows, also), skipped or more
            places = larger_store.find(dataset.digests)[rows]
            scored = Source.of_pixels(larger_store, places, spec.device)
        places = store.find(dataset.digests)[rows]
        return Source.of_pixels(store, places, spec.device, scored), rows, skipped

    def network() -> nn.Module:
        from toolkit.features.loading import load

        backbone, trunk, _ = load(wanted)  # anew each time: every fold trains its own
        return classifier(backbone, trunk, len(dataset.labels), side, larger)

    facts = {"backbone": known.facts(), "pixels": key.facts(), "labels": len(dataset.labels)}
    if score_key != key:
        facts["score_pixels"] = score_key.facts()
    return TrainingImages(facts, known.title, source, seeded(network, spec.seed))


def _decoded(
    dataset: Dataset, store: PixelStore, progress: Progress
) -> tuple[PixelStore, np.ndarray, Skipped]:
    """Fill a store; return the data set's rows that it has, and why it lacks the others."""
    images = Images(dataset.ids, dataset.files, dataset.digests, dataset.root)
    with progress.task("decoding images") as task:
        store.fill(images, task.start, task.advance)
    places = store.find(dataset.digests)
    reasons = store.skipped()
    skipped = [
        {"image": dataset.ids[row], "reason": reasons[dataset.digests[row].tobytes().hex()]}
        for row in np.flatnonzero(places < 0).tolist()
    ]
    return store, np.flatnonzero(places >= 0), skipped
