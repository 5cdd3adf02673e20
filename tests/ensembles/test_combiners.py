"""Combiners: what they weigh, what they may know, and that they survive the disk."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from tests.ensembles.ensemble_fakes import world
from toolkit.ensembles.combiners import Combiner, Mean, Rank
from toolkit.ensembles.greedy import Greedy
from toolkit.ensembles.stack import Stack
from toolkit.members.member import load_state, save_state
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import mean_average_precision

COMBINERS = [
    Mean(),
    Rank(),
    Greedy(bags=3),
    Greedy(per_label=True),
    Stack(),
    Stack(nonnegative=False),
    Stack(cross_label=True, cardinality=True),
]
WORTHS = (2.0, 1.5, 0.0, 1.0)


def named(combiner: Combiner) -> str:
    return combiner.name + "".join(f"-{k}" for k, v in combiner.get_params().items() if v is True)


each_combiner = pytest.mark.parametrize("combiner", COMBINERS, ids=named)


@each_combiner
def test_labels_of_a_fold_have_no_part_in_its_scores(combiner: Combiner) -> None:
    a = world().joined(*WORTHS)
    before, _ = combiner.cross_fit(a.Z, a.Y, a.fold)
    for fold in np.unique(a.fold):
        Y = a.Y.copy()
        Y[a.fold == fold] = 1 - Y[a.fold == fold]
        after, _ = combiner.cross_fit(a.Z, Y, a.fold)
        np.testing.assert_array_equal(after[a.fold == fold], before[a.fold == fold])


@each_combiner
def test_what_is_kept_scores_the_same(combiner: Combiner, tmp_path: Path) -> None:
    a = world().joined(*WORTHS)
    _, fitted = combiner.cross_fit(a.Z, a.Y, a.fold)
    save_state(fitted.state(), tmp_path, "combiner")
    again = clone(combiner).restore(load_state(tmp_path, "combiner"))
    whole = fitted.combine(a.rest_logits)
    assert whole.dtype == np.float32
    assert again.combine(a.rest_logits).tobytes() == whole.tobytes()
    alone = np.concatenate([again.combine(row[None]) for row in a.rest_logits])
    np.testing.assert_allclose(alone, whole, atol=1e-6)  # an image's score is its own


@each_combiner
def test_combining_beats_the_mean_member(combiner: Combiner) -> None:
    a = world(600).joined(1.5, 1.5, 1.5, 1.5)
    scores, _ = combiner.cross_fit(a.Z, a.Y, a.fold)
    single = [mean_average_precision(a.Y, a.Z[:, at]) for at in range(4)]
    assert mean_average_precision(a.Y, scores) > np.mean(single) + 0.05


def test_the_mean_is_of_logits() -> None:
    Z = np.array([[[2.0], [-1.0]]], np.float32)
    fitted = Mean().fit(Z, np.ones((1, 1), np.uint8), np.zeros(1, int))
    assert fitted.combine(Z)[0, 0] == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert sigmoid(np.array([-800.0, 800.0])).tolist() == [0.0, 1.0]


def test_ranks_do_not_care_for_scale() -> None:
    a = world().joined(1.5, 1.0)
    stretched = a.Z.copy()
    stretched[:, 0] = stretched[:, 0] * 5 + 3
    one, two = (Rank().fit(Z, a.Y, a.fold).combine(Z) for Z in (a.Z, stretched))
    for label in range(a.Y.shape[1]):
        orders = [scores[:, label].argsort().argsort() for scores in (one, two)]
        assert np.abs(orders[0] - orders[1]).max() <= 0.01 * len(a.Y)
    tied = np.zeros((10, 2, 1), np.float32)
    flat = Rank().fit(tied, np.zeros((10, 1)), np.zeros(10)).combine(tied)
    np.testing.assert_allclose(flat, 0.5)


def test_ranks_come_back_as_probabilities_such_as_the_members_give() -> None:
    a = world(2000).joined(2.0, 1.5)
    Z = a.Z - 3
    scores = Rank().fit(Z, a.Y, a.fold).combine(Z)
    members = sigmoid(Z.astype(np.float64))
    lowest, highest = members.min(axis=1).min(axis=0), members.max(axis=1).max(axis=0)
    assert ((scores >= lowest - 1e-6) & (scores <= highest + 1e-6)).all()
    assert scores.mean() == pytest.approx(members.mean(), rel=0.3)  # a mean rank's would be 0.5


def test_greedy_leaves_out_noise() -> None:
    a = world(600).joined(3.0, 0.0, 0.0)
    for combiner in (Greedy(bags=0), Greedy(bags=0, per_label=True)):
        weights = combiner.fit(a.Z, a.Y, a.fold).weights_
        np.testing.assert_allclose(weights.sum(axis=0), 1)
        assert (weights >= 0).all()
        assert (weights[0] > 0.7).all()
    bagged = Greedy(bags=6).fit(a.Z, a.Y, a.fold).weights_
    assert (bagged[0] > bagged[1:].max(axis=0)).all()


def test_a_stack_weighs_members_by_their_worth() -> None:
    a = world(800).joined(3.0, 0.0, 1.0)
    weights = Stack().fit(a.Z, a.Y, a.fold).weights()
    assert (weights[0] > weights[2]).all()
    assert (weights[2] > weights[1]).all()
    assert (weights >= 0).all()
    flipped = -a.Z
    assert (Stack().fit(flipped, a.Y, a.fold).weights() >= 0).all()
    assert (Stack(nonnegative=False).fit(flipped, a.Y, a.fold).weights()[0] < 0).all()


def test_a_stack_without_data_is_the_mean() -> None:
    a = world().joined(2.0, 1.0)
    held = Stack(strengths=[1e-9]).fit(a.Z, a.Y, a.fold)
    np.testing.assert_allclose(held.weights(), 0.5, atol=1e-3)
    Y = a.Y.copy()
    Y[:, 2] = 0  # nothing to learn from
    scores, fitted = Stack().cross_fit(a.Z, Y, a.fold)
    np.testing.assert_allclose(scores[:, 2], sigmoid(a.Z[:, :, 2].mean(axis=1)), rtol=1e-5)
    assert np.isfinite(fitted.coef_).all()


def test_labels_help_each_other_where_they_depend() -> None:
    w = world(900, rates=(0.3, 0.3))
    w.truth[:, 1] = 1 - w.truth[:, 0]
    scores = [np.column_stack([w.scores(3, at)[:, 0], w.scores(0, at)[:, 1]]) for at in (1, 2)]
    from toolkit.ensembles.join import join

    members = [w.member(f"m{at}", each, at) for at, each in enumerate(scores)]
    # the data set's digest is that of the labels as they now stand
    a = join(members, w.dataset, w.split, w.folds)
    plain, _ = Stack().cross_fit(a.Z, a.Y, a.fold)
    crossed, _ = Stack(cross_label=True).cross_fit(a.Z, a.Y, a.fold)
    assert mean_average_precision(a.Y[:, 1:], crossed[:, 1:]) > 0.95
    assert mean_average_precision(a.Y[:, 1:], plain[:, 1:]) < 0.8


def test_two_folds_stack_with_the_middle_strength() -> None:
    a = world().joined(2.0, 1.0)
    fold = a.fold % 2
    scores, fitted = Stack().cross_fit(a.Z, a.Y, fold)
    assert np.isfinite(scores).all()
    assert np.isfinite(fitted.coef_).all()


def test_of_many_labels_each_sees_those_that_move_with_it() -> None:
    random = np.random.default_rng(0)
    own = random.normal(size=(300, 20))
    # label j and label j + 20 have one cause, each seen dimly
    cause = np.tile(own, 2)
    Z = (cause[:, None] + random.normal(size=(300, 2, 40))).astype(np.float32)
    Y = (cause > 0.5).astype(np.uint8)
    fold = np.arange(300) % 3
    crossed, fitted = Stack(cross_label=True, strengths=[0.1]).cross_fit(Z, Y, fold)
    plain, _ = Stack(strengths=[0.1]).cross_fit(Z, Y, fold)
    assert fitted.others_.shape == (40, 16)
    assert fitted.coef_.shape == (40, 2 + 16)
    for label, others in enumerate(fitted.others_.tolist()):
        assert label not in others
        assert (label + 20) % 40 in others
        assert others == sorted(set(others))
    assert mean_average_precision(Y, crossed) > mean_average_precision(Y, plain) + 0.02
    few, fitted = Stack(cross_label=True, strengths=[0.1]).cross_fit(Z[..., :32], Y[:, :32], fold)
    assert fitted.others_.shape == (32, 31)
    assert np.isfinite(few).all()
