"""The ensemble as a whole: nested scores, a member again, and the evidence."""

import json

import numpy as np
import pytest

from tests.ensembles.ensemble_fakes import changed, world
from toolkit.ensembles import ensemble
from toolkit.ensembles.ensemble import METHODS, fit_ensemble, restore
from toolkit.ensembles.evidence import add_one, error_correlation, gather_evidence
from toolkit.ensembles.join import Aligned, align
from toolkit.errors import UsageError
from toolkit.members.predictions import OUT_OF_FOLD
from toolkit.statistics.intervals import paired_bootstrap_difference
from toolkit.statistics.metrics import mean_average_precision


@pytest.fixture(scope="module")
def aligned() -> Aligned:
    return world(600).aligned(2.0, 1.5, 1.0, 0.5)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "auto"])
def test_labels_of_a_fold_have_no_part_in_its_scores(method: str) -> None:
    a = world(160).aligned(2.0, 1.0, 0.0)
    before = fit_ensemble(a, method, calibration="platt")
    for fold in (0, 2):
        held = a.fold == fold
        Y = a.Y.copy()
        Y[held] = 1 - Y[held]
        after = fit_ensemble(Aligned(**(a.__dict__ | {"Y": Y})), method, calibration="platt")
        np.testing.assert_array_equal(after.raw[held], before.raw[held])


def test_an_ensemble_can_be_a_member() -> None:
    w = world(400)
    members = [w.member(f"m{at}", w.scores(1.5, at), at) for at in range(3)]
    a = align(members[:2], w.dataset, w.split, w.folds)
    predictions = fit_ensemble(a, "stack").predictions(a, {})
    assert (predictions.origin == OUT_OF_FOLD).sum() == len(w.split.development)
    nested = changed(
        members[0],
        **{
            key: getattr(predictions, key)
            for key in ("ids", "scores", "origin", "fold", "folds_digest", "dataset_digest")
        },
    )
    from dataclasses import replace

    both = align([replace(nested, name="e"), members[2]], w.dataset, w.split, w.folds)
    reached = mean_average_precision(both.Y, fit_ensemble(both, "mean").raw)
    assert reached > mean_average_precision(both.Y, both.Z[:, 1])


def test_what_is_kept_gives_the_scores_of_the_test_part(aligned: Aligned) -> None:
    for method in METHODS:
        made = fit_ensemble(aligned, method)
        facts = json.loads(json.dumps(made.facts(aligned)))
        combiner, calibration = restore(facts, made.states())
        scores = calibration.apply(combiner.combine(aligned.rest_logits))
        np.testing.assert_array_equal(scores, made.rest)


def test_auto_takes_the_best_and_says_what_it_considered(aligned: Aligned) -> None:
    made = fit_ensemble(aligned, "auto")
    assert set(made.considered) == {"mean", "rank", "greedy", "stack", "stack, cross-label"}
    best = max(made.considered, key=lambda name: made.considered[name])
    assert best.startswith(made.combiner.name)


def test_auto_does_not_let_very_many_labels_see_each_other(
    aligned: Aligned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensemble, "MANY_LABELS", aligned.Y.shape[1] - 1)
    made = fit_ensemble(aligned, "auto")
    assert set(made.considered) == {"mean", "rank", "greedy", "stack"}


def test_options_belong_to_their_method(aligned: Aligned) -> None:
    with pytest.raises(UsageError, match="--cross-label"):
        fit_ensemble(aligned, "mean", options={"cross_label": True})
    with pytest.raises(UsageError, match="--per-label"):
        fit_ensemble(aligned, "stack", options={"per_label": True})
    with pytest.raises(UsageError, match="no option 'depth'"):
        fit_ensemble(aligned, "stack", options={"depth": 3})
    with pytest.raises(UsageError, match="--method is one of mean"):
        fit_ensemble(aligned, "vote")


def test_differences_are_the_paired_bootstraps(aligned: Aligned) -> None:
    made = fit_ensemble(aligned, "stack")
    evidence = gather_evidence(aligned, made, resamples=200)
    best = max(evidence.members, key=lambda name: evidence.members[name])
    assert evidence.best == best
    from toolkit.ensembles.combiners import sigmoid

    single = sigmoid(aligned.Z[:, aligned.names.index(best)]).astype(np.float32)
    want = paired_bootstrap_difference(aligned.Y, made.raw, single, resamples=200)
    for key in ("map", "auroc"):
        found = evidence.differences[key]
        assert found.difference == pytest.approx(want[key].difference)
        assert found.low == pytest.approx(want[key].low)
        assert found.high == pytest.approx(want[key].high)
        assert found.p == want[key].p
    for each in evidence.labels:
        assert each.gain.p is not None
        assert each.p_holm is not None
        assert each.p_holm >= each.gain.p
    json.dumps(evidence.facts(), allow_nan=False)


def test_a_useful_member_is_missed_and_a_copy_is_not() -> None:
    w = world(800)
    good, other = w.scores(2.5, 1), w.scores(1.5, 2)
    members = [w.member(name, s) for name, s in zip("pqr", (good, other, other), strict=True)]
    a = align(members, w.dataset, w.split, w.folds)
    evidence = gather_evidence(a, fit_ensemble(a, "stack"), resamples=50)
    loses = {name: each["loses"] for name, each in evidence.without.items()}
    assert loses["p"] > 0.05
    assert abs(loses["q"]) < 0.01
    assert evidence.added[0]["member"] == "p"
    assert [step["member"] for step in add_one(a)] == [s["member"] for s in evidence.added]
    errors = np.array(evidence.errors)
    assert errors[1, 2] == pytest.approx(1)
    assert errors[0, 1] < 0.9


def test_error_correlation_is_of_residuals() -> None:
    a = world(300, rates=(0.4,)).aligned(2.0, 1.0)
    errors = [a.Y[:, 0] - 1 / (1 + np.exp(-a.Z[:, at, 0].astype(float))) for at in range(2)]
    np.testing.assert_allclose(error_correlation(a.Y, a.Z), np.corrcoef(errors), atol=1e-9)


def test_it_is_said_when_an_ensemble_does_not_help() -> None:
    w = world(400)
    strong = w.scores(3, 1)
    members = [w.member("strong", strong), w.member("noise", w.scores(0, 2))]
    a = align(members, w.dataset, w.split, w.folds)
    worse = gather_evidence(a, fit_ensemble(a, "mean"), resamples=100).note
    assert "worse than its best member" in worse
    assert "Use strong alone" in worse
    twin = align([w.member("one", strong), w.member("two", strong)], w.dataset, w.split, w.folds)
    same = gather_evidence(twin, fit_ensemble(twin, "mean"), resamples=100).note
    assert "does not help" in same
    helped = world(800).aligned(1.5, 1.5, 1.5)
    assert "is better" in gather_evidence(helped, fit_ensemble(helped, "mean"), resamples=100).note


def test_labels_without_positives_are_undefined_not_zero() -> None:
    w = world(200, rates=(0.4, 0.0))
    a = w.aligned(2.0, 1.0, 0.5)
    made = fit_ensemble(a, "auto")
    evidence = gather_evidence(a, made, resamples=50).facts()
    assert evidence["labels"][1]["ap"] is None
    assert evidence["labels"][1]["p_holm"] is None
    assert np.isfinite(made.scores).all()
    json.dumps(evidence, allow_nan=False)
