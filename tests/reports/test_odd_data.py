"""Few images, labels without positives, many labels, hostile names: pages and tables hold."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.data.dataset import Dataset
from toolkit.data.split import paper_split
from toolkit.images.thumbnails import Thumbnails
from toolkit.members.held_out import Scored
from toolkit.members.member import Member, save_member
from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD, Predictions
from toolkit.paper.results import LABELS as PAPERS
from toolkit.reports.compare import compare
from toolkit.reports.mistakes import contact_sheets
from toolkit.reports.report import report

HOSTILE = (
    "=1+1",
    "[a](javascript:b)",
    "<script>alert(1)</script>",
    "\\input{x}",
    "$x_",
    "画像" * 30,
)


def scored_set(
    folder: Path, labels: tuple[str, ...], n: int, rate: float, barren: int = 0
) -> tuple[Dataset, Member]:
    """Make a data set whose first ``barren`` labels have no positives to test on, and a member."""
    rng = np.random.default_rng(0)
    ids = tuple(f"im{i}" for i in range(1, n + 1))
    split = paper_split(ids)
    names = tuple(sorted(labels))
    Y = (rng.random((n, len(names))) < rate).astype(np.uint8)
    Y[:3] = 1
    Y[np.ix_(split.test, np.arange(barren))] = 0
    dataset = Dataset(
        name="odd",
        root=folder,
        ids=ids,
        files=tuple(f"{image}.jpg" for image in ids),
        labels=names,
        Y=Y,
        digests=rng.integers(0, 256, (n, 16)).astype(np.uint8),
        stats=np.zeros((n, 2), np.int64),
        shapes=np.full((n, 2), 8, np.int32),
        modes=("RGB",) * n,
    )
    test = np.isin(np.arange(n), split.test)
    scores = np.clip(0.6 * Y + 0.5 * rng.random(Y.shape), 0, 1).astype(np.float32)
    predictions = Predictions(
        ids=ids,
        labels=names,
        scores=scores,
        origin=np.where(test, HELD_OUT, OUT_OF_FOLD).astype(np.int8),
        fold=np.where(test, -1, 0).astype(np.int16),
        folds_digest="f",
        dataset_digest=dataset.digest,
    )
    member = save_member(
        folder, "m", kind="head", source="linear on x", inputs="i", predictions=predictions,
        recipe={"command": "ovr", "name": "m", "head": "linear"},
        provenance={"made": "2024-01-01", "seconds": 1.0, "seed": 0}, states={},
        development={"origin": "out-of-fold", "images": n, "metrics": {}, "per_label": {}},
    )  # fmt: skip
    return dataset, member


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [each for item in value for each in numbers(item)]
    return [value] if isinstance(value, float) else []


def test_what_is_undefined_is_null_everywhere(tmp_path: Path) -> None:
    dataset, member = scored_set(tmp_path, ("a", "b", "c"), 40, 0.4, barren=2)
    found = compare(dataset, [member], resamples=40, artifacts=tmp_path, progress=False)
    document = json.dumps(found.facts(), allow_nan=False)
    assert all(map(math.isfinite, numbers(json.loads(document))))
    assert "mAP over 1 of 3 labels" in found.title
    assert "nan" not in found.to_csv() + found.to_markdown() + repr(found)
    done = report(dataset, tmp_path / "r.html", members=member, resamples=40, artifacts=tmp_path)
    text = done.path.read_text(encoding="utf-8")
    assert "mAP over 1 of 3 labels" in text
    assert json.loads(json.dumps(done.facts(), allow_nan=False))["rows"]


def test_no_positive_at_all_is_no_reason_to_stop(tmp_path: Path) -> None:
    dataset, member = scored_set(tmp_path, ("a", "b"), 40, 0.3, barren=2)
    found = compare(dataset, [member], resamples=40, artifacts=tmp_path, progress=False)
    assert all(row.metrics["map"] is None for row in found.rows)
    assert "svg" in found._repr_html_()
    done = report(dataset, tmp_path / "r.html", members=[member], resamples=0, artifacts=tmp_path)
    assert "Left out: no test image carries a label." in done.path.read_text(encoding="utf-8")


def test_many_labels_with_hostile_names_stay_text_and_are_counted(tmp_path: Path) -> None:
    labels = (*HOSTILE, *(f"label {number}" for number in range(80)))
    dataset, _ = scored_set(tmp_path, labels, 200, 0.2)
    done = report(dataset, tmp_path / "r.html", members="m", resamples=0, artifacts=tmp_path)
    text = done.path.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    for shown in (60, 40, 24, 23):
        assert f"Shown are the {shown} most frequent of {len(labels)} labels." in text
    tallest = max(float(height) for height in re.findall(r'viewBox="0 0 [\d.]+ ([\d.]+)"', text))
    assert tallest < 72 * 16
    assert compare(dataset, "m", resamples=0, artifacts=tmp_path).to_csv(per_label=True)


@pytest.mark.parametrize(("paper", "kind", "there"), [
    (None, "all", False), (True, "all", True), (None, "paper,head", True), (False, "all", False),
])  # fmt: skip
def test_the_papers_rows_lead_only_where_they_belong(
    tmp_path: Path, paper: bool | None, kind: str, there: bool
) -> None:
    dataset, member = scored_set(tmp_path, ("cat", "dog"), 60, 0.4)
    found = compare(dataset, [member], kind=kind, paper=paper, resamples=0, artifacts=tmp_path)
    assert any(row.kind == "paper" for row in found.rows) == there
    assert bool(found.rows[-1].versus["paper"]) == there
    own, one = scored_set(tmp_path / "own", PAPERS, 60, 0.4)
    again = compare(own, [one], paper=paper, resamples=0, artifacts=tmp_path / "own")
    assert any(row.kind == "paper" for row in again.rows) == (paper is not False)


def test_only_confident_mistakes_are_shown_by_each_labels_threshold(tmp_path: Path) -> None:
    dataset, _ = scored_set(tmp_path, ("a", "b"), 40, 0.5)
    truth = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.uint8)
    scores = np.array([[0.49, 0.9], [0.01, 0.2], [0.51, 0.15], [0.99, 0.09]], np.float32)
    sheets = dict(
        contact_sheets(
            dataset,
            Scored(np.arange(4), truth, scores),
            np.array([0.5, 0.2]),
            Thumbnails(dataset.paths),
            5,
        )
    )
    shown = {label: [(each.kind, each.image) for each in each] for label, each in sheets.items()}
    assert shown == {
        "a": [("false alarm", "im4"), ("missed", "im2")],
        "b": [("false alarm", "im1"), ("missed", "im4")],
    }
    assert sheets["b"][0].predicted == "b"
