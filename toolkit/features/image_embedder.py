"""ImageEmbedder: frozen features as a scikit-learn transformer on images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from toolkit.errors import DataError, counted, listed
from toolkit.features.cache import EmbeddingCache
from toolkit.features.embed import feature_names
from toolkit.features.engines.choose import Engines
from toolkit.features.fill import fill_store
from toolkit.features.key import CacheKey, store_folder
from toolkit.features.spec import FeatureSpec, Loader
from toolkit.images.given import given_images
from toolkit.runtime.device import choose_device
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder


class ImageEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Embeds images with a frozen backbone.

    Rows are kept by image content: under ``artifacts`` in the store that
    :func:`toolkit.embed` uses, else in a temporary folder for the life of the process, so that
    cross-validation embeds each image once.

    Args:
        backbone: see :func:`toolkit.embed`.
        weights: ``default``, ``none`` (a random start) or a weights file.
        views: ``original``, or ``original,hflip`` to average both.
        pooling: as of :func:`~toolkit.features.embed.embed`.
        size: likewise.
        layer: likewise.
        crop: ``center`` or ``full``.
        engine: ``auto``, ``openvino`` or ``torch``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``fp16``, ``bf16`` or ``fp32``.
        dtype: ``fp16`` or ``fp32``, of the rows kept.
        random_state: of random weights.
        artifacts: where rows are kept; None for a temporary folder.
        progress: where progress is shown; see :func:`~toolkit.runtime.progress.choose_progress`.

    Attributes:
        n_features_out_: width of a row.
    """

    def __init__(
        self,
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
        random_state: int = 0,
        artifacts: str | os.PathLike[str] | None = None,
        progress: Any = False,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.views = views
        self.pooling = pooling
        self.size = size
        self.layer = layer
        self.crop = crop
        self.engine = engine
        self.device = device
        self.precision = precision
        self.dtype = dtype
        self.random_state = random_state
        self.artifacts = artifacts
        self.progress = progress

    def fit(self, X: Any, y: Any = None) -> Self:
        """Look at the options; nothing is learned from images.

        Args:
            X: images, which are not looked at.
            y: not looked at.

        Raises:
            UsageError: an option is not among its choices.
            WeightsError: weights cannot be had or do not fit.
        """
        key, _ = self._key(self._folder())
        self.n_features_out_ = key.backbone.dim
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return embeddings ``float32 (n, d)`` of n images, in their order.

        Args:
            X: paths, Pillow images, or arrays ``uint8 (h, w, 3)`` or ``(h, w)``; also one array
                ``uint8 (n, h, w, 3)``.

        Raises:
            DataError: an image cannot be read or decoded; it is named.
        """
        check_is_fitted(self, "n_features_out_")
        images, folder = given_images(X), self._folder()
        key, load = self._key(folder)
        with choose_progress(self.progress).task(f"embedding with {self.backbone}") as task:
            filled = fill_store(
                images,
                key,
                load,
                folder,
                engine=self.engine,
                device=choose_device(self.device),
                on_start=task.start,
                on_progress=task.advance,
                make=_engines,
            )
        if filled.skipped:
            count = counted(len(filled.skipped), "image")
            names = listed(each["image"] for each in filled.skipped)
            reason = filled.skipped[0]["reason"]
            raise DataError(f"{count} cannot be decoded ({names}): {reason}")
        store = EmbeddingCache(store_folder(folder, key), key)
        return store.read(store.find(images.digests))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features, ``(d,)``; ``input_features`` plays no part."""
        check_is_fitted(self, "n_features_out_")
        return np.array(feature_names(self.backbone, self.n_features_out_), dtype=object)

    def __sklearn_tags__(self) -> Tags:
        """Say that images are taken, and nothing is learned from labels."""
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        tags.requires_fit = True
        return tags

    def _folder(self) -> Path:
        given = _temporary().name if self.artifacts is None else self.artifacts
        return artifacts_folder(given)

    def _key(self, folder: Path) -> tuple[CacheKey, Loader]:
        options = self.get_params(deep=False)
        del options["artifacts"], options["progress"]
        backbone, crop, seed = (options.pop(name) for name in ("backbone", "crop", "random_state"))
        ((key, load),) = FeatureSpec.parse([backbone], crop=[crop], seed=seed, **options).keys(
            folder
        )
        return key, load


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="toolkit-")  # removed when the process ends


_engines = Engines(most=2)  # folds and clones need not load a network again
