from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.features.feature_fakes import key_of
from toolkit.errors import ArtifactError
from toolkit.features.cache import EmbeddingCache
from toolkit.features.key import CacheKey, store_folder
from toolkit.features.matrix import FeatureMatrix, gather

DIGESTS = np.arange(6 * 16, dtype=np.uint8).reshape(6, 16)
NARROW, WIDE = key_of(2), key_of(3, precision="bf16")


def fill(artifacts: Path, key: CacheKey, rows: list[int], base: float) -> None:
    cache = EmbeddingCache(store_folder(artifacts, key), key)
    width = key.backbone.dim
    values = base + np.arange(width) / 8 + np.array(rows)[:, None]
    cache.append([DIGESTS[row].tobytes() for row in rows], values.astype(np.float32))


def test_stores_stand_side_by_side_for_the_images_that_all_have(tmp_path: Path) -> None:
    fill(tmp_path, NARROW, [5, 0, 1, 2], base=0)
    fill(tmp_path, WIDE, [1, 2, 3, 5], base=100)
    matrix = gather(DIGESTS, [NARROW, WIDE], tmp_path)
    assert matrix.rows.tolist() == [1, 2, 5]
    assert matrix.X.dtype == np.float32
    assert (matrix.X[:, 0] == [1, 2, 5]).all()
    assert (matrix.X[:, 2] == [101, 102, 105]).all()
    assert matrix.X.shape == (3, 5)
    assert matrix.title == "fake (random weights)"
    repeated = gather(DIGESTS[[2, 2, 4, 1]], [NARROW], tmp_path)
    assert repeated.rows.tolist() == [0, 1, 3]
    assert (repeated.X[:, 0] == [2, 2, 1]).all()


def test_the_title_tells_crops_apart_where_a_backbone_has_several() -> None:
    whole = replace(NARROW.backbone.preprocess, resize=NARROW.backbone.preprocess.size)
    other = replace(NARROW, backbone=replace(NARROW.backbone, preprocess=whole))
    own = replace(whole, resize=whole.size + 1)
    keys = (replace(NARROW, backbone=replace(NARROW.backbone, preprocess=own)), other)
    X, rows = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    assert FeatureMatrix(X, rows, keys).title == "fake (random weights) (center + full)"
    assert FeatureMatrix(X, rows, keys[1:]).title == "fake (random weights)"


def test_the_digest_depends_on_the_stores_and_their_order(tmp_path: Path) -> None:
    fill(tmp_path, NARROW, [0], base=0)
    fill(tmp_path, WIDE, [0], base=0)
    orders = ([NARROW], [WIDE], [NARROW, WIDE], [WIDE, NARROW])
    assert len({gather(DIGESTS, order, tmp_path).digest for order in orders}) == 4


def test_without_embeddings_the_error_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="embeddings of fake: run 'toolkit embed'"):
        gather(DIGESTS, [NARROW], tmp_path)
    fill(tmp_path, NARROW, [0], base=0)
    fill(tmp_path, WIDE, [1], base=0)
    with pytest.raises(ArtifactError, match="embeddings of fake, fake"):
        gather(DIGESTS, [NARROW, WIDE], tmp_path)
