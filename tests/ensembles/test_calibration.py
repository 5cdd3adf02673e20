"""Calibration: mends what is off, leaves alone what is not, and never reorders."""

from pathlib import Path

import numpy as np
import pytest

from toolkit.ensembles.calibration import METHODS, Calibration
from toolkit.errors import UsageError
from toolkit.members.member import load_state, save_state
from toolkit.statistics.links import sigmoid
from toolkit.statistics.metrics import average_precision, calibration_error, log_loss

RNG = np.random.default_rng(0)
N = 4000
Z = RNG.normal(size=(N, 4)) * 1.5 - [0.0, 1.0, 2.0, 6.5]
Y = (RNG.random((N, 4)) < sigmoid(Z)).astype(np.uint8)
TRUE = sigmoid(Z).astype(np.float32)
FOLD = np.arange(N) % 5
OFF = sigmoid(2.5 * Z + 1.0).astype(np.float32)


def test_distorted_probabilities_are_mended() -> None:
    made = Calibration()
    out = made.cross_fit(OFF, Y, FOLD)
    assert (log_loss(Y, out)[:3] < log_loss(Y, OFF)[:3] - 0.01).all()
    assert (log_loss(Y, out)[:3] < log_loss(Y, TRUE)[:3] + 0.005).all()
    assert (calibration_error(Y, out)[:3] < calibration_error(Y, OFF)[:3] / 2).all()


def test_what_is_calibrated_is_hardly_touched() -> None:
    made = Calibration()
    out = made.cross_fit(TRUE, Y, FOLD)
    assert made.method_[:3].count("none") >= 2
    np.testing.assert_allclose(out, TRUE, atol=0.06)
    assert (log_loss(Y, out) < log_loss(Y, TRUE) * 1.01).all()
    kept = Calibration("none")
    np.testing.assert_array_equal(kept.cross_fit(TRUE, Y, FOLD), TRUE)
    np.testing.assert_array_equal(kept.apply(TRUE), TRUE)


def test_a_method_needs_its_support() -> None:
    few = np.zeros_like(Y)
    few[np.argsort(-Z[:, 0])[:12], :] = 1
    made = Calibration()
    made.cross_fit(OFF, few, FOLD)
    assert set(made.method_) <= {"none", "temperature"}
    asked = Calibration("isotonic")
    asked.cross_fit(OFF, few, FOLD)
    assert asked.method_ == ["none"] * 4


@pytest.mark.parametrize("method", METHODS)
def test_no_map_reorders_scores_and_all_survive_the_disk(method: str, tmp_path: Path) -> None:
    made = Calibration(method)
    made.cross_fit(OFF[:, :3], Y[:, :3], FOLD)
    assert made.method_ == [method] * 3
    grid = np.tile(np.linspace(0, 1, 3001, dtype=np.float32)[:, None], (1, 3))
    mapped = made.apply(grid)
    assert (mapped >= 0).all()
    assert (mapped <= 1).all()
    assert (np.diff(mapped.astype(np.float64), axis=0) >= 0).all()
    random = np.random.default_rng(1)  # its own: which tests ran before must not matter
    fresh = sigmoid(random.normal(size=(2000, 3)))
    truth = (random.random((2000, 3)) < fresh).astype(np.uint8)
    ties = 5e-3 if method == "isotonic" else 1e-4  # its steps make scores equal
    np.testing.assert_allclose(
        average_precision(truth, made.apply(fresh)), average_precision(truth, fresh), atol=ties
    )
    save_state(made.state(), tmp_path, "calibration")
    again = Calibration().restore(load_state(tmp_path, "calibration"))  # type: ignore[arg-type]
    assert again.method_ == made.method_
    assert again.apply(grid).tobytes() == mapped.tobytes()


@pytest.mark.parametrize("method", ["auto", "platt", "isotonic"])
def test_labels_of_a_fold_have_no_part_in_its_probabilities(method: str) -> None:
    before = Calibration(method).cross_fit(OFF, Y, FOLD)
    for fold in (0, 3):
        other = Y.copy()
        other[fold == FOLD] = 1 - other[fold == FOLD]
        after = Calibration(method).cross_fit(OFF, other, FOLD)
        np.testing.assert_array_equal(after[fold == FOLD], before[fold == FOLD])


def test_an_unknown_method_lists_those_there() -> None:
    with pytest.raises(UsageError, match="platt, beta or isotonic"):
        Calibration("splines")
