"""The ensemble as a whole: nested scores, a member again, and what it gains."""

import json
from typing import Any

import numpy as np
import pytest

from tests.ensembles.ensemble_fakes import changed, world
from toolkit.ensembles import fit
from toolkit.ensembles.choice import draw_within
from toolkit.ensembles.fit import METHODS, fit_ensemble, restore
from toolkit.ensembles.gains import add_one, error_correlation, measure_gains
from toolkit.ensembles.join import Joined, join
from toolkit.errors import UsageError
from toolkit.members.predictions import OUT_OF_FOLD
from toolkit.statistics.intervals import paired_difference
from toolkit.statistics.metrics import mean_average_precision, score


@pytest.fixture(scope="module")
def joined() -> Joined:
    return world(600).joined(2.0, 1.5, 1.0, 0.5)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "auto"])
def test_labels_of_a_fold_have_no_part_in_its_scores(method: str) -> None:
    a = world(160).joined(2.0, 1.0, 0.0)
    before = fit_ensemble(a, method, calibration="platt")
    for fold in (0, 2):
        held = a.fold == fold
        Y = a.Y.copy()
        Y[held] = 1 - Y[held]
        after = fit_ensemble(Joined(**(a.__dict__ | {"Y": Y})), method, calibration="platt")
        np.testing.assert_array_equal(after.raw[held], before.raw[held])


def test_an_ensemble_can_be_a_member() -> None:
    w = world(400)
    members = [w.member(f"m{at}", w.scores(1.5, at), at) for at in range(3)]
    a = join(members[:2], w.dataset, w.split, w.folds)
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

    both = join([replace(nested, name="e"), members[2]], w.dataset, w.split, w.folds)
    reached = mean_average_precision(both.Y, fit_ensemble(both, "mean").raw)
    assert reached > mean_average_precision(both.Y, both.Z[:, 1])


def test_what_is_kept_gives_the_scores_of_the_test_part(joined: Joined) -> None:
    for method in METHODS:
        made = fit_ensemble(joined, method)
        facts = json.loads(json.dumps(made.facts(joined)))
        combiner, calibration = restore(facts, made.states())
        scores = calibration.apply(combiner.combine(joined.rest_logits))
        np.testing.assert_array_equal(scores, made.rest)


def test_auto_takes_the_best_and_says_what_it_considered(joined: Joined) -> None:
    made = fit_ensemble(joined, "auto")
    assert set(made.considered) == {"mean", "rank", "greedy", "stack", "stack, cross-label"}
    best = max(made.considered, key=lambda name: made.considered[name])
    assert best.startswith(made.combiner.name)


def test_auto_does_not_let_very_many_labels_see_each_other(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "MANY_LABELS", joined.Y.shape[1] - 1)
    made = fit_ensemble(joined, "auto")
    assert set(made.considered) == {"mean", "rank", "greedy", "stack"}


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("mean", {"cross_label": True}, "expected method stack, found mean"),
        ("greedy", {"any_sign": True}, "expected method stack, found greedy"),
        ("stack", {"per_label": True}, "expected method greedy, found stack"),
        ("vote", {}, "method: expected mean, rank, greedy, stack or auto, found 'vote'"),
    ],
)
def test_options_belong_to_their_method(
    joined: Joined, method: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        fit_ensemble(joined, method, **options)


def test_differences_are_the_paired_bootstraps(joined: Joined) -> None:
    made = fit_ensemble(joined, "stack")
    gains = measure_gains(joined, made, resamples=200)
    best = max(gains.members, key=lambda name: gains.members[name])
    assert gains.best == best
    from toolkit.statistics.links import sigmoid

    single = sigmoid(joined.Z[:, joined.names.index(best)]).astype(np.float32)
    drawn = [draw_within(joined.Y, S, joined.fold, 200, 0) for S in (made.raw, single)]
    named = measure_gains(joined, made, against=best, resamples=200)
    assert (named.best, named.named, gains.named) == (best, True, False)
    for found, key in ((gains.differences["auroc"], "auroc"), (named.differences["map"], "map")):
        ours, theirs = (each.point[key] for each in drawn)
        within = [
            score(joined.Y[joined.fold == f], made.raw[joined.fold == f]).metrics[key]
            for f in np.unique(joined.fold)
        ]
        assert ours == pytest.approx(np.mean(np.array(within, float)))
        want = paired_difference(ours, theirs, drawn[0].draws[key] - drawn[1].draws[key])
        for part in ("difference", "low", "high", "p"):
            assert found[part] == pytest.approx(getattr(want, part)), (key, part)
    for each in gains.labels:
        assert each["p_holm"] >= each["gain"]["p"] > 0
    json.dumps(gains.facts(), allow_nan=False)


def test_a_useful_member_is_missed_and_a_copy_is_not() -> None:
    w = world(800)
    good, other = w.scores(2.5, 1), w.scores(1.5, 2)
    members = [w.member(name, s) for name, s in zip("pqr", (good, other, other), strict=True)]
    a = join(members, w.dataset, w.split, w.folds)
    gains = measure_gains(a, fit_ensemble(a, "stack"), resamples=50)
    loses = {name: each["loses"] for name, each in gains.without.items()}
    assert loses["p"] > 0.05
    assert abs(loses["q"]) < 0.01
    assert gains.added[0]["member"] == "p"
    assert [step["member"] for step in add_one(a)] == [s["member"] for s in gains.added]
    errors = np.array(gains.errors)
    assert errors[1, 2] == pytest.approx(1)
    assert errors[0, 1] < 0.9


def test_error_correlation_is_of_residuals() -> None:
    a = world(300, rates=(0.4,)).joined(2.0, 1.0)
    errors = [a.Y[:, 0] - 1 / (1 + np.exp(-a.Z[:, at, 0].astype(float))) for at in range(2)]
    np.testing.assert_allclose(error_correlation(a.Y, a.Z), np.corrcoef(errors), atol=1e-9)


def test_it_is_said_when_an_ensemble_does_not_help() -> None:
    w = world(400)
    strong = w.scores(3, 1)
    members = [w.member("strong", strong), w.member("noise", w.scores(0, 2))]
    a = join(members, w.dataset, w.split, w.folds)
    worse = measure_gains(a, fit_ensemble(a, "mean"), resamples=100).note
    assert "worse than its best member" in worse
    assert "Use strong alone" in worse
    twin = join([w.member("one", strong), w.member("two", strong)], w.dataset, w.split, w.folds)
    same = measure_gains(twin, fit_ensemble(twin, "mean"), resamples=100).note
    assert "not distinguishable from its best member (one on these images)" in same
    helped = world(800).joined(1.5, 1.5, 1.5)
    assert "is better" in measure_gains(helped, fit_ensemble(helped, "mean"), resamples=100).note


def test_labels_without_positives_are_undefined_not_zero() -> None:
    w = world(200, rates=(0.4, 0.0))
    a = w.joined(2.0, 1.0, 0.5)
    made = fit_ensemble(a, "auto")
    gains = measure_gains(a, made, resamples=50).facts()
    assert gains["labels"][1]["ap"] is None
    assert gains["labels"][1]["p_holm"] is None
    assert np.isfinite(made.scores).all()
    json.dumps(gains, allow_nan=False)
