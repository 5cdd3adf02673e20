"""The verb: members by name or in hand, kept once, with facts that say what it is worth."""

import json
from pathlib import Path

import numpy as np
import pytest

import toolkit as tk
from tests.ensembles.ensemble_fakes import World, kept_members
from toolkit.errors import UsageError
from toolkit.statistics.metrics import average_precision


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    artifacts = tmp_path_factory.mktemp("made")
    return artifacts, kept_members(artifacts, {"good": 2.5, "fair": 1.5, "noise": 0.0})


def test_names_and_members_in_hand_make_the_same_ensemble(made: tuple[Path, World]) -> None:
    artifacts, world = made
    hand = [tk.load_member(name, artifacts=artifacts) for name in ("good", "fair")]
    first = tk.ensemble(hand, folds=3, resamples=20, name="two")
    again = tk.ensemble(
        "fair,good", world.dataset, folds=3, resamples=20, name="two", artifacts=artifacts
    )
    assert (again.inputs, again.scored.digest) == (first.inputs, first.scored.digest)
    assert again.provenance()["made"] == first.provenance()["made"]
    with pytest.raises(UsageError, match="made from other inputs"):
        tk.ensemble(hand, method="mean", folds=3, name="two")
    replaced = tk.ensemble(hand, method="mean", folds=3, name="two", overwrite=True)
    assert replaced.inputs != first.inputs


def test_facts_metrics_and_labels_tell_the_same(made: tuple[Path, World]) -> None:
    artifacts, world = made
    member = tk.ensemble(["good", "fair"], folds=3, resamples=20, artifacts=artifacts)
    facts = json.loads(json.dumps(tk.ensemble_facts(member), allow_nan=False))
    assert facts["members"] == ["fair", "good"]
    assert facts["metrics"] == member.metrics
    assert member.metrics["map"] == pytest.approx(member.per_label["ap"].mean())
    assert member.metrics["macro_f1"] == pytest.approx(member.per_label["f1"].mean())
    assert facts["images"] == len(world.split.development)
    told = {each["label"]: each["ap"] for each in facts["evidence"]["labels"]}
    assert told == pytest.approx(member.per_label["ap"].to_dict())
    rows = [world.dataset.ids.index(image) for image in member.scored.ids]
    found = average_precision(world.truth[rows], member.scored.scores)
    assert (found > average_precision(world.truth[rows], np.zeros((len(rows), 3)))).all()


def test_a_pattern_passes_over_ensembles_and_other_folds(tmp_path: Path) -> None:
    kept_members(tmp_path, {"a": 2.0, "b": 1.0}, folds=3)
    tk.ensemble(folds=3, method="mean", name="e", artifacts=tmp_path)
    member = tk.ensemble("*", folds=3, method="rank", resamples=20, artifacts=tmp_path)
    assert member.name == "ensemble-rank"
    assert member.recipe()["members"] == ["a", "b"]
    nested = tk.ensemble("e,b", folds=3, method="mean", name="f", artifacts=tmp_path)
    assert nested.recipe()["members"] == ["b", "e"]
    with pytest.raises(UsageError, match=r"found none: .* \(3 of them, not 4\): folds=3"):
        tk.ensemble(folds=4, artifacts=tmp_path)
    few = tk.ensemble("a,b", folds=3, method="mean", name="few", resamples=20, artifacts=tmp_path)
    assert few.recipe()["resamples"] == 20
    with pytest.raises(UsageError, match="made from other inputs"):  # not the one at hand
        tk.ensemble("a,b", folds=3, method="mean", name="few", artifacts=tmp_path)


def test_members_that_count_for_nothing_are_told(tmp_path: Path) -> None:
    kept_members(tmp_path, {"good": 6.0, "noise": 0.0})
    member = tk.ensemble(method="greedy", folds=3, resamples=20, artifacts=tmp_path)
    assert member.source == "greedy of 2 members, 1 with any weight"
    assert tk.ensemble(method="mean", folds=3, artifacts=tmp_path).source == "mean of 2 members"


def test_what_cannot_be_made_says_so(made: tuple[Path, World], tmp_path: Path) -> None:
    artifacts, _ = made
    good = tk.load_member("good", artifacts=artifacts)
    for options, words in (
        ({"resamples": 0}, "resamples: expected a whole number from 1, found 0"),
        ({"artifacts": tmp_path}, "where the members lie"),
        ({"name": "good"}, "a member of itself"),
        ({"calibration": "x"}, "calibration: expected auto"),
        ({"thresholds": "x"}, "thresholds: expected f1"),
    ):
        with pytest.raises(UsageError, match=words):
            tk.ensemble([good, "fair"], folds=3, **options)
