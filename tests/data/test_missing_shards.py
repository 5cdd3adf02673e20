"""Parquet files whose names say that there are more; lists that are no numbers of classes."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

import pytest

from toolkit.data.readers import configurations, hub_features, parquet_files
from toolkit.errors import DataError


def test_a_shard_that_is_not_there_is_named() -> None:
    whole = [f"d/train-0000{n}-of-00003.parquet" for n in range(3)]
    others = ["d/test-00000-of-00001.parquet", "d/x.parquet"]
    parquet_files.require_all([*map(PurePath, [*whole, *others])])
    for n in range(3):
        with pytest.raises(DataError, match=rf"{whole[n]} is not there, and 2 of 3"):
            parquet_files.require_all([*map(PurePath, [*whole[:n], *whole[n + 1 :], *others])])


@pytest.mark.parametrize(
    ("lists", "vectors"),
    [
        ([[0, 1, 0], [1, 0, 0], [1, 0, 1]], True),
        ([[0, 0, 0], None], True),
        ([[0, 1, 0], [2]], False),
        ([[0, 1], [2], []], False),
        ([[0, 2, 1], [1, 2, 0]], False),
        ([None, None], False),
    ],
)
def test_vectors_of_0_and_1_are_no_numbers_of_classes(lists: list[Any], vectors: bool) -> None:
    names = ["cat", "dog", "emu"]
    if vectors:
        with pytest.raises(DataError, match="expected numbers of classes, found 0 or 1 for each"):
            hub_features.require_numbers(lists, names, "it")
    else:
        hub_features.require_numbers(lists, names, "it")


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (["a/train-00000-of-00001", "b/train-00000-of-00002", "b/train-00001-of-00002"], True),
        (["train-00000-of-00001", "b/train-00000-of-00001"], True),
        (["a/train/0000", "b/train/0000"], True),
        (["a/train-0", "b/test-0"], False),
        (["data/train/0000", "data/test/0000"], False),
        (["2023/photos", "2024/photos"], False),
    ],
)
def test_configurations_are_not_read_as_one_set(names: list[str], refused: bool) -> None:
    files = [Path("d", f"{name}.parquet") for name in names]
    if refused:
        with pytest.raises(DataError, match=r"same name and part in (a/, )?b/,.* as where"):
            configurations.require_one(Path("d"), files)
    else:
        configurations.require_one(Path("d"), files)
