"""Prediction: streamed, through the cache, in order, and told what was left out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.features.feature_fakes import KEY, FakeEngine, key_of, no_network, row_of, write_images
from toolkit.features.key import CacheKey
from toolkit.images.pixel_store import PixelKey
from toolkit.images.sources import Image
from toolkit.inference import stream
from toolkit.inference.scorer import Batch, Pictures, Store
from toolkit.inference.stream import score_images

LABELS = ("dark", "wide")


@dataclass(frozen=True)
class FakeStore(Store):
    """A store whose network nobody needs."""

    def resolve(self, artifacts: Path) -> Callable[[], Any]:
        return no_network


class FirstTwo:
    """Scores by the first two numbers of the embeddings."""

    labels: tuple[str, ...] = LABELS
    pictures: tuple[Pictures, ...] = ()

    def __init__(self, *keys: CacheKey) -> None:
        self.stores: tuple[Store, ...] = tuple(FakeStore(key, None) for key in keys)  # type: ignore[arg-type]

    def score(self, batch: Batch) -> np.ndarray:
        X = batch.features([store.key for store in self.stores])
        scores: np.ndarray = 1 / (1 + np.exp(-X[:, :2]))
        return scores


def expected(image: Image) -> np.ndarray:
    row: np.ndarray = 1 / (1 + np.exp(-row_of(image)[:2]))
    return row


def named(images: Sequence[Image]) -> list[tuple[str, str]]:
    return [(image.id, image.path) for image in images]


class Taken:
    """Takes what is written."""

    def __init__(self) -> None:
        self.every: list[str] = []
        self.names: list[str] = []
        self.parts: list[np.ndarray] = []

    def __call__(self, names: Sequence[str], scores: np.ndarray) -> None:
        known = ~np.isnan(scores).any(axis=1)
        assert np.isnan(scores[~known]).all()
        self.every += names
        self.names += [name for name, fine in zip(names, known, strict=True) if fine]
        self.parts.append(scores[known])

    @property
    def scores(self) -> np.ndarray:
        return np.concatenate(self.parts)


def test_every_image_gets_its_own_scores_in_order(tmp_path: Path) -> None:
    images = write_images(tmp_path / "new", 11)
    todo = [*images[::-1], images[3]]  # one content twice
    taken = Taken()
    outcome = score_images(
        FirstTwo(KEY, key_of(4)), named(todo), tmp_path, taken, chunk=4, make=FakeEngine.maker()
    )
    assert taken.names == [image.id for image in todo]
    np.testing.assert_allclose(taken.scores, [expected(image) for image in todo], atol=1e-6)
    assert (outcome.images, outcome.skipped) == (12, [])


def test_what_is_cached_is_not_embedded_again(tmp_path: Path) -> None:
    images = write_images(tmp_path / "new", 5)
    score_images(FirstTwo(KEY), named(images), tmp_path, Taken(), make=FakeEngine.maker())

    def none(*arguments: object, **options: object) -> FakeEngine:
        raise AssertionError("an engine was built")

    taken = Taken()
    score_images(FirstTwo(KEY), named(images), tmp_path, taken, make=none)
    assert len(taken.names) == 5


def test_images_are_read_and_written_a_chunk_at_a_time(tmp_path: Path) -> None:
    """Nothing is kept of what was written: the list may be longer than memory."""
    images = write_images(tmp_path / "new", 12)
    taken, engines = Taken(), []
    furthest = []

    def listing() -> Iterator[tuple[str, str]]:
        for number, image in enumerate(images):
            furthest.append(number - len(taken.names))
            yield image.id, image.path

    def make(*arguments: Any, **options: Any) -> FakeEngine:
        engines.append(FakeEngine(KEY.backbone))
        return engines[-1]

    score_images(FirstTwo(KEY), listing(), tmp_path, taken, chunk=3, make=make)
    assert len(taken.names) == 12
    assert max(furthest) < 3
    assert len(engines) == 1


def test_what_cannot_be_scored_is_told_and_left_out(tmp_path: Path) -> None:
    images = write_images(tmp_path / "new", 6, broken=(1, 2, 3))
    gone = ("gone", str(tmp_path / "gone.jpg"))
    taken = Taken()
    outcome = score_images(
        FirstTwo(KEY), [*named(images), gone], tmp_path, taken, chunk=3, make=FakeEngine.maker()
    )
    assert taken.every == ["im0", "im1", "im2", "im3", "im4", "im5", "gone"]
    assert taken.names == ["im0", "im4", "im5"]
    assert [each["image"] for each in outcome.skipped] == ["im1", "im2", "im3", "gone"]
    assert "No such file" in outcome.skipped[-1]["reason"]
    assert outcome.images == 3


def test_rows_of_nan_are_images_that_a_model_cannot_score(tmp_path: Path) -> None:
    class Half(FirstTwo):
        def score(self, batch: Batch) -> np.ndarray:
            scores = super().score(batch)
            scores[::2] = np.nan
            return scores

    images = write_images(tmp_path / "new", 4)
    taken = Taken()
    outcome = score_images(Half(KEY), named(images), tmp_path, taken, make=FakeEngine.maker())
    assert taken.names == ["im1", "im3"]
    assert [each["image"] for each in outcome.skipped] == ["im0", "im2"]


class Means:
    """Scores by the mean of two channels of pictures of two sizes."""

    labels: tuple[str, ...] = LABELS
    stores: tuple[Store, ...] = ()
    pictures = tuple(Pictures(PixelKey(side, side), KEY.backbone) for side in (4, 8))

    def __init__(self) -> None:
        self.most = 0

    def score(self, batch: Batch) -> np.ndarray:
        small, large = (batch.pixels(each.key) for each in self.pictures)
        assert small.shape == (len(batch.images), 4, 4, 3)
        self.most = max(self.most, small.nbytes + large.nbytes)
        both = np.stack([small[..., 0], large[:, ::2, ::2, 1]], -1)
        found: np.ndarray = both.reshape(len(small), -1, 2).mean(1) / 255
        return found


def test_pictures_are_decoded_in_order_stored_nowhere_and_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = write_images(tmp_path / "new", 12, broken=(1, 5))
    whole, parts, wide = Taken(), Taken(), Means()
    outcome = score_images(wide, named(images), tmp_path / "artifacts", whole)
    assert [each["image"] for each in outcome.skipped] == ["im1", "im5"]
    assert whole.names == [image.id for at, image in enumerate(images) if at not in (1, 5)]
    assert not (tmp_path / "artifacts").exists()
    alone = Taken()
    for image in images:
        score_images(Means(), [(image.id, image.path)], tmp_path, alone)
    assert alone.names == whole.names
    np.testing.assert_array_equal(alone.scores, whole.scores)
    assert len(np.unique(whole.scores[:, 0])) > 5
    held = 3 * (4 * 4 + 8 * 8) * 3
    monkeypatch.setattr(stream, "HELD_BYTES", held)
    narrow = Means()
    score_images(narrow, named(images), tmp_path, parts)
    assert wide.most > held >= narrow.most > 0
    assert parts.names == whole.names
    np.testing.assert_array_equal(parts.scores, whole.scores)
