"""Further metrics are scikit-learn's, or as defined; what is unknown is left out."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from toolkit.statistics.further_metrics import FURTHER


def example(labels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    Y = (rng.random((60, labels)) < 0.3).astype(np.int8)
    return Y, np.round(np.clip(0.4 * Y + 0.6 * rng.random(Y.shape), 0, 1), 2)


@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_scikit_learn(seed: int) -> None:
    Y, S = example(5, seed)
    B = (S >= 0.5).astype(int)
    expected = {
        "exact_match": theirs.accuracy_score(Y, B),
        "sample_f1": theirs.f1_score(Y, B, average="samples", zero_division=1.0),
        "micro_ap": theirs.average_precision_score(Y, S, average="micro"),
        "ranking_ap": theirs.label_ranking_average_precision_score(Y, S),
        "coverage_error": theirs.coverage_error(Y, S),
        "brier": np.mean([theirs.brier_score_loss(y, s) for y, s in zip(Y.T, S.T, strict=True)]),
    }
    for name, value in expected.items():
        assert FURTHER[name](Y, S) == pytest.approx(value), name


def test_one_error_is_of_labelled_images_alone() -> None:
    Y = [[1, 0], [1, 0], [0, 0]]
    assert FURTHER["one_error"](Y, [[0.9, 0.1], [0.2, 0.8], [0.5, 0.6]]) == 0.5
    assert FURTHER["one_error"]([[0, 0]], [[0.9, 0.1]]) is None


@pytest.mark.parametrize("name", FURTHER)
def test_what_is_unknown_is_as_if_it_were_not_there(name: str) -> None:
    Y, S = example(4)
    for labels in (1, 4):
        y, s = Y[:, :labels], S[:, :labels]
        whole = FURTHER[name](y, s)
        assert whole is not None
        more = np.concatenate([y, np.full_like(y, -1)])
        again = np.concatenate([s, np.full_like(s, 0.7)])
        assert FURTHER[name](more, again) == pytest.approx(whole)
    assert FURTHER[name](np.full((3, 2), -1), np.full((3, 2), 0.5)) is None
    assert FURTHER[name](np.zeros((0, 2), np.int8), np.zeros((0, 2))) is None
