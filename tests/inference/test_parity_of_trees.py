"""Of a model with trees single probabilities may take another branch; of others none may differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.errors import ExportError
from toolkit.inference import parity
from toolkit.inference.parity import Sample, compare_scores

N, LABELS = 50, 4


class Fixed:
    stores = ()

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def score(self, batch: Any) -> np.ndarray:
        return self.scores


def compared(off: float, cells: int, trees: bool, monkeypatch: pytest.MonkeyPatch) -> parity.Parity:
    monkeypatch.setattr(parity, "Exact", lambda *_: None)
    wanted = np.full((N, LABELS), 0.3)
    found = wanted.copy()
    found.ravel()[:cells] += off
    graph, exact, sample = Fixed(found), Fixed(wanted), Sample((), "pictures", [])  # type: ignore[arg-type]
    half, nothing = np.full(LABELS, 0.5), np.empty((0, LABELS))
    return compare_scores(graph, exact, sample, lambda _: nothing, half, Path(), "fp32", trees)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("off", "cells", "plain", "trees"),
    [
        (0.0009, 200, True, True),
        (0.002, 1, False, True),
        (0.009, 2, False, True),
        (0.002, 3, False, False),  # more than one in a hundred
        (0.02, 1, False, False),
        (np.nan, 1, False, False),
    ],
)
def test_the_limit(
    off: float, cells: int, plain: bool, trees: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for allowed, kind in ((plain, False), (trees, True)):
        if allowed:
            found = compared(off, cells, kind, monkeypatch)
            assert found.branches == (cells if off > 0.001 else 0)
        else:
            with pytest.raises(ExportError, match="other probabilities than the member"):
                compared(off, cells, kind, monkeypatch)
