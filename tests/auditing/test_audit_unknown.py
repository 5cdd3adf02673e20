"""Unknown labels are not seen as no, not suspected and not counted by any check of the audit."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.auditing.scenes import Scenes, dataset_of
from toolkit.auditing.alignment import alignment
from toolkit.auditing.breaks import find_break
from toolkit.auditing.columns import better_by, swaps_by_counts
from toolkit.auditing.drift import drift_p_values
from toolkit.auditing.duplicates import Duplicates, Pair
from toolkit.auditing.examine import examine
from toolkit.auditing.groups import repeated_labels
from toolkit.auditing.health import label_health
from toolkit.auditing.label_errors import (
    mislabelled,
    out_of_fold_probabilities,
    suspects,
    suspicion,
)
from toolkit.auditing.linear_probe import LinearProbe, centred_labels, principal_components

Make = Callable[..., Scenes]


def hide(Y: np.ndarray, share: float = 0.4, seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.where(random.random(Y.shape) < share, -1, Y).astype(np.int8)


def probe_of(scene: Scenes) -> LinearProbe:
    return LinearProbe(principal_components(scene.X, 20))


def test_scores_are_least_squares_on_known_rows_about_their_mean(scenes: Make) -> None:
    scene = scenes(0, 120)
    probe, Y = probe_of(scene), hide(scene.Y)
    found = probe.scores(Y)
    for f in range(5):
        held, rest = probe.fold == f, probe.fold != f
        centre = probe.Z[rest].mean(axis=0)
        A = (probe.Z[rest] - centre).astype(np.float64)
        gram = A.T @ A + 1e-3 * len(probe) * np.eye(A.shape[1])
        W = np.linalg.solve(gram, A.T @ centred_labels(Y[rest]))
        np.testing.assert_allclose(found[held], (probe.Z[held] - centre) @ W, atol=1e-4)


def test_a_label_unknown_on_one_row_is_probed_as_before(scenes: Make) -> None:
    """The path for unknown cells gives what the other one gives, up to rounding."""
    scene = scenes(0, 200)
    probe, Y = probe_of(scene), scene.Y.astype(np.int8)
    part = Y.copy()
    part[0, 0] = -1
    np.testing.assert_allclose(probe.scores(part)[:, 1:], probe.scores(Y)[:, 1:], atol=1e-5)
    pairs = [(probe.correlations(each), probe.permuted(each, 30, 1)) for each in (Y, part)]
    for one, two in zip(*pairs, strict=True):
        np.testing.assert_allclose(one[..., 1:], two[..., 1:], atol=1e-5)
    for one, two in zip(better_by(Y, Y), better_by(Y, part), strict=True):
        np.testing.assert_array_equal(one[:, 1:], two[:, 1:])


def test_labels_of_which_half_is_hidden_describe_and_shuffled_ones_do_not(scenes: Make) -> None:
    scene = scenes(2, 500)
    probe, Y = probe_of(scene), hide(scene.Y, 0.5)
    found = alignment(probe, Y, scene.labels, permutations=199)
    assert found.verdict == "labels describe the images"
    for j, label in enumerate(found.labels):
        assert label.unknown == pytest.approx((Y[:, j] < 0).mean())
        assert label.positives == (Y[:, j] == 1).sum()
    shuffled = np.random.default_rng(0).permutation(Y)
    assert not alignment(probe, shuffled, scene.labels, permutations=199).linked


def test_what_is_looked_at_says_nothing_of_what_is_seen(scenes: Make) -> None:
    """Labels dealt at random, known only for images of one kind, are linked to none of them."""
    scene, linked = scenes(4, 300), 0
    probe = probe_of(scene)
    for seed in range(12):
        random = np.random.default_rng(seed)
        Y = (random.random(scene.Y.shape) < 0.3).astype(np.int8)
        Y[(scene.X[:, :8] + random.normal(size=Y.shape)) > 0] = -1
        linked += alignment(probe, Y, scene.labels, permutations=199, seed=seed).linked
    assert linked <= 1


def test_label_errors_are_those_of_the_rows_where_a_label_is_known(scenes: Make) -> None:
    scene = scenes(1, 300)
    Y = hide(scene.Y)
    fold = np.arange(300) % 3
    P = out_of_fold_probabilities(scene.X, Y, fold, strengths=[0.1])
    taken_for_no = out_of_fold_probabilities(scene.X, np.maximum(Y, 0), fold, strengths=[0.1])
    assert P.mean() == pytest.approx((Y == 1).sum() / (Y >= 0).sum(), rel=0.15)
    assert taken_for_no.mean() < 0.8 * P.mean()
    unknown = np.argwhere(Y < 0)
    assert (suspicion(P, Y)[tuple(unknown.T)] == 0).all()
    listed = {(each.row, each.label) for each in suspects(P, Y, scene.labels, top=10**6)}
    assert listed
    assert not listed & {(row, scene.labels[j]) for row, j in unknown.tolist()}
    for j in range(3):
        known, column = Y[:, j] >= 0, slice(j, j + 1)
        of, own = (P[known, column], Y[known, column])
        np.testing.assert_array_equal(mislabelled(P, Y)[:, :, j], mislabelled(of, own)[:, :, 0])
        np.testing.assert_array_equal(suspicion(P, Y)[known, column], suspicion(of, own))


def test_planted_errors_are_found_where_half_is_hidden(scenes: Make) -> None:
    scene = scenes(5, 500, separation=3.0)
    Y = hide(scene.Y, 0.5)
    planted = np.flatnonzero(Y[:, 2] == 1)[:6]
    Y[planted, 2] = 0
    dataset, split = dataset_of(scene._replace(Y=Y))
    found = examine(dataset, scene.X, split, permutations=99)
    missing = [x.row for x in found.by_label if (x.label, x.kind) == ("dog", "missing")]
    assert len(set(missing) & set(planted.tolist())) >= 4
    text = next(each for each in found.findings if each.kind == "unknown labels")
    assert f"{(Y < 0).mean():.1%} of the labels' cells are unknown" in text.sentence
    assert text.evidence["labels"]["dog"] == pytest.approx((Y[:, 2] < 0).mean())


def test_columns_swapped_in_a_block_are_found_where_a_third_is_hidden(scenes: Make) -> None:
    scene = scenes(6, 700)
    Y = scene.Y.copy()
    Y[:250, [1, 3]] = Y[:250, [3, 1]]
    dataset, split = dataset_of(scene._replace(Y=hide(Y, 0.3)))
    found = examine(dataset, scene.X, split, permutations=99)
    assert {"car": "lake", "lake": "car"} in [swap.columns for swap in found.swaps]


def test_a_lost_line_is_found_where_a_third_is_hidden(scenes: Make) -> None:
    scene = scenes(7, 500)
    Y = scene.Y.astype(np.int8)
    Y[200:-1] = Y[201:]
    probe = probe_of(scene)
    found = find_break(probe, hide(Y, 0.3), scene.files)
    assert found is not None
    assert "one row too early" in found.sentence
    assert find_break(probe, hide(scene.Y, 0.3), scene.files) is None


def test_counts_do_not_accuse_columns_that_are_not_all_known() -> None:
    random = np.random.default_rng(0)
    share = {"a": 0.4, "b": 0.1, "c": 0.2, "d": 0.3}
    Y = (random.random((900, 4)) < [0.1, 0.4, 0.2, 0.3]).astype(np.int8)
    assert swaps_by_counts(Y, "abcd", share, "counts")
    Y[0, 0] = -1
    assert not swaps_by_counts(Y, "abcd", share, "counts")


def test_drift_is_that_of_the_images_where_a_label_is_known() -> None:
    random = np.random.default_rng(0)
    Y = (random.random((200, 1)) < 0.3).astype(np.int8)
    part = random.integers(3, size=200)
    hidden = hide(Y)
    known = hidden[:, 0] >= 0
    assert drift_p_values(hidden, part) == drift_p_values(hidden[known], part[known])
    # a part of which nothing is known
    hidden[part == 1] = -1
    known = hidden[:, 0] >= 0
    assert drift_p_values(hidden, part) == drift_p_values(hidden[known], part[known])


def test_lists_started_again_are_found_by_what_is_known_of_both(scenes: Make) -> None:
    Y = scenes(8, 400).Y.astype(np.int8)
    Y[200:] = Y[:200]
    groups = {"second": np.arange(200, 400)}
    assert repeated_labels(hide(Y, 0.2), groups) == ["second"]
    assert not repeated_labels(hide(np.random.default_rng(0).permutation(Y), 0.2), groups)


def test_copies_conflict_only_where_both_are_known() -> None:
    pair = Pair(0, 1, "exact", 0, 1.0)
    found = Duplicates((pair,), np.zeros(2, np.int64), None)
    assert not found.conflicting([[1, -1, 0], [-1, 0, 0]])
    assert found.conflicting([[1, -1, 0], [-1, 0, 1]]) == [pair]


def health(Y: np.ndarray, scene: Scenes) -> dict[str, Any]:
    dataset, split = dataset_of(scene)
    return {each.kind: each for each in label_health(replace(dataset, Y=Y), split)}


def test_health_says_what_is_unknown_and_takes_it_for_nothing(scenes: Make) -> None:
    scene = scenes(9, 200)
    Y = scene.Y.astype(np.int8)
    Y[:, 0] = np.where(Y[:, 0] == 1, 1, -1)
    Y[:, 1] = -1
    Y[:5] = -1
    Y[5:9, 2:] = 0
    Y[5:9, :2] = -1
    found = health(Y, scene)
    assert "bird" in found["one-class label"].sentence
    assert "every image where it is known" in found["one-class label"].sentence
    assert "car" not in found["one-class label"].sentence
    unknown = found["unknown labels"]
    assert "of 5 images no label is known" in unknown.sentence
    assert "known for no image: car" in unknown.sentence
    # an image of which something is unknown may carry that
    assert "unlabelled" not in found


def test_equal_labels_with_other_cells_hidden_are_not_called_equal(scenes: Make) -> None:
    scene = scenes(9, 200)
    Y = scene.Y.astype(np.int8)
    Y[:, 1] = Y[:, 0]
    assert "identical labels" in health(Y, scene)
    Y[int(np.flatnonzero(Y[:, 1] == 0)[0]), 1] = -1
    assert "identical labels" not in health(Y, scene)
