"""Few images, labels without positives, many labels, hostile names: pages and tables hold."""

import base64
import io
import json
import math
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from toolkit.data.dataset import Dataset
from toolkit.data.split import paper_split
from toolkit.errors import UsageError
from toolkit.images.thumbnails import Thumbnails
from toolkit.members.held_out import Scored, held_out
from toolkit.members.member import Member, save_member
from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD, Predictions
from toolkit.paper.results import LABELS as PAPERS
from toolkit.reports.compare import compare
from toolkit.reports.data_figures import co_occurrence, heat_map
from toolkit.reports.drawing import brief
from toolkit.reports.label_details import csv_address, label_details
from toolkit.reports.mistakes import contact_sheets, most_uncertain
from toolkit.reports.report import report
from toolkit.reports.slices import confusions, lifts, slices

HOSTILE = (
    "=1+1",
    "[a](javascript:b)",
    "<script>alert(1)</script>",
    "\\input{x}",
    "$x_",
    "画像" * 30,
)
HEAT: Any = ("together", "alt", "%", 0, 1)


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
    assert "mean average precision 1.000 over 1 of 3 labels" in text
    assert json.loads(json.dumps(done.facts(), allow_nan=False))["rows"]


def test_the_table_of_labels_counts_what_was_decided(tmp_path: Path) -> None:
    dataset, member = scored_set(tmp_path, ("=a", "b"), 200, 0.4)
    [row] = compare(dataset, [member], resamples=0, kind="head", artifacts=tmp_path).rows
    scored = held_out(dataset, paper_split(dataset.ids), member)
    found = {each["label"]: each for each in label_details(row, scored, dataset.labels)}
    assert row.tuned is not None
    for at, label in enumerate(dataset.labels):
        each = found[label]
        assert each["threshold"] == row.tuned["thresholds"][label]
        says = scored.scores[:, at] >= np.float32(each["threshold"] or 0)
        yes = scored.truth[:, at] == 1
        cells = {"tp": yes & says, "fp": ~yes & says, "fn": yes & ~says, "tn": ~yes & ~says}
        assert {key: each[key] for key in cells} == {k: int(v.sum()) for k, v in cells.items()}
        assert each["support"] == yes.sum()
        assert each["precision"] == pytest.approx((yes & says).sum() / says.sum())
    unknown = Scored(scored.rows, scored.truth.copy(), scored.scores)
    unknown.truth[:10] = -1
    less = label_details(row, unknown, dataset.labels)
    assert {sum(each[key] for key in ("tp", "fp", "fn", "tn")) for each in less} == {
        len(scored.rows) - 10
    }
    address = csv_address({"m": list(found.values())})
    text = base64.b64decode(address.partition(",")[2]).decode()
    frame = pd.read_csv(io.StringIO(text))
    assert set(frame["label"]) == {"'=a", "b"}
    assert list(frame["tp"]) == [each["tp"] for each in found.values()]


def test_slices_are_parts_and_confusions_are_counted(tmp_path: Path) -> None:
    dataset, _ = scored_set(tmp_path, ("a", "b", "c"), 60, 0.4)
    truth = np.tile([[1, 0, 0], [0, 1, 0], [0, 0, 0]], (20, 1)).astype(np.int8)
    scores = np.where(truth == 1, 0.9, 0.1).astype(np.float32)
    # where a is missed b is predicted, in four images; the rest is right
    scores[[0, 3, 6, 9]] = [0.1, 0.9, 0.1]
    scored, half = Scored(np.arange(60), truth, scores), np.full(3, 0.5)
    [found] = confusions(dataset, scored, half)
    assert (found.missed, found.predicted, found.images, found.of) == ("a", "b", 4, 4)
    assert (found.share, found.elsewhere, found.lift) == (1.0, 0.0, None)
    parts = {(each.kind, each.name): each for each in slices(dataset, scored, half, resamples=50)}
    assert parts["number of labels", "one"].images == 40
    assert parts["number of labels", "none"].micro_f1 is None
    every = parts["all", "all images"]
    assert every.accuracy == pytest.approx(1 - 8 / 180)
    assert every.micro_f1 == pytest.approx(2 * 36 / (40 + 40))
    assert (every.low or 1) <= (every.micro_f1 or 0) <= (every.high or 0)
    # a slice that is all of the images is none
    assert not any(kind == "colour" for kind, _ in parts)


def test_lift_is_one_where_labels_have_nothing_to_do_with_each_other(tmp_path: Path) -> None:
    dataset, _ = scored_set(tmp_path, ("a", "b", "c"), 400, 0.4)
    Y = np.zeros((400, 3), np.int8)
    Y[:200, 0], Y[:200, 1], Y[100:300, 2] = 1, 1, 1
    found: dict[Any, Any] = {
        (a, b): (both, lift) for a, b, both, lift in lifts(replace(dataset, Y=Y))
    }
    assert found["a", "b"] == (200, pytest.approx(2.0))
    assert found.get(("a", "c"), (100, 1.0)) == (100, pytest.approx(1.0))


def test_the_most_uncertain_images_are_those_at_their_thresholds(tmp_path: Path) -> None:
    dataset, _ = scored_set(tmp_path, ("a", "b"), 40, 0.5)
    scores = np.array([[0.01, 0.99], [0.3, 0.62], [0.9, 0.6]], np.float32)
    scored = Scored(np.arange(3), np.zeros((3, 2), np.int8), scores)
    found = most_uncertain(dataset, scored, np.array([0.3, 0.6]), Thumbnails(dataset.paths))
    assert [each.image for each in found] == ["im2", "im3", "im1"]
    assert (found[0].label, found[1].label, found[0].kind) == ("a", "b", "uncertain")


def test_figures_are_kept_for_print(tmp_path: Path) -> None:
    dataset, member = scored_set(tmp_path, (*HOSTILE, "猫"), 60, 0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        report(dataset, tmp_path / "r.html", members=member, figures=tmp_path / "f",
               resamples=0, artifacts=tmp_path, progress=False)  # fmt: skip
    names = {file.stem for file in (tmp_path / "f").iterdir()}
    assert {"labels", "ap", "pr", "reliability"} <= names
    for name in names:
        svg = (tmp_path / "f" / f"{name}.svg").read_text(encoding="utf-8")
        assert svg.startswith("<svg xmlns=")
        assert (tmp_path / "f" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (tmp_path / "f" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="figures: expected a folder"):
        report(dataset, tmp_path / "r.html", figures=tmp_path / "file", artifacts=tmp_path)


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
    assert f"Shown are the 30 highest and the 30 lowest of {len(labels)} labels" in text
    assert f"Shown are the 40 most frequent of {len(labels)} labels." in text
    assert f"24 of {len(labels)} labels are shown" in text
    assert f"0 of {len(labels)} labels are shown; each of them counts" in text
    assert f"Of {len(labels)} labels the 40 with the most mistakes are here." in text
    assert f"{len(labels)} labels, the most frequent first; a print shows the first 60." in text
    tallest = max(float(height) for height in re.findall(r'viewBox="0 0 [\d.]+ ([\d.]+)"', text))
    assert tallest < 72 * 16
    assert compare(dataset, "m", resamples=0, artifacts=tmp_path).to_csv(per_label=True)


def test_very_long_labels_are_shortened_in_sentences_and_whole_in_tables(tmp_path: Path) -> None:
    long = "W" * 200
    dataset, _ = scored_set(tmp_path, ("cat", long), 60, 0.2)
    text = report(dataset, tmp_path / "r.html", members="m", resamples=0, artifacts=tmp_path)
    page = text.path.read_text(encoding="utf-8")
    sentences = re.findall(r"<p.*?</p>", page, re.DOTALL)
    assert any("W…W" in each for each in sentences)
    assert not any(long in each for each in sentences)
    assert f'<th scope="row" dir="auto">{long}</th>' in page
    found = compare(dataset, "m", resamples=40, artifacts=tmp_path)
    assert long not in found.table().notes
    assert long in found.to_markdown(per_label=True)


def test_one_label_has_no_figure_of_pairs(tmp_path: Path) -> None:
    dataset, _ = scored_set(tmp_path, ("cat",), 60, 0.4)
    picture = co_occurrence(dataset)
    assert (picture.svg, picture.caption) == ("", "Left out: there is one label.")


def test_names_in_figures_keep_to_their_line_and_their_room() -> None:
    assert brief("W" * 200, 30) == f"{'W' * 9}…{'W' * 9}"
    assert brief("Z\u0351\u036b\u0343") == "Z\u0351"  # one accent stays
    assert brief("e\u0301") == "é"
    assert brief("हिन्दी") == "हिन्दी"


def test_a_heat_map_is_not_crowded_out_by_slanted_names() -> None:
    svg = heat_map(np.eye(3, 25), ["a", "b", "c"], ["a long name of a label"] * 25, *HEAT)
    wide, _ = map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
    mesh = svg[svg.index("QuadMesh") :].partition("</g>")[0]
    x = [float(each) for each in re.findall(r"[ML] ([\d.]+) ", mesh)]
    assert max(x) - min(x) > 0.7 * wide


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
