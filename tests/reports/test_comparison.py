"""The comparison: reference rows are what they say, and members are scored by id."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toolkit.data.dataset import Dataset
from toolkit.data.split import paper_split
from toolkit.errors import MemberError
from toolkit.members.member import Member
from toolkit.members.predictions import HELD_OUT, IN_SAMPLE, OUT_OF_FOLD, Predictions
from toolkit.paper.results import RESULTS
from toolkit.reports.comparison import compared_rows, member_row, paper_rows, reference_rows
from toolkit.statistics.metrics import METRICS, score

N, LABELS = 200, ("a", "b", "never")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    Y = (rng.random((N, 3)) < [0.3, 0.1, 0.0]).astype(np.uint8)
    return Dataset(
        name="d",
        root=Path("/nowhere"),
        ids=tuple(f"im{i}" for i in range(1, N + 1)),
        files=tuple(f"im{i}.jpg" for i in range(1, N + 1)),
        labels=LABELS,
        Y=Y,
        digests=rng.integers(0, 256, (N, 16)).astype(np.uint8),
        stats=np.zeros((N, 2), np.int64),
        shapes=np.full((N, 2), 8, np.int32),
        modes=("RGB",) * N,
    )


def member(dataset: Dataset, **changes: object) -> Member:
    split = paper_split(dataset.ids)
    rng = np.random.default_rng(1)
    order = rng.permutation(N)  # on disk in another order than the data set's
    test = np.isin(order, split.test)
    noisy = np.clip(dataset.Y * 0.5 + rng.random((N, 3)) * 0.6, 0, 1).astype(np.float32)
    fields: dict[str, object] = {
        "ids": tuple(dataset.ids[row] for row in order),
        "labels": LABELS,
        "scores": noisy[order],
        "origin": np.where(test, HELD_OUT, OUT_OF_FOLD).astype(np.int8),
        "fold": np.where(test, -1, 0).astype(np.int16),
        "folds_digest": "f",
        "dataset_digest": dataset.digest,
    }
    predictions = Predictions(**(fields | changes))  # type: ignore[arg-type]
    return Member("m", Path("/nowhere"), "head", "linear on x", "i", predictions)


def test_the_papers_rows_are_all_there() -> None:
    rows = list(paper_rows())
    assert len(rows) == len(RESULTS)
    assert all(set(row.metrics) == set(METRICS) for row in rows)
    assert all(row.metrics["map"] is None for row in rows)  # nobody published any


def test_scores_are_joined_by_id(dataset: Dataset) -> None:
    split = paper_split(dataset.ids)
    made = member(dataset)
    row = member_row(dataset, split, made, resamples=50)
    by_hand = score(
        dataset.Y[split.test],
        made.scored.for_ids([dataset.ids[r] for r in split.test]),
        labels=LABELS,
    )
    assert row.metrics == by_hand.metrics
    assert row.images == len(split.test)
    assert row.per_label["never"]["ap"] is None
    assert row.labels_scored == 2
    for key, pair in row.ci.items():
        value = row.metrics[key]
        if pair is None:
            assert row.ci_note
            continue
        assert value is not None
        assert pair[0] <= value <= pair[1]


def test_out_of_fold_scores_are_compared_without_a_look_at_the_test_images(
    dataset: Dataset,
) -> None:
    split = paper_split(dataset.ids)
    made = member(dataset)
    rows = compared_rows(dataset, split, [made], part="development", resamples=50)
    truth = dataset.Y.copy()
    truth[split.test] = 1 - truth[split.test]
    blinded = replace(dataset, Y=truth)
    ids = [dataset.ids[r] for r in np.sort(split.development)]
    by_hand = score(truth[np.sort(split.development)], made.scored.for_ids(ids), labels=LABELS)
    row = rows[-1]
    assert row.metrics == by_hand.metrics
    assert row.images == len(split.development)
    assert row.tuned is None
    none, chance, _ = (each for each in rows if each.kind == "reference")
    assert none.images == len(split.development)
    assert none.metrics["accuracy"] == pytest.approx(1 - dataset.Y[split.development].mean())
    assert chance.metrics == reference_rows(blinded, split, "development")[1].metrics


def test_rows_learned_from_are_no_out_of_fold_scores(dataset: Dataset) -> None:
    split = paper_split(dataset.ids)
    made = member(dataset)
    seen = {dataset.ids[row] for row in split.development[:30]}
    origin = made.scored.origin.copy()
    origin[[i for i, image in enumerate(made.scored.ids) if image in seen]] = IN_SAMPLE
    fold = np.where(origin == OUT_OF_FOLD, 0, -1).astype(np.int16)
    learned = member(dataset, origin=origin, fold=fold)
    row = member_row(dataset, split, learned, part="development", resamples=0)
    assert row.images == len(split.development) - 30


def test_chance_is_what_a_blind_predictor_scores(dataset: Dataset) -> None:
    split = paper_split(dataset.ids)
    none, chance, frequency = reference_rows(dataset, split)
    truth = dataset.Y[split.test]
    assert none.metrics["accuracy"] == pytest.approx(1 - truth.mean())
    rng = np.random.default_rng(2)
    rate = dataset.Y[split.development].mean(0)
    draws = [score(truth, (rng.random(truth.shape) < rate) * 1.0).metrics for _ in range(2000)]
    for key, tolerance in (("accuracy", 0.005), ("macro_recall", 0.01)):
        drawn = np.mean([draw[key] for draw in draws])
        assert chance.metrics[key] == pytest.approx(drawn, abs=tolerance)
    prevalence = truth.mean(0)[:2]
    assert frequency.metrics["map"] == pytest.approx(prevalence.mean())
    assert frequency.metrics["auroc"] == pytest.approx(0.5)


def test_scores_from_training_are_refused(dataset: Dataset) -> None:
    split = paper_split(dataset.ids)
    for origin in (IN_SAMPLE, OUT_OF_FOLD):
        fold = np.full(N, 0 if origin == OUT_OF_FOLD else -1, np.int16)
        made = member(dataset, origin=np.full(N, origin, np.int8), fold=fold)
        with pytest.raises(MemberError, match="learned from images"):
            member_row(dataset, split, made)


def test_a_member_of_another_data_set_is_refused(dataset: Dataset) -> None:
    with pytest.raises(MemberError, match="another data set"):
        compared_rows(dataset, paper_split(dataset.ids), [member(dataset, dataset_digest="x")])
