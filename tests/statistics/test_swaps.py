"""Swapping two systems image by image: exact where it can be, and of the stated size."""

import numpy as np
import pytest
from scipy.stats import rankdata

from toolkit.statistics.intervals import benjamini_hochberg, holm
from toolkit.statistics.metrics import average_precision
from toolkit.statistics.swaps import FEWEST_SWAPPED, swap_effects, swap_test


def systems(
    rows: int, labels: int, positives: int, seed: int = 0, lead: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels of so many positives, and two systems of which the first is better by lead."""
    random = np.random.default_rng(seed)
    Y = np.zeros((rows, labels), np.uint8)
    Y[:positives] = 1
    base = random.normal(size=Y.shape) + 1.2 * Y
    A, B = (base + 0.6 * random.normal(size=Y.shape) for _ in range(2))
    return Y, A + lead * Y, B


@pytest.mark.parametrize("ties", [False, True])
def test_effects_add_up_to_the_difference_and_stand_for_real_swaps(ties: bool) -> None:
    Y, A, B = systems(200, 1, 20)
    y, a, b = Y[:, 0] == 1, A[:, 0], B[:, 0]
    if ties:
        a, b = a.round(1), b.round(1)
    effects = swap_effects(y, a, b)
    ap = [average_precision(Y, each[:, None])[0] for each in (a, b)]
    assert effects.sum() == pytest.approx(ap[0] - ap[1], rel=0.1 if ties else 1e-6)
    ranks = [-rankdata(-each, method="max") for each in (a, b)]
    random, real, told = np.random.default_rng(1), [], []
    for _ in range(300):
        kept = random.random(len(y)) < 0.5
        one, other = np.where(kept, *ranks), np.where(kept, *ranks[::-1])
        pair = [average_precision(Y, each[:, None])[0] for each in (one, other)]
        real.append(pair[0] - pair[1])
        told.append((effects * (2 * kept - 1)).sum())
    assert np.corrcoef(real, told)[0, 1] > 0.97
    assert np.std(told) == pytest.approx(np.std(real), rel=0.1)


@pytest.mark.parametrize("positives", [6, 12, 60])
def test_equal_systems_differ_as_often_as_stated(positives: int) -> None:
    Y, A, B = systems(200, 500, positives)
    _, p = swap_test(Y, A, B, permutations=499)
    assert 0.01 <= (p <= 0.05).mean() <= 0.095  # 500 labels: 0.05 +- 4.5 deviations
    better = swap_test(*systems(200, 100, positives, lead=2.0), permutations=499)[1]
    assert (better <= 0.05).mean() > 0.5


def test_labels_of_a_handful_of_positives_get_no_p() -> None:
    Y, A, B = systems(100, 3, FEWEST_SWAPPED - 1)
    difference, p = swap_test(Y, A, B)
    assert np.isnan(p).all()
    assert np.isfinite(difference).all()
    none = swap_test(np.zeros((5, 2)), np.ones((5, 2)), np.ones((5, 2)))
    assert np.isnan(none).all()


def test_scales_do_not_matter_and_the_other_way_round_is_the_same() -> None:
    Y, A, B = systems(150, 4, 15, lead=0.5)
    difference, p = swap_test(Y, A, B, permutations=200)
    scaled = swap_test(Y, A, 1 / (1 + np.exp(-B / 7)), permutations=200)
    back = swap_test(Y, B, A, permutations=200)
    np.testing.assert_allclose(scaled, (difference, p))
    np.testing.assert_allclose(back, (-difference, p))


def test_unknown_cells_count_nowhere_and_folds_are_ranked_apart() -> None:
    Y, A, B = systems(150, 2, 30)
    known = np.random.default_rng(2).random(150) < 0.7
    part = np.where(known[:, None], Y.astype(np.int8), np.int8(-1))
    difference, _ = swap_test(part, A, B)
    np.testing.assert_allclose(difference, swap_test(Y[known], A[known], B[known])[0])
    fold = np.arange(150) % 3
    shifted = A + 10 * fold[:, None]  # each fold on a scale of its own
    within, _ = swap_test(Y, shifted, B, fold)
    np.testing.assert_allclose(within, swap_test(Y, A, B, fold)[0])


def test_so_many_swaps_that_every_label_can_pass_after_holm() -> None:
    Y, A, B = systems(60, 80, 20, lead=4.0)
    _, p = swap_test(Y, A, B)
    assert holm(p).min() <= 0.05


def test_false_discoveries_are_adjusted_as_published() -> None:
    """The example of Benjamini & Hochberg (1995), section 4.1: four are discovered at 5 %."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262]
    p += [0.5719, 0.6528, 0.7590, 1.0]
    adjusted = benjamini_hochberg([*p, np.nan])
    assert (adjusted[:-1] <= 0.05).sum() == 4
    assert np.isnan(adjusted[-1])
    assert (np.diff(adjusted[:-1]) >= 0).all()
