"""The LightGBM head against LightGBM's own classifier, and what its labels may share."""

from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.base import clone

from toolkit.heads.focal_objective import FocalObjective
from toolkit.heads.head import OneClassWarning
from toolkit.heads.lightgbm import LightGBMHead
from toolkit.statistics.metrics import average_precision

Arrays = tuple[np.ndarray, np.ndarray]
SMALL: dict[str, Any] = {"n_estimators": 20, "num_leaves": 7, "feature_fraction": 0.5, "n_jobs": 2}
TREES = SMALL | {"start": "prior", "normalise": False}


@pytest.fixture(scope="module")
def problem() -> Arrays:
    """400 rows, 12 features of a few levels each, three labels of unlike frequency."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 8, size=(400, 12)).astype(np.float32)
    Z = (X - 3.5) @ rng.normal(size=(12, 3)) * 0.3 - [0.0, 1.5, 3.0]
    Y = (rng.random(Z.shape) < 1 / (1 + np.exp(-Z))).astype(np.uint8)
    return X, Y


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_a_label_is_what_lightgbms_classifier_makes_of_it(
    problem: Arrays, class_weight: str | None
) -> None:
    X, Y = problem
    head = LightGBMHead(**TREES, class_weight=class_weight, random_state=3).fit(X, Y)
    ours = head.predict_proba(X)
    for j in range(3):
        model = lightgbm.LGBMClassifier(
            n_estimators=20,
            num_leaves=7,
            learning_rate=head.learning_rate,
            max_bin=head.max_bin,
            colsample_bytree=0.5,
            subsample=head.bagging_fraction,
            subsample_freq=5,
            min_child_samples=head.min_child_samples,
            min_child_weight=head.min_child_weight,
            reg_lambda=head.reg_lambda,
            class_weight=class_weight,
            random_state=3,
            n_jobs=1,
            force_col_wise=True,
            deterministic=True,
            verbosity=-1,
        ).fit(X, Y[:, j])
        np.testing.assert_allclose(ours[:, j], np.asarray(model.predict_proba(X))[:, 1], atol=1e-6)


def test_all_labels_share_one_binning(problem: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = problem
    binned = []
    made = lightgbm.Dataset.__init__

    def note(self: Any, data: Any, *args: Any, **options: Any) -> None:
        binned.append(data is not None)
        made(self, data, *args, **options)

    monkeypatch.setattr(lightgbm.Dataset, "__init__", note)
    LightGBMHead(**SMALL, early_stopping=5).fit(X, Y)
    assert sum(binned) == 1
    assert len(binned) > 3


def test_a_label_does_not_depend_on_its_neighbours_or_the_threads(problem: Arrays) -> None:
    X, Y = problem
    together = LightGBMHead(**TREES).fit(X, Y).predict_proba(X)
    assert LightGBMHead(**TREES).fit(X, Y).predict_proba(X).tobytes() == together.tobytes()
    one = LightGBMHead(**TREES | {"n_jobs": 1}).fit(X, Y)
    assert one.predict_proba(X).tobytes() == together.tobytes()
    # two threads for a single label split its work inside LightGBM
    alone = LightGBMHead(**TREES).fit(X, Y[:, 1:2])
    assert alone.predict_proba(X)[:, 0].tobytes() == together[:, 1].tobytes()
    other = LightGBMHead(**TREES, random_state=1).fit(X, Y).predict_proba(X)
    assert (other != together).any()


@pytest.mark.parametrize("start", ["prior", "linear"])
def test_a_row_without_weight_is_not_there(problem: Arrays, start: str) -> None:
    X, Y = problem
    # another level and other bins, were these rows seen
    X, kept = X.copy(), np.arange(len(X)) % 4 != 0
    X[~kept] += 100
    head = LightGBMHead(**SMALL, start=start)
    weighted = clone(head).fit(X, Y, kept.astype(np.float32)).predict_proba(X)
    dropped = clone(head).fit(X[kept], Y[kept]).predict_proba(X)
    assert weighted.tobytes() == dropped.tobytes()


def test_weights_of_one_label_leave_the_others_alone(problem: Arrays) -> None:
    X, Y = problem
    kept = np.arange(len(X)) % 4 != 0
    weight = np.ones(Y.shape, np.float32)
    weight[~kept, 1] = 0
    got = LightGBMHead(**TREES).fit(X, Y, weight).predict_proba(X)
    full = LightGBMHead(**TREES).fit(X, Y).predict_proba(X)
    assert got[:, [0, 2]].tobytes() == full[:, [0, 2]].tobytes()
    # with every level present in the kept rows, the bins are theirs too
    dropped = LightGBMHead(**TREES).fit(X[kept], Y[kept]).predict_proba(X)
    assert got[:, 1].tobytes() == dropped[:, 1].tobytes()


def test_pos_weight_raises_scores(problem: Arrays) -> None:
    X, Y = problem
    plain = LightGBMHead(**SMALL).fit(X, Y).predict_proba(X).mean(0)
    paper = LightGBMHead(**SMALL, class_weight="pos_weight").fit(X, Y).predict_proba(X).mean(0)
    assert (paper[1:] > plain[1:] + 0.1).all()


def test_focal_loss_without_focus_is_the_logistic_loss(problem: Arrays) -> None:
    X, Y = problem
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X)).astype(np.float32)
    # LightGBM draws a tree's features anew when it is handed gradients: let it have them all
    options = SMALL | {"feature_fraction": 1.0}
    logistic = LightGBMHead(**options).fit(X, Y, weight).predict_proba(X)
    focal = LightGBMHead(**options, objective="focal", gamma=0.0).fit(X, Y, weight)
    np.testing.assert_allclose(focal.predict_proba(X), logistic, atol=1e-6)
    focused = LightGBMHead(**options, objective="focal", gamma=2.0).fit(X, Y, weight)
    assert np.abs(focused.predict_proba(X) - logistic).max() > 0.05
    assert (average_precision(Y, focused.predict_proba(X)) > Y.mean(0) + 0.2).all()


@pytest.mark.parametrize(("gamma", "alpha"), [(0.0, None), (1.0, None), (2.0, 0.25)])
def test_focal_derivatives_are_those_of_the_loss(gamma: float, alpha: float | None) -> None:
    focal = FocalObjective(gamma, alpha)
    z = np.linspace(-6, 6, 49)
    for label in (0.0, 1.0):
        y, weight = np.full(49, label), np.full(49, 3.0)
        gradient, curvature = focal.derivatives(z, y, weight)
        single = [(np.array([at]), np.array([label]), np.array([3.0])) for at in z]
        for i, (at, *of) in enumerate(single):
            slope = (focal.loss(at + 1e-4, *of) - focal.loss(at - 1e-4, *of)) / 2e-4
            assert 3 * slope == pytest.approx(gradient[i], abs=1e-6)
        bend = (
            focal.derivatives(z + 1e-4, y, weight)[0] - focal.derivatives(z - 1e-4, y, weight)[0]
        ) / 2e-4
        right = np.where(label == 1, z, -z) > 0  # where the loss is convex for any gamma here
        np.testing.assert_allclose(curvature[right], bend[right], atol=1e-6)
        assert (curvature > 0).all()


def test_the_focal_start_is_stationary() -> None:
    y, weight = (np.arange(50) < 5).astype(np.float64), np.ones(50)
    assert FocalObjective(0.0, None).start(y, weight) == pytest.approx(np.log(5 / 45))
    focal = FocalObjective(2.0, 0.25)
    gradient, _ = focal.derivatives(np.full(50, focal.start(y, weight)), y, weight)
    assert gradient.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("objective", ["binary", "focal"])
def test_early_stopping_keeps_the_trees_before_the_loss_rises(objective: str) -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(600, 8)).astype(np.float32)
    learnable = X[:, 0] + X[:, 1] + 0.3 * rng.normal(size=600) > 0
    noise = rng.random(600) < 0.5
    rare = np.arange(600) % 100 == 0
    Y = np.column_stack([learnable, noise, rare]).astype(np.uint8)
    options = TREES | {"n_estimators": 80, "learning_rate": 0.2, "objective": objective}
    head = LightGBMHead(**options, early_stopping=10, validation_fraction=0.2).fit(X, Y)
    clear, hopeless, borrowed = head.rounds_.tolist()
    assert hopeless < 20 < clear
    assert borrowed == round((clear + hopeless) / 2)  # too few positives to stop by: the median
    trees = [0 if booster is None else booster.num_trees() for booster in head.boosters_]
    assert trees == head.rounds_.tolist()


@pytest.mark.parametrize("options", [{}, {"start": "linear"}, {"early_stopping": 5}])
def test_random_labels_give_chance_out_of_fold(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    gaps = []
    for _ in range(4):
        X = rng.normal(size=(300, 10)).astype(np.float32)
        Y = (rng.random((300, 3)) < 0.3).astype(np.uint8)
        fold = np.arange(300) % 3
        scores = np.zeros(Y.shape)
        for f in range(3):
            head = LightGBMHead(**SMALL, **options).fit(X[fold != f], Y[fold != f])
            scores[fold == f] = head.predict_proba(X[fold == f])
        gaps.extend(average_precision(Y, scores) - Y.mean(0))
    assert abs(np.mean(gaps)) < 0.05


def test_the_linear_start_of_a_row_comes_from_regressions_without_it() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 60)).astype(np.float32)
    Y = (rng.random((300, 3)) < 0.3).astype(np.uint8)
    weight = np.ones(Y.shape, np.float32)
    head = LightGBMHead(n_estimators=1, start="linear", start_strength=1.0).fit(X, Y)
    begun = head._find_start(X, Y, weight)
    assert begun is not None
    fitted = X @ head.coef_.T + head.base_
    assert (average_precision(Y, fitted) > 0.5).all()  # what the regressions know by heart
    assert (average_precision(Y, begun) < 0.45).all()


def test_the_linear_start_finds_what_trees_are_slow_to_find() -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(600, 40)).astype(np.float32)
    Y = (X @ rng.normal(size=(40, 2)) + rng.normal(size=(600, 2)) > 4).astype(np.uint8)
    options = SMALL | {"start_strength": 0.1}
    prior, linear = (
        LightGBMHead(**options, start=start).fit(X[:400], Y[:400]).predict_proba(X[400:])
        for start in ("prior", "linear")
    )
    gain = average_precision(Y[400:], linear) - average_precision(Y[400:], prior)
    assert (gain > 0.05).all()


@pytest.mark.parametrize("options", [{}, {"start": "linear", "objective": "focal"}])
def test_a_restored_head_predicts_the_same_bytes(problem: Arrays, options: dict[str, Any]) -> None:
    X, Y = problem
    X = X + np.random.default_rng(6).normal(size=X.shape).astype(np.float32)
    head = LightGBMHead(**SMALL, **options).fit(X, Y)
    state = {
        name: value.encode().decode() if isinstance(value, str) else value.copy()
        for name, value in head.state().items()
    }
    assert isinstance(state["booster-0"], str)
    scores = LightGBMHead().restore(state).predict_proba(X)
    assert scores.tobytes() == head.predict_proba(X).tobytes()
    assert scores.dtype == np.float32


def test_labels_with_one_class_and_rare_labels(problem: Arrays) -> None:
    X, Y = problem
    rare = (np.arange(len(X)) < 2).astype(np.uint8)
    Y = np.column_stack([Y[:, 0], np.zeros(len(X), np.uint8), rare])
    for options in ({}, {"start": "linear"}, {"early_stopping": 5}):
        with pytest.warns(OneClassWarning, match="label '1'"):
            head = LightGBMHead(**SMALL, **options).fit(X, Y)
        scores = head.predict_proba(X)
        assert (scores[:, 1] == 0).all()
        assert np.isfinite(scores).all()
        assert scores[:2, 2].min() > scores[2:, 2].mean()


def test_it_is_silent(problem: Arrays, capfd: pytest.CaptureFixture[str]) -> None:
    X, Y = problem
    LightGBMHead(**SMALL | {"min_child_samples": 1000}).fit(X, Y).predict_proba(X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "option",
    [
        {"n_estimators": 0},
        {"learning_rate": 0.0},
        {"feature_fraction": 1.5},
        {"objective": "hinge"},
        {"start": "zero"},
        {"early_stopping": 0},
        {"alpha": 1.0},
        {"class_weight": "heavy"},
    ],
)
def test_a_wrong_parameter_is_named(problem: Arrays, option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        LightGBMHead(**SMALL | option).fit(*problem)


@pytest.mark.parametrize("start", ["prior", "linear"])
def test_a_label_whose_trees_cannot_split_gets_none_and_is_named(
    problem: Arrays, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = problem
    Y = np.column_stack([Y[:, 0], np.zeros(len(X), np.uint8)])
    Y[[3, 200], 1] = 1
    head = LightGBMHead(**SMALL | {"start": start, "normalise": False})
    fitted = clone(head).fit(X, Y)
    assert fitted.without_trees() == [1]
    assert fitted.rounds_.tolist() == [20, 0]
    scores = fitted.predict_proba(X)
    again = LightGBMHead().restore(fitted.state())
    assert again.predict_proba(X).tobytes() == scores.tobytes()
    # what trees would have made of it: nothing
    monkeypatch.setattr(LightGBMHead, "_may_split", lambda self, Y, *_: np.ones(Y.shape[1], bool))
    np.testing.assert_allclose(clone(head).fit(X, Y).predict_proba(X), scores, atol=1e-6)
