"""The multi-task head: an ordinary head to all others, with tasks that learn with the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from toolkit.errors import DataError, UsageError
from toolkit.heads.auxiliary import check_tasks, make_targets
from toolkit.heads.losses import weighted_sum
from toolkit.heads.multitask import MultitaskHead
from toolkit.heads.registry import make_head
from toolkit.images.colours import colour_statistics, dataset_colours
from toolkit.members.ablation import ablate, fits_of
from toolkit.members.cross_fit import cross_fit
from toolkit.statistics.metrics import mean_average_precision

ROWS, WIDTH, LABELS = 240, 12, 3


def small(**options: Any) -> MultitaskHead:
    given = {"hidden": 16, "epochs": 6, "learning_rate": 0.02, "precision": "fp32", "device": "cpu"}
    return MultitaskHead(**(given | options))  # type: ignore[arg-type]


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(ROWS, WIDTH)).astype(np.float32)
    noise = random.normal(size=(ROWS, LABELS))
    return X, (X[:, :LABELS] + 0.3 * noise > 0.6).astype(np.uint8)


def test_it_learns_and_comes_back_from_its_state_bit_for_bit() -> None:
    X, Y = problem()
    head = small(epochs=25).fit(X[:160], Y[:160])
    scores = head.predict_proba(X[160:])
    assert mean_average_precision(Y[160:], scores) > 0.85
    again = make_head("multitask").restore(head.state())
    np.testing.assert_array_equal(again.predict_proba(X[160:]), scores)
    np.testing.assert_array_equal(clone(head).fit(X[:160], Y[:160]).predict_proba(X[160:]), scores)
    single = np.concatenate([head.predict_proba(row[None]) for row in X[160:170]])
    np.testing.assert_allclose(single, scores[:10], rtol=1e-6)


def test_tasks_reach_the_labels_only_through_the_shared_layer() -> None:
    """With a fixed weight of 0 the tasks are not there; with one they are."""
    X, Y = problem()
    state = torch.random.get_rng_state()
    plain = small(tasks=("any",), weighting="fixed", aux_weight=0.0).fit(X, Y).predict_proba(X)
    with_task = small(tasks=("any",), weighting="fixed").fit(X, Y).predict_proba(X)
    assert torch.equal(torch.random.get_rng_state(), state)
    garbage = {"colour": np.full((ROWS, 8), 7.0)}
    colour = small(tasks=("colour",), weighting="fixed", aux_weight=0.0).fit(X, Y, aux=garbage)
    assert not np.array_equal(plain, with_task)
    assert colour.predict_proba(X).shape == plain.shape


def test_a_task_nobody_can_learn_is_given_less_weight_than_one_that_is_easy() -> None:
    X, Y = problem()
    random = np.random.default_rng(1)
    aux = {"colour": X[:, :2], "teacher:noise": random.normal(size=(ROWS, 2))}
    head = small(tasks=("colour", "teacher:noise"), epochs=80, dropout=0.0, input_dropout=0.0)
    head.fit(X, Y, aux=aux)
    easy, hard = head.log_variance_[1:]
    assert easy < hard
    assert small(tasks=("any",), weighting="fixed").fit(X, Y).log_variance_.tolist() == [0, 0]


def test_the_weighted_sum_is_least_where_the_theory_says() -> None:
    """d/ds of c exp(-s) l + s/2 is 0 at exp(s) = 2 c l: the loss itself for squared errors."""
    loss = torch.tensor(0.4)
    grid = torch.linspace(-3, 3, 6001)
    for kind, factor in (("values", 1.0), ("classes", 2.0)):
        sums = [
            float(
                weighted_sum(
                    [torch.tensor(0.0), loss], [kind], torch.tensor([0.0, s]), "uncertainty", 0
                )
            )
            for s in grid[::10]
        ]
        least = grid[::10][int(np.argmin(sums))]
        assert float(torch.exp(least)) == pytest.approx(factor * 0.4, rel=0.02)


def test_targets_are_what_their_names_say() -> None:
    Y = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 1]], np.uint8)
    assert make_targets("cardinality", Y, {}, 0).values.tolist() == [0, 1, 3]
    many = np.ones((2, 9), np.uint8)
    assert make_targets("cardinality", many, {}, 0).values.max() < 5
    assert make_targets("any", Y, {}, 0).values[:, 0].tolist() == [0, 1, 1]
    random = np.random.default_rng(0)
    taught = make_targets("teacher:x", Y, {"teacher:x": random.normal(size=(3, 50))}, 0)
    assert taught.values.shape == (3, 3)
    np.testing.assert_allclose(taught.values.mean(0), 0, atol=1e-5)
    with pytest.raises(ValueError, match="needs material"):
        make_targets("colour", Y, {}, 0)
    for wrong in (["colours"], ["any", "any"]):
        with pytest.raises(UsageError, match="aux: expected"):
            check_tasks(wrong)


def test_out_of_fold_scores_do_not_depend_on_the_fold_s_labels_or_material() -> None:
    X, Y = problem()
    fold = np.arange(ROWS) % 3
    fold[-30:] = -1
    aux = {"colour": X[:, :2].copy()}
    head = small(tasks=("cardinality", "colour"), epochs=2)
    plain = cross_fit(head, X, Y, fold, aux=aux).scores
    turned, other = Y.copy(), {"colour": aux["colour"].copy()}
    for rows in (fold == 1, fold < 0):
        turned[rows] ^= 1
        other["colour"][rows] += 5
    changed = cross_fit(head, X, turned, fold, aux=other).scores
    np.testing.assert_array_equal(plain[fold == 1], changed[fold == 1])
    assert (plain[fold == 0] != changed[fold == 0]).any()


def test_an_ablation_finds_a_task_that_helps_and_pairs_its_runs() -> None:
    """A teacher that knows the labels' noiseless source helps; two runs of nothing differ by 0."""
    X, Y = problem()
    fold = np.arange(ROWS) % 4
    head = small(tasks=("any", "teacher:y"), epochs=3)
    done: list[int] = []
    plain, effects = ablate(head, X, Y, fold, {"teacher:y": X[:, :3]}, 3, done.append)
    assert sum(done) == fits_of(head.tasks, 3)
    named = {effect.name: effect for effect in effects}
    assert set(named) == {
        "all tasks",
        *("any alone", "teacher:y alone"),
        *("any added to the others", "teacher:y added to the others"),
    }
    for effect in effects:
        assert effect.low <= effect.difference <= effect.high
        assert 0 <= effect.p <= 1
    everything = named["all tasks"]
    assert everything.map - everything.difference == pytest.approx(plain)
    added = named["any added to the others"]
    assert added.map == everything.map
    again = ablate(head, X, Y, fold, {"teacher:y": X[:, :3]}, 3)[1]
    assert [effect.facts() for effect in again] == [effect.facts() for effect in effects]
    with pytest.raises(DataError, match="two runs"):
        ablate(head, X, Y, fold, {}, 1)


def test_colours_of_a_picture(tmp_path: Any) -> None:
    from tests.features.feature_fakes import write_images
    from toolkit.images.sources import Images

    pixels = np.zeros((2, 4, 4, 3), np.uint8)
    pixels[0, ..., 0] = 255
    statistics, single = colour_statistics(pixels)
    np.testing.assert_allclose(statistics[0], [1, 0, 0, 0, 0, 0, 1, 0])
    assert single[:, 0].tolist() == [0, 1]
    images = Images.of(write_images(tmp_path / "images", 4, broken=(2,)))
    found, grey = dataset_colours(images, tmp_path)
    assert np.isnan(found).any(1).tolist() == [False, False, True, False]
    assert grey[0, 0] == 0


def test_wrong_options_are_refused() -> None:
    X, Y = problem()
    for options in ({"weighting": "equal"}, {"hidden": 0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            small(**options).fit(X, Y)
