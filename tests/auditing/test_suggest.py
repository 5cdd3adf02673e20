"""What to label next: unsure, unlike one another, never of the test images."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit as tk
from toolkit.auditing.informative import cell_uncertainty, entropy, k_center_greedy
from toolkit.auditing.suggest import NAMED
from toolkit.cli.app import main
from toolkit.data.dataset_store import save_dataset
from toolkit.data.split_store import get_folds, get_split
from toolkit.errors import MemberError, UsageError
from toolkit.features.matrix import FeatureMatrix
from toolkit.members.member import Member, save_member
from toolkit.members.predictions import HELD_OUT, IN_SAMPLE, OUT_OF_FOLD, Predictions

N, LABELS = 60, ("cat", "dog", "sea")
steady = settings(derandomize=True, deadline=None, database=None, max_examples=60)


def world(folder: Path, Y: np.ndarray) -> tk.Dataset:
    dataset = tk.Dataset(
        name="d",
        root=Path("/nowhere"),
        ids=tuple(f"im{row}" for row in range(N)),
        files=tuple(f"im{row}.jpg" for row in range(N)),
        labels=LABELS,
        Y=Y,
        digests=np.arange(N * 16, dtype=np.uint8).reshape(N, 16),
        stats=np.zeros((N, 2), np.int64),
        shapes=np.ones((N, 2), np.int32),
        modes=("RGB",) * N,
        parts=tuple("test" if row % 6 == 5 else "train" for row in range(N)),
    )
    save_dataset(dataset, folder)
    return dataset


def member(
    dataset: tk.Dataset, folder: Path, scores: np.ndarray, origin: int = OUT_OF_FOLD
) -> Member:
    fold = get_folds(dataset, get_split(dataset, "file", folder), folder, 2).fold
    inside = fold >= 0
    predictions = Predictions(
        ids=dataset.ids,
        labels=LABELS,
        scores=scores.astype(np.float32),
        origin=np.where(inside, origin, HELD_OUT).astype(np.int8),
        fold=np.where(origin == OUT_OF_FOLD, fold, -1).astype(np.int16),
        folds_digest="",
        dataset_digest=dataset.digest,
    )
    return save_member(
        folder,
        "m",
        kind="head",
        source="made up",
        inputs="x",
        predictions=predictions,
        recipe={"command": "ovr", "split": "file"},
        provenance={"dataset": "d", "seconds": 0.0},
        states={},
    )


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Embeddings of all images but the last two, which cannot be decoded."""
    X = np.random.default_rng(1).normal(size=(N, 8)).astype(np.float32)
    found = FeatureMatrix(X[: N - 2], np.arange(N - 2), ())
    monkeypatch.setattr("toolkit.auditing.suggest.features_of", lambda *_: (found, []))
    return X


def half_open() -> np.ndarray:
    """Return labels: of the first thirty images unknown in part or whole, of the others known."""
    Y = np.random.default_rng(2).integers(0, 2, (N, 3)).astype(np.int8)
    Y[:30, 1] = -1
    Y[:10] = -1
    return Y


@pytest.mark.usefixtures("features")
def test_images_with_unknown_labels_come_first_and_test_images_never(tmp_path: Path) -> None:
    dataset = world(tmp_path, half_open())
    scores = np.random.default_rng(3).random((N, 3))
    member(dataset, tmp_path, scores)
    split = get_split(dataset, "file", tmp_path)
    open_rows = {row for row in split.development.tolist() if row < 30}
    for n in (1, 7, len(open_rows), 40, 1000):
        found = tk.suggest(member="m", n=n, artifacts=tmp_path, progress=False)
        rows = [dataset.ids.index(each["image"]) for each in found.rows]
        embedded = [row for row in split.development.tolist() if row < N - 2]
        assert len(set(rows)) == len(rows) == min(n, len(embedded))
        assert not set(rows) & set(split.test.tolist())
        assert set(rows[: len(open_rows)]) <= open_rows
        assert found.passed_over == len(split.development) - len(embedded)
        for row, each in zip(rows, found.rows, strict=True):
            asked = dataset.Y[row] < 0 if row in open_rows else np.ones(3, bool)
            assert {LABELS.index(label) for label in each["labels"]} == set(
                np.flatnonzero(asked).tolist()
            )
            assert len(each["labels"]) <= NAMED
            said = "unknown" if row in open_rows else "all labels known, unsure"
            assert said in each["why"]
            assert each["score"] >= 0


@pytest.mark.usefixtures("features")
def test_the_least_certain_are_listed(tmp_path: Path) -> None:
    Y = np.full((N, 3), -1, np.int8)
    Y[40:] = np.random.default_rng(4).integers(0, 2, (20, 3))
    dataset = world(tmp_path, Y)
    scores = np.full((N, 3), 0.01)
    scores[[2, 3, 8]] = 0.5
    member(dataset, tmp_path, scores)
    found = tk.suggest(dataset, member="m", n=1, artifacts=tmp_path, progress=False)
    assert found.rows[0]["image"] in {"im2", "im3", "im8"}
    three = tk.suggest(dataset, member="m", n=3, artifacts=tmp_path, progress=False)
    again = tk.suggest(dataset, member="m", n=3, artifacts=tmp_path, progress=False)
    assert three.rows == again.rows


@pytest.mark.usefixtures("features")
def test_scores_of_what_was_learned_from_count_for_unknown_cells_only(tmp_path: Path) -> None:
    dataset = world(tmp_path, half_open())
    member(dataset, tmp_path, np.full((N, 3), 0.5), origin=IN_SAMPLE)
    found = tk.suggest(member="m", n=N, artifacts=tmp_path, progress=False)
    rows = {dataset.ids.index(each["image"]) for each in found.rows}
    assert rows == {row for row in range(30) if dataset.parts[row] == "train"}
    known = world(tmp_path, np.abs(half_open()))
    member(known, tmp_path, np.full((N, 3), 0.5), origin=IN_SAMPLE)
    with pytest.raises(MemberError, match="scores no development image that could be suggested"):
        tk.suggest(member="m", artifacts=tmp_path, progress=False)


@pytest.mark.usefixtures("features")
def test_the_command_writes_what_the_verb_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = world(tmp_path, half_open())
    member(dataset, tmp_path, np.random.default_rng(3).random((N, 3)))
    out = tmp_path / "next.csv"
    argv = ["toolkit", "suggest", "--member", "m", "--n", "5", "--out", str(out), "--json"]
    monkeypatch.setattr(sys, "argv", [*argv, "--artifacts", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    with out.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["image", "labels", "score", "why"]
    assert [line["labels"].split("|") for line in lines] == [
        each["labels"] for each in facts["images"]
    ]
    found = tk.suggest(member="m", n=5, artifacts=tmp_path, progress=False)
    assert found.rows == facts["images"]
    assert found.to_frame()["image"].tolist() == [line["image"] for line in lines]
    assert "5 images of d to label, by m" in repr(found)
    with pytest.raises(UsageError, match=r"ending in \.csv"):
        tk.suggest(member="m", out=tmp_path / "x.txt", artifacts=tmp_path)
    with pytest.raises(UsageError, match="n: expected a whole number from 1"):
        tk.suggest(member="m", n=0, artifacts=tmp_path)
    other = world(tmp_path, np.abs(half_open()))
    with pytest.raises(MemberError, match="made on another data set"):
        tk.suggest(other, member="m", artifacts=tmp_path)


def test_entropy_is_that_of_a_coin() -> None:
    p = np.linspace(0.01, 0.99, 99)
    np.testing.assert_allclose(entropy(p), entropy(1 - p), atol=1e-12)
    assert entropy(p).argmax() == 49
    assert entropy([0.0, 1.0]).tolist() == [0, 0]


def test_rare_labels_count_like_common_ones() -> None:
    random = np.random.default_rng(0)
    P = np.stack([random.random(500), 0.02 * random.random(500)], axis=1)
    asked = random.random(P.shape) < 0.8
    found = cell_uncertainty(P, asked)
    assert not found[~asked].any()
    means = [found[asked[:, j], j].mean() for j in range(2)]
    np.testing.assert_allclose(means, 1)


@given(n=st.integers(1, 12), centers=st.integers(0, 4), seed=st.integers(0, 50))
@steady
def test_each_center_is_the_farthest_from_those_before(n: int, centers: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    X, there = random.normal(size=(10, 3)), random.normal(size=(centers, 3))
    order, distance = k_center_greedy(X, n, there)
    assert len(set(order.tolist())) == len(order) == min(n, 10)

    def unit(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    U, known = unit(X), [*unit(there)] if centers else []
    for at, far in zip(order.tolist(), distance.tolist(), strict=True):
        if known:
            gaps = np.linalg.norm(U[:, None] - np.array(known)[None], axis=2).min(axis=1)
            np.testing.assert_allclose(far, gaps[at], atol=2e-3)
            assert gaps[at] >= gaps.max() - 2e-3
        known.append(U[at])
