"""What a fine-tuning run learns from: pictures from the pixel store, or cached features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.cli.embed import fill, make_key
from toolkit.cli.options import Run

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from toolkit.data.dataset import Dataset
    from toolkit.finetuning.settings import Settings
    from toolkit.finetuning.source import Source


@dataclass(frozen=True)
class Inputs:
    """Where a run's images and networks come from.

    Attributes:
        facts: JSON-able; they name weights, preprocessing and picture size, and enter the digest.
        backbone: the backbone's title.
        source: decodes or embeds what is missing; gives the source and the data set's row of each
            of its images, those left out that cannot be decoded.
        network: gives a new network.
    """

    facts: dict[str, Any]
    backbone: str
    source: Callable[[], tuple[Source, np.ndarray]]
    network: Callable[[], nn.Module]


def inputs_of(
    run: Run,
    dataset: Dataset,
    how: Settings,
    request: Mapping[str, Any],
    device: str,
    precision: str,
) -> Inputs:
    """Return pictures where the trunk learns, cached features where it does not.

    Args:
        run: the invocation.
        dataset: the images.
        how: tell whether the trunk learns, and whether colours are inverted.
        request: ``backbone``, ``weights``, ``crop``, ``size`` and ``seed``.
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: ``bf16`` or ``fp32``.
    """
    made = _pictures if how.pretrain == "finetune" else _features
    return made(run, dataset, how, request, device, precision)


def _features(
    run: Run,
    dataset: Dataset,
    how: Settings,
    request: Mapping[str, Any],
    device: str,
    precision: str,
) -> Inputs:
    from toolkit.errors import UsageError
    from toolkit.features.matrix import gather
    from toolkit.finetuning.fitting import seeded
    from toolkit.finetuning.networks import FrozenClassifier
    from toolkit.finetuning.source import Source

    if request["size"] is not None:
        raise UsageError("--size goes with a trunk that learns: leave it out, or --pretrain too")
    key, load = make_key(
        run,
        request["backbone"],
        request["weights"],
        crop=request["crop"],
        device=device,
        precision=precision,
        seed=request["seed"],
        invert=how.invert,
    )

    def source() -> tuple[Source, np.ndarray]:
        result = fill(run, dataset, (key, load), device=device)
        _tell_skipped(run, [(each["image"], each["reason"]) for each in result.skipped])
        matrix = gather(dataset.digests, [key], run.artifacts)
        return Source.of_features(matrix.X, device), matrix.rows

    def network() -> nn.Module:
        return FrozenClassifier(key.backbone.dim, len(dataset.labels))

    facts = {"features": key.facts(), "labels": len(dataset.labels)}
    return Inputs(facts, key.backbone.title, source, seeded(network, request["seed"]))


def _pictures(
    run: Run,
    dataset: Dataset,
    how: Settings,
    request: Mapping[str, Any],
    device: str,
    precision: str,
) -> Inputs:
    import numpy as np

    from toolkit.features.backbones import BackboneSpec, resolve
    from toolkit.finetuning.fitting import seeded
    from toolkit.finetuning.networks import classifier
    from toolkit.finetuning.source import Source
    from toolkit.images.pixel_store import PixelKey, PixelStore
    from toolkit.images.sources import Images

    wanted = BackboneSpec(
        request["backbone"],
        request["weights"],
        crop=request["crop"],
        seed=request["seed"],
        invert=how.invert,
    )
    known, _ = resolve(wanted, run.artifacts)
    size = known.preprocess.size if request["size"] is None else request["size"]
    key = PixelKey.of(known.preprocess, size)
    larger = how.scored_size(size, known.preprocess.size)
    score_key = PixelKey.of(known.preprocess, larger)

    def source() -> tuple[Source, np.ndarray]:
        dataset.require_unchanged()
        network()  # a size that it does not take is told before anything is decoded
        store, rows = decoded(key)
        scored = None
        if score_key != key:
            score_store, also = decoded(score_key)
            rows = np.intersect1d(rows, also)
            places = score_store.find(dataset.digests)[rows]
            scored = Source.of_pixels(score_store, places, device)
        places = store.find(dataset.digests)[rows]
        return Source.of_pixels(store, places, device, scored), rows

    def decoded(key: PixelKey) -> tuple[PixelStore, np.ndarray]:
        store = PixelStore(run.artifacts, key)
        images = Images(dataset.ids, dataset.paths, dataset.digests)
        with run.progress("decoding images") as (start, advance):
            store.fill(images, start, advance)
        places = store.find(dataset.digests)
        rows = np.flatnonzero(places >= 0)
        reasons = store.skipped()
        missing = np.flatnonzero(places < 0).tolist()
        hexes = [dataset.digests[row].tobytes().hex() for row in missing]
        told = [(dataset.ids[r], reasons[h]) for r, h in zip(missing, hexes, strict=True)]
        _tell_skipped(run, told)
        return store, rows

    def network() -> nn.Module:
        from toolkit.features.loading import load

        backbone, trunk, _ = load(wanted)  # anew each time: every fold trains its own
        return classifier(backbone, trunk, len(dataset.labels), size, larger)

    facts = {"backbone": known.facts(), "pixels": key.facts(), "labels": len(dataset.labels)}
    if score_key != key:
        facts["score_pixels"] = score_key.facts()
    return Inputs(facts, known.title, source, seeded(network, request["seed"]))


def _tell_skipped(run: Run, skipped: list[tuple[str, str]]) -> None:
    for image, reason in skipped[:10]:
        run.say(f"skipped {image}: {reason}")
    if len(skipped) > 10:
        run.say(f"and {len(skipped) - 10} more")
