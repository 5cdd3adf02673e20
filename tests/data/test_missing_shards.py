"""Parquet files whose names say that there are more."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from toolkit.data.readers import huggingface
from toolkit.errors import DataError


def test_a_shard_that_is_not_there_is_named() -> None:
    whole = [f"d/train-0000{n}-of-00003.parquet" for n in range(3)]
    others = ["d/test-00000-of-00001.parquet", "d/x.parquet"]
    huggingface.require_all([*map(PurePath, [*whole, *others])])
    for n in range(3):
        with pytest.raises(DataError, match=rf"{whole[n]} is not there, and 2 of 3"):
            huggingface.require_all([*map(PurePath, [*whole[:n], *whole[n + 1 :], *others])])
