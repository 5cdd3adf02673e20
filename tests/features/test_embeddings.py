"""The verb embed, and what it returns."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.features.feature_fakes import write_images
from toolkit.data.dataset import Dataset
from toolkit.errors import DataError, UsageError
from toolkit.features.embed import Embeddings, embed
from toolkit.features.image_embedder import ImageEmbedder

OPTIONS: dict[str, Any] = {"weights": "none", "precision": "fp32", "engine": "torch"}
NETWORK = "timm/test_resnet"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    images = write_images(tmp_path_factory.mktemp("photos"), 6, broken=(2,))
    frame = pd.DataFrame({"image": [image.path for image in images], "cat": [0, 1] * 3})
    return Dataset.from_frame(frame, name="photos", progress=False)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def made(photos: Dataset, artifacts: Path) -> Embeddings:
    found = embed(photos, NETWORK, artifacts=artifacts, progress=False, **OPTIONS)
    assert isinstance(found, Embeddings)
    return found


def test_rows_belong_to_ids_and_what_has_none_is_named(made: Embeddings, photos: Dataset) -> None:
    assert made.ids == tuple(name for name in photos.ids if name != photos.ids[2])
    assert [each["image"] for each in made.skipped] == [photos.ids[2]]
    assert made.X.shape == (5, made.filled.dim)
    assert made.X.dtype == np.float32
    frame = made.to_frame()
    assert frame["image"].tolist() == list(made.ids)
    np.testing.assert_array_equal(frame.drop(columns="image").to_numpy(), made.X)


def test_a_second_call_computes_nothing_and_a_transformer_reads_the_same_rows(
    made: Embeddings, photos: Dataset, artifacts: Path
) -> None:
    again = embed("photos", NETWORK, artifacts=artifacts, progress=False, **OPTIONS)
    assert isinstance(again, Embeddings)
    assert (again.filled.computed, again.filled.reused, again.filled.engine) == (0, 5, "none")
    np.testing.assert_array_equal(again.X, made.X)
    transformer = ImageEmbedder(NETWORK, artifacts=artifacts, **OPTIONS)
    paths = [path for row, path in enumerate(photos.paths) if row != 2]
    np.testing.assert_array_equal(transformer.fit_transform(paths), made.X)
    assert list(transformer.get_feature_names_out()) == list(made.to_frame().columns)[1:]


def test_the_document_and_what_is_shown_say_the_same(made: Embeddings) -> None:
    facts = made.facts()
    assert list(facts) == [
        *("backbone", "key", "path", "images", "dim", "computed", "reused", "skipped", "seconds"),
        *("images_per_second", "engine", "precision"),
    ]
    assert f"5 images x {facts['dim']}" in repr(made)
    assert "5 computed, 0 from the cache, 1 skipped" in repr(made)
    assert f"<td>{facts['backbone']}</td>" in made._repr_html_()


def test_verifying_tells_whether_rows_are_what_images_give(
    made: Embeddings, tmp_path: Path
) -> None:
    options = {**OPTIONS, "artifacts": made.artifacts, "progress": False}
    found = embed("photos", NETWORK, verify=True, sample=3, **options).verified
    assert found is not None
    assert found.agrees
    assert found.sampled == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"views": "hflip"}, "views: expected 'original' among them, found 'hflip'"),
        ({"crop": "own"}, "crop: expected center or full, found 'own'"),
        ({"dtype": "fp8"}, "dtype: expected fp16 or fp32, found 'fp8'"),
        ({"pooling": "median"}, "pooling: expected default, .* found 'median'"),
        ({"backbone": "resnett50"}, "no backbone named 'resnett50'; did you mean"),
    ],
)
def test_an_option_that_is_no_choice_is_refused(
    photos: Dataset, tmp_path: Path, wrong: dict[str, str], message: str
) -> None:
    options: dict[str, Any] = {"backbone": NETWORK, **OPTIONS, **wrong}
    with pytest.raises(UsageError, match=message):
        embed(photos, artifacts=tmp_path, progress=False, **options)


def test_an_image_that_changed_since_it_was_read_is_refused(tmp_path: Path) -> None:
    images = write_images(tmp_path / "mine", 2)
    frame = pd.DataFrame({"image": [image.path for image in images], "cat": [0, 1]})
    mine = Dataset.from_frame(frame, name="mine", progress=False)
    Path(images[0].path).write_bytes(Path(images[1].path).read_bytes() + b" ")
    with pytest.raises(DataError, match="1 image of data set mine changed"):
        embed(mine, NETWORK, artifacts=tmp_path / "a", progress=False, **OPTIONS)
