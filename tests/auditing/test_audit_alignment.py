from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from toolkit.auditing.alignment import alignment, step_down
from toolkit.auditing.alignment import testable as enough_of_both
from toolkit.auditing.groups import group_alignment, repeated_labels
from toolkit.auditing.linear_probe import LinearProbe, principal_components
from toolkit.auditing.verdicts import alignment_findings
from toolkit.errors import DataError
from toolkit.statistics.intervals import holm

Make = Callable[..., Any]


def test_a_shuffled_label_is_named_among_sound_ones(scenes: Make) -> None:
    X, Y, labels, _ = scenes(0)
    Y = Y.copy()
    Y[:, 3] = np.random.default_rng(0).permutation(Y[:, 3])
    found = alignment(LinearProbe(principal_components(X)), Y, labels, permutations=199)
    assert found.verdict == "some labels do not describe the images"
    assert [x.label for x in found.labels if x.state == "does not describe"] == ["lake"]
    json.dumps(found.facts(), allow_nan=False)


def test_p_values_of_unrelated_labels_are_uniform() -> None:
    random = np.random.default_rng(0)
    overall, single, family = [], [], []
    for seed in range(100):
        X, Y = random.normal(size=(120, 8)), random.random((120, 4)) < [0.1, 0.2, 0.3, 0.5]
        found = alignment(LinearProbe(X), Y, "abcd", permutations=99, seed=seed)
        overall.append(found.p)
        single += [label.p or 0.0 for label in found.labels]
        family.append(min(label.p_adjusted or 0.0 for label in found.labels))
        assert found.verdict != "labels describe the images"
    for p_values, spread in ((overall, 0.1), (single, 0.05)):
        assert np.mean(p_values) == pytest.approx(0.5, abs=spread)
    # of 100 families 5 are expected to hold a p of 0.05 or less; 12 have probability 0.001
    assert np.sum(np.array(family) <= 0.05) <= 12
    assert np.sum(np.array(overall) <= 0.05) <= 12


def test_step_down_is_sharper_than_holm_and_never_below_the_plain_p() -> None:
    random = np.random.default_rng(1)
    common = random.normal(size=(999, 1))
    null = 0.9 * common + 0.4 * random.normal(size=(999, 6))
    z = np.array([3.0, 2.4, 2.2, 1.0, 0.1, -1.0])
    plain = (1 + (null >= z).sum(axis=0)) / 1000
    adjusted = step_down(z, null)
    assert (adjusted >= plain).all()
    assert (adjusted <= holm(plain) + 1e-12).all()
    assert (np.diff(adjusted) >= 0).all()
    permuted = random.permutation(6)
    assert np.array_equal(step_down(z[permuted], null[:, permuted]), adjusted[permuted])


def test_too_few_positives_are_not_called_a_fault(scenes: Make) -> None:
    X, Y, labels, _ = scenes(1)
    rare = Y.copy()
    rare[np.flatnonzero(rare[:, 2])[4:], 2] = 0
    found = alignment(LinearProbe(principal_components(X)), rare, labels, permutations=199)
    assert found.verdict == "labels describe the images"
    assert found.labels[2].state == "cannot be told"
    assert found.labels[2].p is None
    assert enough_of_both(rare).tolist() == [True, True, False, True, True, True, True, True]


def test_nothing_to_test_and_wrong_shapes_are_errors(scenes: Make) -> None:
    X, Y, labels, _ = scenes(2, n=60)
    probe = LinearProbe(principal_components(X))
    with pytest.raises(DataError, match="nothing to audit"):
        alignment(probe, np.zeros_like(Y), labels)
    with pytest.raises(DataError, match="60 images"):
        alignment(probe, Y[:50], labels)


def test_a_fault_in_one_group_is_found_there_and_only_there(scenes: Make) -> None:
    for seed in range(5):
        X, Y, _, _ = scenes(seed)
        part = np.random.default_rng(seed).permutation(np.arange(len(Y)) % 10)
        groups = {"a": np.flatnonzero(part > 1), "b": np.flatnonzero(part == 1)}
        groups["c"] = np.flatnonzero(part == 0)
        probe = LinearProbe(principal_components(X))
        sound = group_alignment(probe.scores(Y), Y, groups)
        assert [g.misaligned for g in sound] == [False, False, False]
        broken = Y.copy()
        broken[groups["b"]] = np.roll(Y[groups["b"]], 3, axis=0)
        found = group_alignment(probe.scores(broken), broken, groups)
        assert [g.misaligned for g in found] == [False, True, False]


def test_a_list_that_starts_again_is_seen_in_the_labels_alone(scenes: Make) -> None:
    _, Y, _, _ = scenes(0)
    groups = {"train": np.arange(500), "test": np.arange(500, 700)}
    assert repeated_labels(Y, groups) == []
    again = Y.copy()
    again[500:] = Y[:200]
    assert repeated_labels(again, groups) == ["test"]


def test_weak_but_right_labels_are_no_critical_fault() -> None:
    random = np.random.default_rng(0)
    Y = (random.random((1500, 14)) < np.linspace(0.05, 0.4, 14)).astype(np.uint8)
    directions = random.normal(size=(14, 32))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    verdicts = []
    for strength in (0.3, 0.45, 0.6):
        X = random.normal(size=(1500, 32)) + strength * Y @ directions
        found = alignment(LinearProbe(X), Y, [str(j) for j in range(14)], permutations=199)
        assert found.mean_auroc < 0.7
        assert alignment_findings(found)[0].severity != "critical"
        verdicts.append(found.verdict)
    assert verdicts[0] == "labels describe the images weakly"
