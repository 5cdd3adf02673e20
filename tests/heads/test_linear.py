"""The linear head against scikit-learn, and what its folds may see."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from toolkit.heads.head import FitsFolds, OneClassWarning
from toolkit.heads.linear import LinearHead, strength_costs
from toolkit.heads.logistic import solve, solve_once
from toolkit.heads.standardised_rows import standardised_rows
from toolkit.statistics.metrics import average_precision

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def problem() -> Arrays:
    """400 rows, 20 features of unlike scales and offsets, three labels of unlike frequency."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 20)) * rng.uniform(0.1, 20, 20) + rng.normal(0, 30, 20)
    Z = (X - X.mean(0)) / X.std(0) @ rng.normal(size=(20, 3)) * 0.6 - [0.0, 1.5, 2.5]
    Y = (rng.random(Z.shape) < 1 / (1 + np.exp(-Z))).astype(np.uint8)
    return X.astype(np.float32), Y


def reference(X: np.ndarray, y: np.ndarray, C: float, weight: np.ndarray | None = None) -> Any:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, tol=1e-10, max_iter=10_000))
    return model.fit(X, y, logisticregression__sample_weight=weight)


@pytest.mark.parametrize("C", [1e-3, 0.1, 10.0])
def test_one_strength_is_scikit_learns_logistic_regression(problem: Arrays, C: float) -> None:
    X, Y = problem
    ours = LinearHead(Cs=[C], tol=1e-9).fit(X, Y).predict_proba(X)
    for j in range(Y.shape[1]):
        theirs = reference(X, Y[:, j], C).predict_proba(X)[:, 1]
        np.testing.assert_allclose(ours[:, j], theirs, atol=5e-4)


def test_every_problem_of_the_grid_is_scikit_learns(problem: Arrays) -> None:
    X, Y = problem
    fold = np.random.default_rng(1).integers(0, 3, len(X))
    strengths = [1e-2, 1.0]
    found = solve(X, Y, np.ones(Y.shape, np.float32), fold, strengths, tol=1e-9)
    assert found.converged.all()
    for c, C in enumerate(strengths):
        for f in range(3):
            for j in range(3):
                model = reference(X[fold != f], Y[fold != f, j], C)
                held = model.decision_function(X[fold == f])
                np.testing.assert_allclose(found.logits[c, fold == f, j], held, atol=5e-3)


def test_inner_products_in_bf16_lead_to_the_same_minimum(problem: Arrays) -> None:
    X, Y = problem
    fold = np.arange(len(X)) % 3
    weight = np.ones(Y.shape, np.float32)
    for C in (1e-2, 1.0):
        exact = solve(X, Y, weight, fold, [C], tol=1e-8, quick=False)
        quick = solve(X, Y, weight, fold, [C], tol=1e-8, quick=True)
        assert quick.converged.all()
        np.testing.assert_allclose(quick.logits, exact.logits, atol=5e-3)


def test_logits_that_steps_in_bf16_moved_are_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    # the rough solution that the exact one starts from leaves its rounding in them
    random = np.random.default_rng(0)
    X = random.standard_normal((400, 100)).astype(np.float32)
    Y = (X @ random.standard_normal((100, 3)) > 8).astype(np.uint8)
    found = []
    for quick in (False, True):
        rows = partial(standardised_rows, quick=quick)
        monkeypatch.setattr("toolkit.heads.logistic.standardised_rows", lambda *a, r=rows: r(*a))
        weight, C = np.ones(Y.shape, np.float32), np.full(3, 0.01)
        coef, intercept = solve_once(X, Y, weight, C, tol=1e-9)
        found.append(X @ coef.T + intercept)
    np.testing.assert_allclose(found[0], found[1], atol=5e-4)


@pytest.mark.parametrize("criterion", ["log_loss", "average_precision"])
def test_labels_in_blocks_are_all_at_once(
    problem: Arrays, criterion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = problem
    fold = np.arange(len(X)) % 3
    head = LinearHead(Cs=[1e-3, 1e-2, 1.0], tol=1e-9, criterion=criterion)
    whole = [*head.fit_folds(X, Y, fold), clone(head).fit(X, Y)]
    cells = 3 * (len(X) + X.shape[1])
    monkeypatch.setattr("toolkit.heads.logistic.CELLS", 2 * cells)  # blocks of one label and two
    steps: list[int] = []
    parts = [*head.fit_folds(X, Y, fold, on_progress=steps.append), clone(head).fit(X, Y)]
    assert steps == [1, 1, 1]
    assert head.steps_of_folds == 3
    steps.clear()
    alone = np.where(np.arange(len(X))[:, None] == 0, 1, np.zeros((1, 1), np.uint8))
    with pytest.warns(OneClassWarning):  # no label has both classes in every fold
        head.fit_folds(X, alone, fold, on_progress=steps.append)
    assert sum(steps) == 3
    for part, one in zip(parts, whole, strict=True):
        assert part.C_.tolist() == one.C_.tolist()
        np.testing.assert_allclose(part.predict_proba(X), one.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("normalise", [False, True])
def test_rows_read_by_blocks_are_rows_in_memory(
    problem: Arrays, normalise: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = problem
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    head = LinearHead(Cs=[1e-3, 1e-1], tol=1e-9, normalise=normalise)
    fold = np.arange(len(X)) % 3
    at_once = head.fit_folds(X, Y, fold)
    monkeypatch.setattr("toolkit.heads.linear.STREAMED", 0)
    monkeypatch.setattr("toolkit.heads.standardised_rows.STREAMED", 0)
    monkeypatch.setattr("toolkit.heads.standardised_rows._BLOCK", 64)
    monkeypatch.setattr("toolkit.heads.standardised_rows._SAMPLE", 150)
    for one, other in zip(at_once, head.fit_folds(mapped, Y, fold), strict=True):
        np.testing.assert_allclose(other.predict_proba(X), one.predict_proba(X), atol=1e-4)
    weight = np.ones(Y.shape, np.float32)
    exact, quick = (solve(X, Y, weight, fold, [0.1], tol=1e-8, quick=q) for q in (False, True))
    np.testing.assert_allclose(quick.logits, exact.logits, atol=5e-3)


def test_a_strength_given_twice_counts_once(problem: Arrays) -> None:
    X, Y = problem
    once, twice = (
        LinearHead(Cs=Cs).fit(X, Y) for Cs in ([1e-3, 1e-2, 1.0], [1e-3, 1e-2, 1e-2, 1.0, 1e-3])
    )
    assert once.predict_proba(X).tobytes() == twice.predict_proba(X).tobytes()


def test_a_weight_counts_rows(problem: Arrays) -> None:
    """Weight 2 is a row given twice, up to its share in the standardisation; 0 is no label."""
    X, Y = problem
    weight = np.random.default_rng(2).integers(0, 3, len(X)).astype(np.float32)
    ours = LinearHead(Cs=[0.1], tol=1e-9).fit(X, Y, weight).predict_proba(X)
    scaler = StandardScaler().fit(X)
    for j in range(3):
        model = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000)
        model.fit(scaler.transform(X), Y[:, j], weight)
        theirs = model.predict_proba(scaler.transform(X))[:, 1]
        np.testing.assert_allclose(ours[:, j], theirs, atol=5e-4)


def test_class_weights_are_scikit_learns(problem: Arrays) -> None:
    X, Y = problem
    ours = LinearHead(Cs=[0.1], class_weight="balanced", tol=1e-9).fit(X, Y).predict_proba(X)
    model = LogisticRegression(C=0.1, class_weight="balanced", tol=1e-10, max_iter=10_000)
    scaled = StandardScaler().fit_transform(X)
    theirs = model.fit(scaled, Y[:, 2]).predict_proba(scaled)[:, 1]
    np.testing.assert_allclose(ours[:, 2], theirs, atol=5e-4)
    paper = LinearHead(Cs=[0.1], class_weight="pos_weight").fit(X, Y).predict_proba(X)
    assert (paper.mean(0) > LinearHead(Cs=[0.1]).fit(X, Y).predict_proba(X).mean(0)).all()


def test_the_models_of_the_folds_are_fits_without_them(problem: Arrays) -> None:
    X, Y = problem
    fold = np.arange(len(X)) % 4
    head = LinearHead(Cs=[0.05], tol=1e-9)
    assert isinstance(head, FitsFolds)
    for f, model in enumerate(head.fit_folds(X, Y, fold)):
        alone = clone(head).fit(X[fold != f], Y[fold != f])
        np.testing.assert_allclose(model.predict_proba(X), alone.predict_proba(X), atol=1e-4)


def test_a_fold_does_not_choose_its_own_strength(problem: Arrays) -> None:
    """The labels of fold 0 are turned round: the choice without fold 0 must stay as it was."""
    X, Y = problem
    fold = np.arange(len(X)) % 4
    other = Y.copy()
    other[fold == 0] = 1 - other[fold == 0]
    # the other folds' models do change, and with them the scores that C is chosen by, so the
    # choice is compared at the level where it is made
    weight = np.ones(Y.shape, np.float32)
    found = solve(X, Y, weight, fold, [1e-3, 1e-1, 10.0])
    before, after, all_rows = (
        strength_costs(found, labels, weight, rows, "log_loss").argmin(axis=0).tolist()
        for labels, rows in ((Y, fold != 0), (other, fold != 0), (other, fold >= 0))
    )
    assert before == after != all_rows


def test_random_labels_give_chance_out_of_fold() -> None:
    rng = np.random.default_rng(3)
    gaps = []
    for _ in range(20):
        X = rng.normal(size=(300, 10)).astype(np.float32)
        Y = (rng.random((300, 2)) < 0.3).astype(np.uint8)
        fold = np.arange(300) % 5
        scores = np.zeros(Y.shape)
        for f, model in enumerate(LinearHead(Cs=[1e-3, 1e-1]).fit_folds(X, Y, fold)):
            scores[fold == f] = model.predict_proba(X[fold == f])
        gaps.append((average_precision(Y, scores) - Y.mean(0)).mean())
    # pooled out-of-fold scores lie a little below chance (a fold rich in positives is scored by a
    # model fitted on a poorer rest); a leak would lift them above it
    assert np.mean(gaps) < 3 * np.std(gaps) / np.sqrt(len(gaps))


def test_a_label_with_one_class_is_constant_and_named(problem: Arrays) -> None:
    X, Y = problem
    Y = np.column_stack([Y[:, 0], np.zeros(len(X)), np.ones(len(X))]).astype(np.uint8)
    with pytest.warns(OneClassWarning, match="labels '1', '2'"):
        head = LinearHead(Cs=[0.1]).fit(X, Y)
    scores = head.predict_proba(X)
    assert scores[:, 1].tolist() == [0.0] * len(X)
    assert scores[:, 2].tolist() == [1.0] * len(X)
    assert scores[:, 0].std() > 0


def test_a_label_may_have_one_class_in_one_fold_only(problem: Arrays) -> None:
    X, Y = problem
    Y = Y.copy()
    fold = np.arange(len(X)) % 3
    Y[:, 1] = 0
    Y[np.flatnonzero(fold == 0)[:2], 1] = 1  # all positives lie in fold 0
    with pytest.warns(OneClassWarning):
        models = LinearHead(Cs=[0.1]).fit_folds(X, Y, fold)
    assert (models[0].predict_proba(X)[:, 1] == 0).all()
    assert (models[1].predict_proba(X)[:, 1] > 0).all()


def test_a_restored_head_predicts_the_same_bytes(problem: Arrays) -> None:
    X, Y = problem
    head = LinearHead(Cs=[1e-2, 1.0]).fit(X, Y)
    again = LinearHead().restore(head.state())
    assert again.predict_proba(X).tobytes() == head.predict_proba(X).tobytes()


def test_positive_features_are_rooted_and_brought_to_length_one() -> None:
    rng = np.random.default_rng(0)
    X = rng.exponential(size=(300, 6)).astype(np.float32)
    Y = (rng.random((300, 2)) < 0.4).astype(np.uint8)
    rooted = np.sqrt(X) / np.linalg.norm(np.sqrt(X), axis=1, keepdims=True)
    auto = LinearHead(Cs=[0.1]).fit(X, Y)
    by_hand = LinearHead(Cs=[0.1], normalise=False).fit(rooted, Y)
    np.testing.assert_allclose(auto.predict_proba(X), by_hand.predict_proba(rooted), atol=1e-6)
    again = LinearHead().restore(auto.state())
    assert again.predict_proba(X).tobytes() == auto.predict_proba(X).tobytes()

    X[7, 3] = -0.1  # not what comes out of a ReLU: left alone
    as_is = LinearHead(Cs=[0.1], normalise=False).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(LinearHead(Cs=[0.1]).fit(X, Y).predict_proba(X), as_is)
    # the fold that is held out has no say: without row 7 the others are positive
    fold = (np.arange(300) % 3).astype(np.intp)
    apart = LinearHead(Cs=[0.1]).fit_folds(X, Y, fold)
    assert [each.normalised_ for each in apart] == [False, True, False]


def test_of_many_labels_those_with_one_class_in_a_fold_leave_the_others_as_they_are() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 6)).astype(np.float32)
    Y = (X @ rng.normal(size=(6, 70)) + rng.normal(size=(150, 70)) > 0).astype(np.uint8)
    fold = np.arange(150) % 3
    alone = LinearHead(Cs=[1e-2, 1.0]).fit_folds(X, Y, fold)
    rare = np.zeros((150, 1), np.uint8)
    rare[np.flatnonzero(fold == 0)[:2]] = 1  # all positives lie in fold 0
    with pytest.warns(OneClassWarning, match="label '3'"):
        models = LinearHead(Cs=[1e-2, 1.0]).fit_folds(X, np.insert(Y, [3], rare, axis=1), fold)
    for model, other in zip(models, alone, strict=True):
        found = np.delete(model.predict_proba(X), 3, axis=1)
        np.testing.assert_allclose(found, other.predict_proba(X), atol=1e-5)
    assert (models[0].predict_proba(X)[:, 3] == 0).all()
    assert len(models[0].coef_) == len(models[0].C_) == 70
    for model in models[1:]:
        scores = model.predict_proba(X)[:, 3]
        assert scores[rare[:, 0] == 1].mean() > scores[rare[:, 0] == 0].mean()
        assert model.C_[3] in (1e-2, 1.0)
        assert len(model.coef_) == 71


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_rows_of_no_fold_are_not_learned_from(problem: Arrays, class_weight: str | None) -> None:
    X, Y = problem
    fold = np.arange(len(X)) % 4 - 1
    inside = fold >= 0
    head = LinearHead(Cs=[1e-2, 1.0], class_weight=class_weight)
    odd = np.where(inside[:, None], X, 50 * X), np.where(inside[:, None], Y, 1 - Y)
    whole = head.fit_folds(*odd, fold)
    alone = head.fit_folds(X[inside], Y[inside], fold[inside])
    for model, other in zip(whole, alone, strict=True):
        np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=2e-3)
        assert model.C_.tolist() == other.C_.tolist()
