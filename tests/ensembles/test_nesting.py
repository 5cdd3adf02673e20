"""Nesting: who is judged by whom."""

import numpy as np

from toolkit.ensembles.nesting import Nesting

FOLD = np.array([0, 1, 2, 3] * 5 + [1, 1])


def test_a_choice_without_a_fold_is_judged_by_models_without_it() -> None:
    nesting = Nesting(FOLD)
    assert len(nesting.sets) == 1 + 4 + 6
    for fold in (None, *nesting.folds):
        judged = list(nesting.inner(fold))
        assert len(judged) == (4 if fold is None else 3)
        for other, number in judged:
            assert set(nesting.sets[number]) == {other} | (set() if fold is None else {fold})
            learned = nesting.learned_on(number)
            assert not np.isin(FOLD[learned], nesting.sets[number]).any()
            assert len(learned) == (~np.isin(FOLD, nesting.sets[number])).sum()


def test_costs_are_means_over_judged_rows() -> None:
    nesting = Nesting(FOLD)
    value = np.random.default_rng(0).random((len(nesting.sets), len(FOLD), 3))

    def losses(number: int, rows: np.ndarray) -> np.ndarray:
        summed: np.ndarray = value[number, rows].sum(axis=0)
        return summed

    costs = nesting.costs(losses)
    rows = np.arange(len(FOLD))
    want = np.mean([value[nesting.without(int(FOLD[row])), row] for row in rows], axis=0)
    np.testing.assert_allclose(costs[None], want)
    pair = {left_out: number for number, left_out in enumerate(nesting.sets)}
    for fold in nesting.folds:
        others = rows[fold != FOLD]
        want = np.mean(
            [value[pair[tuple(sorted((fold, int(FOLD[row]))))], row] for row in others], axis=0
        )
        np.testing.assert_allclose(costs[fold], want)


def test_two_folds_leave_nothing_to_judge_an_inner_choice_by() -> None:
    costs = Nesting(np.array([0, 1, 0, 1])).costs(lambda number, rows: np.ones(2))
    assert np.isnan(costs[0]).all()
    assert (costs[None] == 0.5).all()
