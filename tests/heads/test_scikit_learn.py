"""Heads as scikit-learn sees them: its own checks, searches, scorers, pipelines, data frames."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from toolkit.errors import UsageError
from toolkit.heads.head import OneClassWarning, OneVsRestHead
from toolkit.heads.lightgbm import LightGBMHead
from toolkit.heads.linear import LinearHead
from toolkit.heads.mlp import MLPHead
from toolkit.heads.multitask import MultitaskHead
from toolkit.heads.registry import make_head
from toolkit.statistics.metrics import mean_average_precision

NETWORK: dict[str, Any] = {"hidden": 8, "epochs": 2, "precision": "fp32", "device": "cpu"}
HEADS = [
    LinearHead(Cs=[0.1]),
    MLPHead(**NETWORK),
    LightGBMHead(n_estimators=5, n_jobs=1),
    MultitaskHead(**NETWORK),
]
every_head = pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)

ONE_TWO = "its labels are 1 and 2; a head takes 0 and 1"
ONE_D = "its target is 1-D; a head takes (n, L)"
SKIPPED = {
    "check_classifiers_one_label": "a constant predictor comes with a warning",
    "check_classifiers_one_label_sample_weights": ONE_D,
    "check_classifiers_classes": ONE_D,
    "check_classifiers_train": ONE_D,
    "check_class_weight_classifiers": ONE_D,
    "check_estimators_dtypes": ONE_TWO,
    "check_sample_weights_pandas_series": ONE_TWO,
    "check_sample_weights_not_an_array": ONE_TWO,
    "check_sample_weights_shape": ONE_TWO,
    "check_sample_weights_not_overwritten": ONE_TWO,
    "check_classifier_data_not_an_array": ONE_TWO,
    "check_fit2d_1feature": ONE_TWO,
}
WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
TWICE = "a row of weight 2 comes once an epoch with twice the pull, one given twice, twice"
REPEATED = {
    LinearHead: "rows are standardised unweighted",
    MLPHead: TWICE,
    LightGBMHead: "bins, bagging and leaf counts take a repeated row for several",
    MultitaskHead: TWICE,
}


def skipped(head: Any) -> dict[str, str]:
    return SKIPPED | {WEIGHTS: REPEATED[type(head)]}


@parametrize_with_checks(HEADS, expected_failed_checks=skipped, xfail_strict=True)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """120 rows, 6 features, three labels that they tell."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6)).astype(np.float32)
    Y = X[:, :3] + 0.5 * rng.normal(size=(120, 3)) > 0.3
    columns = [f"f{j}" for j in range(6)]
    return pd.DataFrame(X, columns=columns), pd.DataFrame(Y, columns=["cat", "dog", "sea"])


@every_head
def test_names_are_remembered_and_expected_again(head: OneVsRestHead, frames: Any) -> None:
    X, Y = frames
    fitted = clone(head).fit(X, Y)
    assert fitted.feature_names_in_.tolist() == list(X)
    assert fitted.label_names_.tolist() == list(Y)
    assert fitted.n_features_in_ == 6
    again = clone(head).restore(fitted.state())
    for model in (fitted, again):
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(X[X.columns[::-1]])
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


@every_head
@pytest.mark.parametrize("kind", [bool, np.int8, np.float64, object])
def test_labels_come_in_any_kind_of_0_and_1(head: OneVsRestHead, frames: Any, kind: type) -> None:
    X, Y = (frame.to_numpy() for frame in frames)
    fitted = clone(head).fit(X, Y.astype(int).astype(kind))
    scores, decided = fitted.predict_proba(X), fitted.predict(X)
    assert scores.dtype == np.float32
    assert scores.shape == Y.shape
    assert decided.dtype == np.int64
    np.testing.assert_array_equal(decided, scores >= 0.5)
    np.testing.assert_array_equal(clone(head).fit(X, Y).predict_proba(X), scores)


@pytest.mark.parametrize("wrong", [2, -2, 0.5, "yes", np.nan])
def test_other_labels_are_named(frames: Any, wrong: Any) -> None:
    X, Y = frames
    Y = Y.astype(object)
    Y.iloc[3, 1] = wrong
    with pytest.raises(ValueError, match=r"expected 0, 1, or -1 for unknown, found|NaN"):
        LinearHead().fit(X, Y)


@pytest.mark.parametrize("labels", [1, 2, 3])
@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision", "f1_macro", "accuracy"])
def test_multi_label_scorers_see_every_label(frames: Any, labels: int, scoring: str) -> None:
    X, Y = frames[0], frames[1].iloc[:, :labels].to_numpy(int)
    ours = cross_val_score(LinearHead(Cs=[0.1]), X, Y, scoring=scoring, cv=KFold(3))
    assert np.isfinite(ours).all()
    assert ours.min() > 0.5
    if scoring == "average_precision":
        fold = np.arange(120) // 40
        for f, model in enumerate(LinearHead(Cs=[0.1]).fit_folds(X, Y, fold)):
            scores = model.predict_proba(X[fold == f])
            assert mean_average_precision(Y[fold == f], scores) == pytest.approx(ours[f], abs=1e-4)


@pytest.mark.parametrize(
    ("head", "option", "poor", "good"),
    [
        (LinearHead(), "Cs", [1e-6], [0.1]),
        (LightGBMHead(n_jobs=1, start="prior", feature_fraction=1.0), "n_estimators", 1, 40),
        (MLPHead(**NETWORK), "epochs", 1, 30),
        (MultitaskHead(**NETWORK), "epochs", 1, 60),
    ],
    ids=["linear", "lightgbm", "mlp", "multitask"],
)
def test_a_grid_search_finds_the_better_option(
    frames: Any, head: OneVsRestHead, option: str, poor: Any, good: Any
) -> None:
    X, Y = frames[0], frames[1].to_numpy(int)
    name = f"{type(head).__name__.lower()}__{option}"
    pipeline = make_pipeline(StandardScaler(), MinMaxScaler(), head)
    search = GridSearchCV(pipeline, {name: [poor, good]}, scoring="average_precision", cv=3)
    assert search.fit(X, Y).best_params_ == {name: good}
    assert search.predict_proba(X).shape == Y.shape


def test_calibration_is_for_one_label_at_a_time(frames: Any) -> None:
    """scikit-learn's takes one label; the toolkit's own calibrates members."""
    X, Y = frames[0], frames[1].to_numpy(int)
    with pytest.raises(ValueError, match="1d array"):
        CalibratedClassifierCV(LinearHead()).fit(X, Y)
    with pytest.raises(ValueError, match=r"y: expected shape \(n, L\)"):
        MultiOutputClassifier(LinearHead()).fit(X, Y)


@every_head
def test_a_label_with_one_class_is_constant_and_named_once(
    head: OneVsRestHead, frames: Any
) -> None:
    X, Y = frames[0], frames[1].assign(dog=False, sea=True)
    with pytest.warns(OneClassWarning, match="labels 'dog', 'sea'") as found:
        fitted = clone(head).fit(X, Y)
    assert len(found) == 1
    scores = fitted.predict_proba(X)
    assert set(scores[:, 1]) == {0.0}
    assert set(scores[:, 2]) == {1.0}
    assert scores[:, 0].std() > 0
    again = clone(head).restore(fitted.state())
    np.testing.assert_array_equal(again.predict_proba(X), scores)
    nothing = frames[1].assign(cat=True, dog=False, sea=True)
    with pytest.warns(OneClassWarning, match="cat"):
        assert clone(head).fit(X, nothing).predict(X).tolist() == [[1, 0, 1]] * 120


@every_head
def test_random_states_are_scikit_learns(head: OneVsRestHead, frames: Any) -> None:
    X, Y = frames
    assert "seed" not in head.get_params()

    def scores(random_state: Any) -> bytes:
        model = clone(head).set_params(random_state=random_state)
        return bytes(model.fit(X, Y).predict_proba(X).tobytes())

    assert scores(1) == scores(np.int64(1))
    assert scores(np.random.RandomState(1)) == scores(np.random.RandomState(1))
    assert len(scores(None)) == len(scores(1))


def test_options_are_checked_when_a_head_is_made_and_old_names_give_the_new_one() -> None:
    with pytest.raises(UsageError, match="seed is now called random_state"):
        make_head("mlp", seed=1)
    with pytest.raises(UsageError, match="averaging is now called ema_decay"):
        make_head("mlp", averaging=0.9)
    with pytest.raises(UsageError, match="did you mean gamma"):
        make_head("mlp", gama=1)
    with pytest.raises(UsageError, match="Cs: expected numbers above 0"):
        make_head("linear", Cs=[])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_head("linear", Cs=[1]).get_params()["Cs"] == [1]


@pytest.mark.parametrize("labels", [1, 2, 3])
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_scores_out_of_fold_come_for_every_label(frames: Any, labels: int, method: str) -> None:
    X, Y = frames[0].to_numpy(), frames[1].to_numpy()[:, [0] * labels]
    folds = KFold(3, shuffle=True, random_state=0)
    found = cross_val_predict(LinearHead(Cs=[0.1]), X, Y, cv=folds, method=method)
    assert found.shape == (len(X), labels)
