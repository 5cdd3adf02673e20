"""What choosing by the scores one is judged by flatters, and the best member whichever it is."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ensembles.ensemble_fakes import world
from toolkit.ensembles.choice import WithinFolds, map_within, price_of_choice
from toolkit.ensembles.fit import fit_ensemble
from toolkit.ensembles.gains import measure_gains
from toolkit.statistics.intervals import difference_to_best
from toolkit.statistics.metrics import average_precision, mean_average_precision


def noise(rows: int, count: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    random = np.random.default_rng(seed)
    Y = (random.random((rows, 4)) < 0.2).astype(np.uint8)
    return Y, [random.random(Y.shape) for _ in range(count)]


def test_auto_s_scores_are_the_winner_s_own() -> None:
    """Folds of one method next to folds of another would rank mean ranks against probabilities."""
    for seed in range(4):
        joined = world(300, seed=seed).joined(1.5, 1.5, 1.5)
        made = fit_ensemble(joined, "auto", seed=seed)
        best = max(made.considered, key=lambda name: made.considered[name])
        more = best.endswith("cross-label")
        alone = fit_ensemble(
            joined, best.split(",")[0], cross_label=more, cardinality=more, seed=seed
        )
        np.testing.assert_array_equal(made.raw, alone.raw)
        np.testing.assert_array_equal(made.scores, alone.scores)
        np.testing.assert_array_equal(made.thresholds.per_label, alone.thresholds.per_label)


def test_the_price_is_what_the_best_of_equals_loses_on_fresh_rows() -> None:
    prices, lost = [], []
    for seed in range(25):
        Y, scores = noise(200, 5, seed)
        fresh, again = noise(200, 5, seed + 1000)
        reached = [mean_average_precision(Y, each) for each in scores]
        at = int(np.argmax(reached))
        new = [mean_average_precision(fresh, each) for each in again]
        lost.append((reached[at] - np.mean(reached)) - (new[at] - np.mean(new)))
        named = {str(number): each for number, each in enumerate(scores)}
        prices.append(price_of_choice(Y, named, np.zeros(200, int), seed))
    assert np.mean(prices) == pytest.approx(np.mean(lost), rel=0.5)
    assert price_of_choice(Y, {"one": scores[0]}, np.zeros(200, int)) == 0


def test_within_folds_scales_of_folds_do_not_matter() -> None:
    Y, (S, _) = noise(120, 2, 0)
    fold = np.arange(120) % 4
    expected = np.mean([average_precision(Y[fold == f], S[fold == f]) for f in range(4)], axis=0)
    np.testing.assert_allclose(WithinFolds(Y, S, fold).point()[0], expected)
    assert map_within(Y, S + 5 * fold[:, None], fold) == pytest.approx(expected.mean())


def test_the_best_of_equals_is_not_said_to_be_beaten_or_to_win() -> None:
    """Against the one that looks best, a member as good as all looks worse far too often."""
    worse = better = naive = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        truth = random.normal(size=12) * 0.01  # what twelve equals reach on these rows
        draws = truth + random.normal(size=(300, 12)) * 0.01
        found = difference_to_best(truth[0], truth[1:], draws[:, 0], draws[:, 1:])
        assert found.low is not None
        assert found.difference is not None
        assert found.high is not None
        assert found.low <= found.difference <= found.high
        worse, better = worse + (found.high < 0), better + (found.low > 0)
        gaps = draws[:, 0] - draws[:, int(truth[1:].argmax()) + 1]
        naive += int(np.quantile(gaps, 0.975) < 0)
    assert worse <= 12  # 2.5 % of 200, and three deviations
    assert better <= 12
    assert naive > 20


def test_a_named_member_is_compared_as_named() -> None:
    joined = world(300).joined(2.0, 0.5)
    made = fit_ensemble(joined, "mean")
    weak = joined.names[1]
    named = measure_gains(joined, made, against=weak, resamples=100)
    assert (named.best, named.named) == (weak, True)
    assert f"better than {weak}:" in named.note
