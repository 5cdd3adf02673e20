from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.auditing.scenes import dataset_of
from toolkit.auditing.alignment import alignment
from toolkit.auditing.examine import _explained, examine, stage_ends
from toolkit.auditing.findings import Finding, ranked, worst
from toolkit.auditing.linear_probe import LinearProbe, principal_components
from toolkit.auditing.published import published_findings, published_rows
from toolkit.data.importer import published_order
from toolkit.errors import DataError

Make = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("one_thread")


def test_sound_data_passes(scenes: Make) -> None:
    dataset, split = dataset_of(scene := scenes(0, separation=3.0))
    stages: list[str] = []
    found = examine(dataset, scene.X, split, permutations=199, on_stage=stages.append)
    assert worst(found.findings) in ("passed", "note")
    assert found.findings == ranked(found.findings)
    by_kind = {f.kind: f for f in found.findings}
    assert by_kind["alignment"].sentence.startswith("labels describe the images: 8 of 8 labels")
    assert len(by_kind["label errors"].evidence["likeliest"]) == 50
    assert stages == ["alignment", "pairing", "columns", "label errors", "health"]
    assert list(found.seconds) == stages
    json.dumps(found.facts(), allow_nan=False)


def test_the_published_pairing_is_told_and_explained(scenes: Make) -> None:
    dataset, split = dataset_of(scene := scenes(1))
    order = published_order(dataset.files)
    given = replace(dataset, Y=dataset.Y[order], provenance={"pairing": "published"})
    found = examine(given, scene.X, split, permutations=199)
    first, second = found.findings[:2]
    assert (first.severity, second.severity) == ("critical", "critical")
    assert first.sentence.startswith("labels do not describe the images: a linear probe ranks them")
    assert second.sentence.startswith(
        "labels are in numeric order, files in lexicographic order: joined by id, mean AUROC 0."
    )
    assert second.advice.endswith("(this data set was imported with --pairing published)")
    # label errors mean nothing on labels of other images
    assert not found.suspects
    assert found.explanation is not None
    assert found.explanation.auroc_after > 0.95
    json.dumps(found.facts(), allow_nan=False)


def test_a_break_is_named_only_where_a_shift_does_not_say_it_all(scenes: Make) -> None:
    scene = scenes(6)
    late = np.roll(scene.Y, 1, axis=0)
    for first, kind in ((3, "shift"), (250, "break")):
        dataset, _ = dataset_of(scene)
        Y = np.concatenate([scene.Y[:first], late[first:]])
        probe = LinearProbe(principal_components(scene.X))
        found = alignment(probe, Y, scene.labels, permutations=199)
        explanation = _explained(probe, replace(dataset, Y=Y), found, [])
        assert explanation is not None
        assert explanation.kind == kind


def test_faults_in_one_part_of_the_split_are_named(scenes: Make) -> None:
    dataset, split = dataset_of(scene := scenes(2, rarest=0.12))
    Y = dataset.Y.copy()
    Y[split.test] = np.roll(Y[split.test], 5, axis=0)
    rows = split.validation
    one, other = np.array([1, 6]), np.array([6, 1])
    Y[np.ix_(rows, one)] = Y[np.ix_(rows, other)]
    found = examine(replace(dataset, Y=Y), scene.X, split, permutations=199)
    sentences = [f.sentence for f in found.findings if f.severity == "critical"]
    assert any(s.startswith("labels of test do not describe its images") for s in sentences)
    assert any(s.startswith("the columns car and sign are swapped in val") for s in sentences)
    assert len(sentences) == 2


def test_images_without_embeddings_are_passed_over(scenes: Make) -> None:
    dataset, split = dataset_of(scene := scenes(3, n=300))
    X = scene.X.copy()
    X[[4, 100]] = np.nan
    found = examine(dataset, X, split, permutations=99)
    assert found.alignment is not None
    assert found.alignment.verdict == "labels describe the images"
    with pytest.raises(DataError, match="embed the data set again"):
        examine(dataset, X[:-1], split)
    with pytest.raises(DataError, match="expected one of some image"):
        examine(dataset, np.full_like(X, np.nan), split)


def test_labels_too_rare_to_test_still_get_their_health_checked(scenes: Make) -> None:
    dataset, split = dataset_of(scene := scenes(5, n=100))
    Y = np.zeros_like(dataset.Y)
    Y[:3] = 1
    found = examine(replace(dataset, Y=Y), scene.X, split)
    assert found.alignment is None
    kinds = [f.kind for f in found.findings]
    assert "alignment" in kinds
    assert "rare label" in kinds


def test_severity_comes_before_weight() -> None:
    found = [
        Finding("note", "a", "", weight=9),
        Finding("warning", "b", "", weight=1),
        Finding("warning", "c", "", weight=2),
        Finding("critical", "d", ""),
    ]
    assert [f.kind for f in ranked(found)] == ["d", "c", "b", "a"]
    assert worst(found) == "critical"
    assert worst([]) == "passed"


def test_the_published_scores_are_all_compared_with_chance() -> None:
    rows = published_rows()
    assert len(rows) == 21
    assert {row["verdict"] for row in rows} <= {"above chance", "like chance", "hidden by rounding"}
    for row in rows:
        assert 0 < row["p_low"] <= row["p_high"] <= 1
        assert row["holm_low"] >= row["p_low"]
    above = [row for row in rows if row["verdict"] == "above chance"]
    findings = [found.facts() for found in published_findings(rows)]
    assert findings[0]["sentence"].startswith(
        f"{len(above)} of the paper's 21 table rows score above"
    )
    json.dumps([findings, rows], allow_nan=False)


def test_a_row_that_saw_its_images_would_stand_above_chance() -> None:
    from toolkit.paper.chance import chance_p_values

    assert chance_p_values(0.964, 0.70, 0.51, (0.00005, 0.005))[1] < 0.01


def test_how_far_an_audit_is_grows_to_the_end_with_every_stage() -> None:
    for labels in (1, 14, 1000):
        ends = stage_ends(labels)
        assert list(ends) == [
            *("alignment", "pairing", "columns", "label errors", "duplicates", "health")
        ]
        assert all(a < b for a, b in pairwise(ends.values()))
    # with many labels columns take the most
    assert ends["columns"] - ends["pairing"] > ends["label errors"] - ends["columns"]
