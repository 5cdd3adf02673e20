"""Cells of unknown labels count nowhere: every metric is scikit-learn's on the known rows."""

import numpy as np
import pytest
from sklearn import metrics as sk

from toolkit.errors import DataError
from toolkit.statistics import metrics
from toolkit.statistics.arrays import binarize


@pytest.fixture(params=[0, 1, 2])
def arrays(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(request.param)
    Y = (rng.random((120, 4)) < [0.5, 0.2, 0.1, 0.4]).astype(np.int8)
    S = np.round(rng.random((120, 4)) * 0.7 + Y * 0.3, 2)  # with ties
    Y[rng.random(Y.shape) < [0.0, 0.3, 0.6, 0.9]] = -1
    return Y, S


def test_each_label_is_scored_on_the_rows_where_it_is_known(
    arrays: tuple[np.ndarray, np.ndarray],
) -> None:
    Y, S = arrays
    found = metrics.score(Y, S)
    losses, briers = metrics.log_loss(Y, S), metrics.brier(Y, S)
    errors = metrics.calibration_error(Y, S)
    for j, (y, s) in enumerate((y[y >= 0], s[y >= 0]) for y, s in zip(Y.T, S.T, strict=True)):
        own = found.per_label[str(j)]
        assert own["support"] == (y == 1).sum()
        if not 0 < y.sum() < len(y):
            continue
        decided = s >= 0.5
        assert own["ap"] == pytest.approx(sk.average_precision_score(y, s))
        assert own["auroc"] == pytest.approx(sk.roc_auc_score(y, s))
        for name, theirs in (
            ("precision", sk.precision_score(y, decided, zero_division=0)),
            ("recall", sk.recall_score(y, decided)),
            ("f1", sk.f1_score(y, decided)),
        ):
            assert own[name] == pytest.approx(theirs), name
        assert losses[j] == pytest.approx(sk.log_loss(y, s, labels=[0, 1]))
        assert briers[j] == pytest.approx(sk.brier_score_loss(y, s))
        assert errors[j] == metrics.calibration_error(y[:, None], s[:, None])[0]
    known = Y >= 0
    right = ((S >= 0.5) == Y)[known].mean()
    assert found.metrics["accuracy"] == pytest.approx(right)
    assert metrics.hamming_accuracy(Y, binarize(S)) == pytest.approx(right)
    micro = sk.f1_score(Y[known] == 1, S[known] >= 0.5)
    assert found.metrics["micro_f1"] == pytest.approx(micro)
    assert metrics.micro_f1(Y, binarize(S)) == pytest.approx(micro)


def test_scores_of_unknown_cells_do_not_count(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    Y, S = arrays
    other = np.where(Y < 0, 1 - S, S)
    assert metrics.score(Y, S) == metrics.score(Y, other)


def test_with_nothing_unknown_all_is_as_it_was(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    Y, S = np.maximum(arrays[0], 0), arrays[1]
    assert metrics.score(Y, S) == metrics.score(Y.astype(bool), S)


def test_a_label_that_nobody_knows_is_undefined() -> None:
    found = metrics.score([[1, -1], [0, -1]], [[0.9, 0.9], [0.1, 0.1]])
    assert found.undefined == ["1"]
    assert found.per_label["1"]["ap"] is None
    assert found.metrics["accuracy"] == 1
    with pytest.raises(DataError, match="other than 0 and 1"):
        metrics.score([[1, -2], [0, -1]], [[0.9, 0.9], [0.1, 0.1]])
