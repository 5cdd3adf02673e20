from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data.dataset import Dataset
from toolkit.data.info import describe
from toolkit.data.split import paper_split, stratified_split
from toolkit.paper.results import IMAGES, POSITIVES, PRINTED_POS_WEIGHT

steady = settings(derandomize=True, deadline=None, database=None, max_examples=40)


def data_set(Y: np.ndarray, **changes: object) -> Dataset:
    n, width = Y.shape
    fields: dict[str, object] = {
        "name": "d",
        "root": Path("/images"),
        "ids": tuple(f"im{number}" for number in range(1, n + 1)),
        "files": tuple(f"im{number}.jpg" for number in range(1, n + 1)),
        "labels": tuple(f"label{number:03}" for number in range(width)),
        "Y": Y.astype(np.int8),
        "digests": np.zeros((n, 16), np.uint8),
        "stats": np.zeros((n, 2), np.int64),
        "shapes": np.full((n, 2), 8, np.int32),
        "modes": ("RGB",) * n,
    }
    return Dataset(**(fields | changes))  # type: ignore[arg-type]


@given(n=st.integers(10, 60), width=st.integers(1, 5), seed=st.integers(0, 999))
@steady
def test_counts_are_those_of_the_labels(n: int, width: int, seed: int) -> None:
    random = np.random.RandomState(seed)
    Y = (random.random_sample((n, width)) < random.random_sample(width) * 1.2 - 0.1).astype(int)
    data = data_set(Y)
    facts = describe(data, {"paper": paper_split(data.ids)})
    assert facts == json.loads(json.dumps(facts, allow_nan=False))
    rows = Y.tolist()
    assert facts["images"] == n
    assert facts["unlabelled"] == sum(not any(row) for row in rows)
    assert facts["labels_per_image"] == pytest.approx(sum(map(sum, rows)) / n)
    assert facts["mean_prevalence"] == pytest.approx(np.mean(rows))
    assert list(facts["labels"]) == list(data.labels)
    for j, found in enumerate(facts["labels"].values()):
        yes = sum(row[j] for row in rows)
        assert found["positives"] == yes
        assert found["prevalence"] == pytest.approx(yes / n)
        assert found["pos_weight"] == (pytest.approx((n - yes) / yes) if yes else None)


def test_an_unknown_cell_is_not_counted_as_none() -> None:
    facts = describe(data_set(np.array([[0, 0], [1, -1], [0, -1], [-1, -1]])), {})
    assert (facts["unlabelled"], facts["undecided"], facts["unknown"]) == (1, 2, 0.5)


def test_the_papers_counts_give_its_printed_weights() -> None:
    Y = np.zeros((IMAGES, len(POSITIVES)), np.uint8)
    for j, count in enumerate(POSITIVES.values()):
        Y[:count, j] = 1
    facts = describe(data_set(Y), {})
    found = tuple(f"{label['pos_weight']:.10g}" for label in facts["labels"].values())
    assert found == PRINTED_POS_WEIGHT
    assert facts["splits"] == {}


def test_parts_of_a_split_add_up_to_the_whole() -> None:
    Y = np.random.RandomState(0).random_sample((120, 3)) < (0.5, 0.1, 0.0)
    data = data_set(Y)
    splits = {"paper": paper_split(data.ids), "stratified": stratified_split(data.ids, data.Y)}
    facts = describe(data, splits)
    assert list(facts["splits"]) == ["paper", "stratified"]
    for name, parts in facts["splits"].items():
        assert [parts[part]["images"] for part in ("train", "validation", "test")] == [96, 12, 12]
        for label, found in facts["labels"].items():
            assert sum(part["positives"][label] for part in parts.values()) == found["positives"]
        test = splits[name].test
        assert parts["test"]["positives"]["label000"] == Y[test, 0].sum()


def test_sizes_and_modes_are_counted_and_unreadable_images_are_in_none() -> None:
    n = 30
    shapes = np.array([(8, 8)] * 10 + [(8, 9)] * 6 + [(0, 0)] * 3 + [(k, 1) for k in range(11)])
    shapes[19:, 0] += 1
    modes = ("RGB",) * 10 + ("L", "1", "P", "LA", "CMYK", "RGBA") + ("",) * 3 + ("RGB",) * 11
    data = data_set(np.ones((n, 1)), shapes=shapes.astype(np.int32), modes=modes)
    facts = describe(data, {})
    assert (facts["unreadable"], facts["single_channel"]) == (3, 3)
    sizes = facts["sizes"]
    assert list(sizes.items())[:2] == [("8x8", 10), ("8x9", 6)]
    assert (len(sizes), facts["other_sizes"]) == (10, 3)
    assert facts["labels"]["label000"] == {"positives": n, "prevalence": 1.0, "pos_weight": 0.0}
