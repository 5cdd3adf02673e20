"""Embed: frozen features of a data set, from the cache or computed now."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.distribute.machines import connected, device_at
from toolkit.distribute.place import check_place
from toolkit.errors import check_whole
from toolkit.features.backbones import own_weights
from toolkit.features.fill import Filled
from toolkit.features.matrix import FeatureMatrix, gather
from toolkit.features.resolve import Loaded as Loaded
from toolkit.features.spec import FeatureSpec, fill
from toolkit.features.verify import Verified, verify_store
from toolkit.images.sources import Images
from toolkit.pages.tables import facts_table
from toolkit.runtime.arguments import checked
from toolkit.runtime.device import choose_device
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.features.key import CacheKey


@dataclass(frozen=True, repr=False)
class Embeddings:
    """Frozen features of a data set's images, as they lie on disk.

    Attributes:
        dataset: the images.
        key: names the store.
        artifacts: the artifacts folder.
        filled: what the pass did that found or computed them.
        verified: how a sample compares with the same images embedded again, where that was asked.
    """

    dataset: Dataset
    key: CacheKey
    artifacts: Path
    filled: Filled
    verified: Verified | None = None

    @cached_property
    def _matrix(self) -> FeatureMatrix:
        return gather(self.dataset.digests, [self.key], self.artifacts)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of the m images that have an embedding; those in :attr:`skipped` have none."""
        return tuple(self.dataset.ids[row] for row in self._matrix.rows.tolist())

    @property
    def X(self) -> np.ndarray:  # noqa: N802
        """The embeddings, ``float32 (m, d)``, in the order of :attr:`ids`; read when asked for."""
        return self._matrix.X

    @property
    def skipped(self) -> list[dict[str, str]]:
        """Images that cannot be decoded: ``image`` and ``reason``."""
        return self.filled.skipped

    def to_frame(self) -> pd.DataFrame:
        """Return ``image`` and one column per feature, one row per image."""
        import pandas as pd

        frame = pd.DataFrame(self.X, columns=feature_names(self.key.backbone.name, self.filled.dim))
        frame.insert(0, "image", list(self.ids))
        return frame

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit embed --json``."""
        return self.filled.facts()

    def __repr__(self) -> str:
        """Return what matters in two lines."""
        did = self.filled
        return (
            f"Embeddings of {self.dataset.name!r} by {did.backbone}: {len(self.ids):,} images x "
            f"{did.dim}\n{did.computed:,} computed, {did.reused:,} from the cache, "
            f"{len(did.skipped)} skipped, {did.seconds} s ({did.path})"
        )

    def _repr_html_(self) -> str:
        facts = self.facts()
        return facts_table(facts | {"skipped": len(facts["skipped"])})


@checked
def embed(
    data: Dataset | str | None = None,
    backbone: str = "efficientnet_lite0",
    *,
    weights: str = "default",
    views: str | Iterable[str] = "original",
    pooling: str = "default",
    size: int | None = None,
    layer: str = "last",
    crop: str = "center",
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    dtype: str = "fp16",
    verify: bool = False,
    sample: int = 64,
    seed: int = 0,
    on: str = "here",
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Embeddings:
    """Embed a data set's images with a frozen backbone; what is cached is not computed again.

    Args:
        data: a data set, or the name of one; see :func:`~toolkit.data.open.open_dataset`.
        backbone: ``efficientnet_lite0`` (bundled), a torchvision name such as ``densenet121``,
            ``timm/<name>`` or ``basic_cnn``; with ``@`` and a file, one with these weights.
        weights: ``default``, ``none`` (a random start) or a weights file.
        views: ``original``, or ``original`` and ``hflip`` to average both.
        pooling: ``default``; ``avg``, ``max``, ``avgmax`` (both side by side) or ``gem`` of feature
            maps; ``cls``, ``mean`` or ``cls+mean`` of tokens; see :mod:`~toolkit.features.layers`.
        size: side of the input in pixels; None for the backbone's own.
        layer: ``last``, ``last4`` (of a transformer's blocks), or names of layers joined by ``+``.
        crop: ``center`` (the backbone's own transform), or ``full``: cut nothing off square images.
        engine: ``auto``, ``openvino`` or ``torch``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``fp16``, ``bf16`` or ``fp32``; auto is fp16 on a GPU, elsewhere bf16
            where it is native.
        dtype: ``fp16`` or ``fp32``, of the rows on disk.
        verify: embed a sample of the images again and compare it with what is cached.
        sample: how many images to verify, at most.
        seed: of random weights, and of the sample.
        on: where the work runs: ``here``, ``ray``, or ``ray://host:port`` for a cluster that is up;
            ``verify`` works here.
        artifacts: where everything is kept.
        progress: where progress is shown; see :func:`~toolkit.runtime.progress.choose_progress`.

    Raises:
        UsageError: an option is not among its choices, or the backbone is unknown.
        WeightsError: the weights cannot be had or do not fit.
        DataError: an image changed since it was imported.
        ArtifactError: the store is damaged.
        ClusterError: the cluster cannot be had, or lost work too often.
    """
    check_place(on)
    sample = check_whole("sample", sample, 1)
    progress, folder = choose_progress(progress), artifacts_folder(artifacts)
    spec = FeatureSpec.parse(
        [backbone],
        weights=weights,
        views=views,
        pooling=pooling,
        size=size,
        layer=layer,
        crop=[crop],
        device=device,
        precision=precision,
        dtype=dtype,
        engine=engine,
        seed=seed,
        on=on,
    )
    dataset = open_dataset(data, folder, progress)
    with connected(on):
        with progress.task(f"loading {spec.name}"):
            ((key, load),) = spec.keys(folder)
        how: dict[str, Any] = {"engine": engine, "device": device_at(device, on)}
        filled = fill(dataset, key, load, folder, on=on, progress=progress, **how)
    verified = None
    if verify:
        images = Images(dataset.ids, dataset.files, dataset.digests, dataset.root)
        how |= {"device": choose_device(device)}
        verified = verify_store(images, key, load, folder, sample=sample, seed=seed, **how)
    return Embeddings(dataset, key, folder, filled, verified)


def feature_names(backbone: str, width: int) -> list[str]:
    """Return the names of a backbone's features.

    >>> feature_names("timm/vit", 2)
    ['vit_0', 'vit_1']
    """
    short = own_weights(backbone)[0].rpartition("/")[2]
    return [f"{short}_{at}" for at in range(width)]
