"""A rare label chooses as all labels together do, a common one alone."""

import numpy as np
import pytest

from toolkit.statistics.shrunk_choice import shrunk_choice


def test_a_rare_label_chooses_as_all_do() -> None:
    cost = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 0.9]])
    plenty = np.array([1000, 1000, 100_000])
    assert shrunk_choice(cost, plenty, 0).tolist() == [0, 0, 1]
    assert shrunk_choice(cost, np.array([1000, 1000, 3]), 0).tolist() == [0, 0, 0]
    assert shrunk_choice(np.full((2, 3), np.nan), plenty, 1).tolist() == [1, 1, 1]
    some = cost.copy()
    some[:, 2] = np.nan
    assert shrunk_choice(some, plenty, 1).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="empty"):
        shrunk_choice(np.zeros((0, 3)), plenty, 0)
