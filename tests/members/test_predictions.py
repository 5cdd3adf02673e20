"""Predictions on disk and in hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ArtifactError, MemberError
from toolkit.members.predictions import (
    HELD_OUT,
    OUT_OF_FOLD,
    Predictions,
    load_predictions,
    save_predictions,
)


def make(**changes: Any) -> Predictions:
    n = 7
    fields: dict[str, Any] = {
        "ids": tuple(f"im{i}" for i in range(n)),
        "labels": ("cat", "dog å"),
        "scores": np.linspace(0, 1, 2 * n, dtype=np.float32).reshape(n, 2),
        "origin": np.array([OUT_OF_FOLD] * 5 + [HELD_OUT] * 2, np.int8),
        "fold": np.array([0, 1, 0, 1, 0, -1, -1], np.int16),
        "folds_digest": "f",
        "dataset_digest": "d",
        "recipe": {"head": "linear"},
    }
    return Predictions(**(fields | changes))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = make()
    save_predictions(made, tmp_path / "p.parquet")
    read = load_predictions(tmp_path / "p.parquet", "m")
    assert read.digest == made.digest
    assert read.ids == made.ids
    assert read.labels == made.labels
    assert read.scores.tobytes() == made.scores.tobytes()
    assert read.recipe == made.recipe


def test_pandas_reads_it_in_one_call(tmp_path: Path) -> None:
    save_predictions(make(), tmp_path / "p.parquet")
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert list(frame.columns) == ["image", "origin", "fold", "score.cat", "score.dog å"]
    assert frame["origin"].tolist() == ["out-of-fold"] * 5 + ["held-out"] * 2


def test_scores_are_joined_by_id() -> None:
    made = make()
    chosen = made.for_ids(["im5", "im0"])
    np.testing.assert_array_equal(chosen, made.scores[[5, 0]])
    with pytest.raises(MemberError, match="im99"):
        made.for_ids(["im0", "im99"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ids": ("im0",) * 7}, "twice"),
        ({"scores": np.full((7, 2), 1.5, np.float32)}, "outside"),
        ({"scores": np.full((7, 2), np.nan, np.float32)}, "outside"),
        ({"scores": np.zeros((7, 3), np.float32)}, "shape"),
        ({"fold": np.full(7, -1, np.int16)}, "name a fold"),
        ({"origin": np.full(7, HELD_OUT, np.int8)}, "name a fold"),
    ],
)
def test_wrong_predictions_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MemberError, match=words):
        make(**changes)


def test_the_digest_sees_rows_change_places() -> None:
    made = make()
    shuffled = make(scores=made.scores[::-1].copy())
    assert shuffled.digest != made.digest


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    save_predictions(make(), path)
    whole = path.read_bytes()
    want = load_predictions(path, "m").digest
    for at in range(0, len(whole), 7):
        data = bytearray(whole)
        data[at] ^= 0x10
        path.write_bytes(data)
        try:
            assert load_predictions(path, "m").digest == want
        except ArtifactError:
            continue
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="damaged"):
        load_predictions(path, "m")
