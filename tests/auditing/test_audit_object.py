"""What toolkit.audit returns: frames, a document, a page, and a view for notebooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import toolkit
from tests.auditing.scenes import LABELS, Scenes, dataset_of
from toolkit.auditing.audit import Audit
from toolkit.auditing.examine import examine
from toolkit.errors import UsageError
from toolkit.images.hashes import hash_images

Make = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("one_thread")
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def audited(scenes: Make, tmp_path: Path) -> Audit:
    scene = scenes(0, n=300, separation=3.0)
    names = (HOSTILE, *LABELS[1:])
    Y = scene.Y.copy()
    Y[:12] = 1 - Y[:12]
    dataset, split = dataset_of(Scenes(scene.X, Y, names, scene.files))
    dataset = replace(dataset, root=tmp_path)
    random = np.random.default_rng(0)
    for file in dataset.files:
        pixels = random.integers(256, size=(48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / file)
    digests = dataset.digests.copy()
    digests[40] = digests[30]
    dataset = replace(dataset, digests=digests)
    hashes = hash_images(dataset.paths)
    examined = examine(dataset, scene.X, split, hashes=hashes, permutations=199)
    return Audit(examined.findings, dataset, split, ("network",), examined, [])


def test_frames_name_images(audited: Audit) -> None:
    errors, pairs = audited.label_errors, audited.duplicates
    assert list(errors) == ["image", "label", "kind", "probability", "score"]
    assert list(pairs) == ["first", "second", "kind", "bits", "cosine"]
    assert pairs[["first", "second", "kind"]].values.tolist() == [["im31", "im41", "exact"]]
    flipped = {f"im{number}" for number in range(1, 13)}
    assert np.mean(errors["image"][:20].isin(flipped)) > 0.8
    assert list(audited.findings["severity"]) == [found.severity for found in audited.ranked]
    json.dumps(audited.facts(), allow_nan=False)
    assert audited.verdict == audited.facts()["verdict"]
    assert len(repr(audited).splitlines()) == len(audited.ranked)


def test_a_notebook_sees_pictures_and_no_markup_of_labels(audited: Audit) -> None:
    shown = audited._repr_html_()
    assert HOSTILE not in shown
    assert "data:image/jpeg" in shown
    assert len(shown) < 1_000_000


def test_the_page_is_written_whole(audited: Audit, tmp_path: Path) -> None:
    audited.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    assert page.rstrip().endswith("</html>")


def test_nothing_is_said_of_label_errors_where_nothing_can_be_told(scenes: Make) -> None:
    scene = scenes(0, n=60)
    Y = np.zeros((12, 2), np.uint8)
    Y[:5, 0] = Y[::2, 1] = 1
    dataset, split = dataset_of(Scenes(scene.X[:12], Y, ("people", "x"), scene.files[:12]))
    found = examine(dataset, scene.X[:12], split, permutations=199)
    assert found.alignment is not None
    assert {label.state for label in found.alignment.labels} == {"cannot be told"}
    assert not found.noise
    assert not found.suspects


def test_the_advice_is_no_split_that_is_in_use(scenes: Make) -> None:
    dataset, split = dataset_of(scene := scenes(5, n=100))
    Y = np.zeros_like(dataset.Y)
    Y[:7] = 1
    for name, advised in (("paper", True), ("stratified", False), ("grouped", False)):
        found = examine(replace(dataset, Y=Y), scene.X, replace(split, name=name))
        advice = [each.advice for each in found.findings if each.kind == "rare label"]
        assert advice
        assert all(("stratified split" in text) == advised for text in advice)


def test_the_paper_alone_needs_no_data() -> None:
    found = toolkit.audit(paper=True)
    assert len(found.facts()["rows"]) == 21
    assert "<table>" in found._repr_html_()


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="leave skip_files out"):
        toolkit.audit(group_duplicates=True, skip_files=True)
    with pytest.raises(UsageError, match="permutations: expected a whole number from 99, found 5"):
        toolkit.audit(permutations=5)
