"""ImageEmbedder: a scikit-learn transformer on images."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks as checks

from tests.features.feature_fakes import picture
from toolkit.errors import DataError, UsageError
from toolkit.features.image_embedder import ImageEmbedder
from toolkit.heads.linear import LinearHead

NETWORK = "timm/test_resnet"


def embedder(artifacts: Path | None, **options: Any) -> ImageEmbedder:
    given = {"weights": "none", "precision": "fp32", "engine": "torch", "artifacts": artifacts}
    return ImageEmbedder(NETWORK, **{**given, **options})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for at in range(24):
        image = picture(at, 40, 32)
        if at % 2:
            image = Pillow.eval(image, lambda value: value // 3)
        paths.append(str(folder / f"im{at}.png"))
        image.save(paths[-1])
    return paths


Y = np.array([[at % 2, (at // 2) % 2] for at in range(24)], np.uint8)


def test_paths_pictures_and_arrays_are_the_same_images(pictures: list[str], tmp_path: Path) -> None:
    made = embedder(tmp_path).fit(pictures)
    X = made.transform(pictures)
    assert X.shape == (24, made.n_features_out_)
    assert X.dtype == np.float32
    opened = [Pillow.open(path).convert("RGB") for path in pictures]
    stacked = np.stack([np.asarray(image) for image in opened])
    for given in (
        [Path(path) for path in pictures],
        opened,
        list(stacked),
        stacked,
        pd.Series(pictures),
        pd.DataFrame({"path": pictures}),
        np.array(pictures),
    ):
        np.testing.assert_allclose(made.transform(given), X, rtol=2e-3, atol=2e-3)
    order = np.random.default_rng(0).permutation(24)
    np.testing.assert_array_equal(made.transform([pictures[at] for at in order]), X[order])


def test_what_is_kept_is_what_was_computed(pictures: list[str], tmp_path: Path) -> None:
    first = embedder(tmp_path).fit(pictures).transform(pictures)
    again = embedder(tmp_path).fit(pictures).transform(pictures)
    np.testing.assert_array_equal(first, again)
    unkept = embedder(None).fit(pictures).transform(pictures)
    np.testing.assert_array_equal(first, unkept)


def test_an_image_that_cannot_be_decoded_is_named(pictures: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    made = embedder(tmp_path).fit(pictures)
    with pytest.raises(DataError, match=r"1 image cannot be decoded .*broken\.png"):
        made.transform([pictures[0], broken])
    with pytest.raises(DataError, match="cannot be read"):
        made.transform([tmp_path / "absent.png"])
    with pytest.raises(DataError, match="expected a path, a Pillow image or an array, found int"):
        made.transform([3])
    with pytest.raises(DataError, match="expected an array uint8"):
        made.transform([np.zeros((4, 4, 3))])
    with pytest.raises(UsageError, match="crop: expected center or full, found 'own'"):
        embedder(tmp_path, crop="own").fit(pictures)


def test_it_goes_through_a_pipeline_folds_and_a_search(pictures: list[str], tmp_path: Path) -> None:
    pipe = make_pipeline(embedder(tmp_path), LinearHead(Cs=[1.0]))
    folds = KFold(3, shuffle=True, random_state=0)
    found = cross_val_score(pipe, pictures, Y, cv=folds, scoring="average_precision")
    assert found.shape == (3,)
    assert np.isfinite(found).all()
    search = GridSearchCV(
        pipe,
        {
            "imageembedder__backbone": [NETWORK, "timm/test_efficientnet"],
            "linearhead__Cs": [[0.01], [1.0]],
        },
        cv=folds,
        scoring="average_precision",
    ).fit(pictures, Y)
    assert search.best_estimator_.predict_proba(pictures).shape == (24, 2)


@pytest.mark.parametrize(
    "check",
    [
        checks.check_do_not_raise_errors_in_init_or_set_params,
        checks.check_estimator_repr,
        checks.check_estimator_tags_renamed,
        checks.check_get_params_invariance,
        checks.check_mixin_order,
        checks.check_no_attributes_set_in_init,
        checks.check_parameters_default_constructible,
        checks.check_set_params,
        checks.check_valid_tag_types,
    ],
)
def test_what_scikit_learn_asks_of_those_that_take_no_numbers(check: Any) -> None:
    check("ImageEmbedder", embedder(None))


def test_a_calibrator_of_scikit_learn_says_that_it_takes_one_label(
    pictures: list[str], tmp_path: Path
) -> None:
    pipe = make_pipeline(embedder(tmp_path), LinearHead(Cs=[1.0]))
    for labels in (Y, Y[:, 0]):
        with pytest.raises(ValueError, match=r"y should be a 1d array|y: expected shape"):
            CalibratedClassifierCV(pipe, cv=2).fit(pictures, labels)


def test_it_is_cloned_named_and_kept_without_its_network(
    pictures: list[str], tmp_path: Path
) -> None:
    made = embedder(tmp_path, views="original,hflip").fit(pictures)
    assert clone(made).get_params() == made.get_params()
    assert len(pickle.dumps(made)) < 4096  # options and a width, no weights
    frame = made.set_output(transform="pandas").transform(pictures[:3])
    assert list(frame.columns)[:2] == ["test_resnet_0", "test_resnet_1"]
    assert list(made.get_feature_names_out()) == list(frame.columns)


def test_arrays_are_one_picture_or_several_and_never_guessed(tmp_path: Path) -> None:
    made = embedder(tmp_path).fit([])
    one = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    assert len(made.transform(one)) == len(made.transform(one[..., 0])) == 1
    assert len(made.transform(np.stack([one, one]))) == 2
    for shape in ((40, 40, 4), (40, 50, 1), (3, 40, 50)):
        with pytest.raises(DataError, match="expected an array uint8"):
            made.transform(np.zeros(shape, np.uint8))


def test_threads_embed_with_networks_of_their_own(pictures: list[str], tmp_path: Path) -> None:
    def work(seed: int) -> np.ndarray:
        made = embedder(tmp_path, random_state=seed, engine="auto").fit(pictures)
        return made.transform(pictures[:4])

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(work, range(90, 93)))
    print("standard error still takes text", file=sys.stderr)
    again = embedder(None, random_state=91, engine="auto").fit(pictures).transform(pictures[:4])
    np.testing.assert_allclose(found[1], again, rtol=1e-3, atol=1e-3)
