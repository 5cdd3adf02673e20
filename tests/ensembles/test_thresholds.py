"""Thresholds: the best threshold, drawn in where a label is rare, and told how steady it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ensembles.ensemble_fakes import changed, kept_members, world
from toolkit.data.dataset import Dataset
from toolkit.ensembles import thresholds
from toolkit.ensembles.thresholds import (
    Thresholds,
    fit_thresholds,
    parse_objective,
    tuned_thresholds,
)
from toolkit.errors import MemberError, UsageError
from toolkit.members.member import Member, load_member
from toolkit.members.predictions import IN_SAMPLE
from toolkit.statistics.metrics import binarize, micro_f1, precision_recall_f1

RNG = np.random.default_rng(1)
N = 500
Y = (RNG.random((N, 3)) < [0.5, 0.2, 0.02]).astype(np.uint8)
S = (1 / (1 + np.exp(-(2 * Y - 1.5 + RNG.normal(size=(N, 3)))))).astype(np.float32)
FOLD = np.arange(N) % 5


def f_beta(y: np.ndarray, s: np.ndarray, cut: float, beta: float) -> float:
    yes = s >= np.float32(cut)
    hits, b2 = float((y * yes).sum()), beta * beta
    return float((1 + b2) * hits / (b2 * y.sum() + yes.sum()))


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_no_cut_is_better(beta: float) -> None:
    found = fit_thresholds(Y, S, FOLD, f"f{beta:g}", shrinkage=0)
    for label in range(3):
        y, s = Y[:, label], S[:, label]
        best = max(f_beta(y, s, cut, beta) for cut in np.unique(s))
        assert f_beta(y, s, found.per_label[label], beta) == pytest.approx(best)
    if beta == 1:
        best = max(micro_f1(Y, binarize(S, cut)) for cut in np.unique(S)[::7])
        assert micro_f1(Y, binarize(S, found.overall)) >= best


def test_cuts_lie_between_scores() -> None:
    found = fit_thresholds(Y, S, FOLD, shrinkage=0)
    for label, cut in enumerate(found.per_label):
        assert np.float32(cut) not in S[:, label]


@pytest.mark.parametrize("target", [0.5, 0.8, 0.95])
def test_targets_are_met(target: float) -> None:
    precise = fit_thresholds(Y, S, FOLD, f"precision={target}")
    reached = precision_recall_f1(Y, binarize(S, precise.per_label))[0]
    assert (reached[:2] >= target).all()
    complete = fit_thresholds(Y, S, FOLD, f"recall={target}")
    reached = precision_recall_f1(Y, binarize(S, complete.per_label))[1]
    assert (reached >= target).all()
    higher = fit_thresholds(Y, S, FOLD, "recall=1").per_label
    assert (higher <= complete.per_label).all()


def test_rare_labels_are_drawn_to_the_global_cut() -> None:
    free = fit_thresholds(Y, S, FOLD, shrinkage=0)
    drawn = fit_thresholds(Y, S, FOLD)
    gap = np.abs(free.per_label - free.overall)
    share = np.abs(drawn.per_label - drawn.overall) / gap
    assert (share <= 1).all()
    assert share[2] < 0.6  # ten positives
    assert share[0] > 0.8


def test_nested_decisions_do_not_know_their_fold() -> None:
    luck = np.random.default_rng(0).random((300, 2)).astype(np.float32)
    truth = (np.random.default_rng(1).random((300, 2)) < 0.05).astype(np.uint8)
    found = fit_thresholds(truth, luck, np.arange(300) % 3, shrinkage=0)
    own = precision_recall_f1(truth, binarize(luck, found.per_label))[2].mean()
    nested = found.nested["per_label"]["macro_f1"]
    assert nested is not None
    assert nested < own
    assert (found.spread[:, 0] <= found.spread[:, 1]).all()


def test_a_label_without_positives_takes_the_global_cut() -> None:
    truth = Y.copy()
    truth[:, 1] = 0
    found = fit_thresholds(truth, S, FOLD)
    assert found.per_label[1] == pytest.approx(found.overall)


def test_facts_bring_them_back() -> None:
    found = fit_thresholds(Y, S, FOLD, "f2")
    again = Thresholds.from_facts(found.facts(("a", "b", "c")), ("a", "b", "c"))
    assert again.objective == "f2"
    np.testing.assert_array_equal(again.per_label, found.per_label)
    turned = Thresholds.from_facts(found.facts(("a", "b", "c")), ("c", "b", "a"))
    np.testing.assert_array_equal(turned.per_label, found.per_label[::-1])


@pytest.mark.parametrize("text", ["f", "f0", "precision", "precision=2", "recall=x", "g1", "fnan"])
def test_an_objective_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="thresholds: expected f1"):
        parse_objective(text)


def test_any_member_is_cut_on_its_development_rows() -> None:
    made = world()
    member = made.member("m", made.scores(2, 1))
    rows = made.split.development
    ids = [made.dataset.ids[row] for row in rows]
    want = fit_thresholds(made.truth[rows], member.scored.for_ids(ids), made.folds.fold[rows])
    found = tuned_thresholds(member, made.dataset, made.split)
    np.testing.assert_array_equal(found.per_label, want.per_label)
    assert found.nested == want.nested
    held = made.held_out_member("f", made.scores(2, 1))
    assert tuned_thresholds(held, made.dataset, made.split).per_label.shape == (3,)
    n = len(made.dataset)
    learned = changed(
        member,
        origin=np.full(n, IN_SAMPLE, np.int8),
        fold=np.full(n, -1, np.int16),
    )
    with pytest.raises(MemberError, match="no out-of-sample scores"):
        tuned_thresholds(learned, made.dataset, made.split)


def test_thresholds_kept_with_a_member_are_used(tmp_path: Path) -> None:
    from dataclasses import replace

    from toolkit.storage.files import write_json

    made = world()
    kept = fit_thresholds(made.truth, made.scores(2, 3), np.arange(240) % 4, "f2")
    write_json(tmp_path / "model" / "notes.json", {"thresholds": kept.facts(made.dataset.labels)})
    member = replace(made.member("m", made.scores(2, 1)), folder=tmp_path, kind="ensemble")
    found = tuned_thresholds(member, made.dataset, made.split)
    assert found.objective == "f2"
    np.testing.assert_array_equal(found.per_label, kept.per_label)


def test_a_member_keeps_its_thresholds_until_its_scores_or_the_labels_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = kept_members(tmp_path, {"one": 2.0})
    member = load_member(tmp_path, "one")
    fits: list[int] = []

    def counted(*given: Any) -> Thresholds:
        fits.append(1)
        return fit_thresholds(*given)

    monkeypatch.setattr(thresholds, "fit_thresholds", counted)

    def tuned(of: Member = member, dataset: Dataset = made.dataset) -> np.ndarray:
        return tuned_thresholds(of, dataset, made.split).per_label

    first = tuned()
    assert tuned().tobytes() == first.tobytes()
    assert len(fits) == 1
    load_member(tmp_path, "one")  # a member with it is whole
    other = replace(made.dataset, Y=1 - made.dataset.Y)
    assert not np.array_equal(tuned(dataset=other), first)
    assert tuned(changed(member, scores=member.scored.scores**2)).tobytes() != first.tobytes()
    place = member.folder / thresholds.KEPT
    tuned()
    before = len(fits)
    place.write_text(place.read_text().replace('"overall": 0.', '"overall": 0.1'))
    assert tuned().tobytes() == first.tobytes()
    place.write_text("[]")
    assert tuned().tobytes() == first.tobytes()
    assert len(fits) == before + 2
