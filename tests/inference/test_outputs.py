"""Outputs: whole or absent, and a frame that keeps every image."""

from pathlib import Path

import numpy as np
import pytest

from toolkit.errors import DataError, UsageError
from toolkit.inference.outputs import Gathered, open_output, read_output

LABELS = ("dark", "wide")
SCORES = np.array([[0.25, 0.75], [0.5, 1e-7]], np.float32)
NAMES = ["im10.jpg", "sub/im2.v1.jpg"]


def test_probabilities_come_back_from_either_form(tmp_path: Path) -> None:
    import pandas

    for ending in ("csv", "parquet"):
        file = tmp_path / f"out.{ending}"
        with open_output(file, LABELS) as write:
            write(NAMES[:1], SCORES[:1])
            assert not file.exists()
            write(NAMES[1:], SCORES[1:])
        table = pandas.read_csv(file) if ending == "csv" else pandas.read_parquet(file)
        assert list(table.columns) == ["image", *LABELS]
        assert table["image"].tolist() == NAMES
        np.testing.assert_allclose(table[list(LABELS)].to_numpy(), SCORES, rtol=1e-6)


def test_decisions_are_made_at_each_labels_threshold(tmp_path: Path) -> None:
    import pandas

    for ending in ("csv", "parquet"):
        file = tmp_path / f"out.{ending}"
        with open_output(file, LABELS, thresholds=np.array([0.5, 0.7])) as write:
            write(NAMES, SCORES)
        table = pandas.read_csv(file) if ending == "csv" else pandas.read_parquet(file)
        assert table[list(LABELS)].to_numpy().tolist() == [[0, 1], [1, 0]]


def test_the_courses_form_names_images_by_number(tmp_path: Path) -> None:
    file = tmp_path / "out.tsv"
    with open_output(file, LABELS, thresholds=np.array([0.5, 0.7]), course=True) as write:
        write(["im10.jpg", "photos/im007.png"], SCORES)
    assert file.read_text() == "image\tdark\twide\n10\t0\t1\n7\t1\t0\n"


def test_an_output_is_whole_or_absent(tmp_path: Path) -> None:
    file = tmp_path / "out.tsv"
    with (
        pytest.raises(DataError, match="expected a number"),
        open_output(file, LABELS, thresholds=np.array([0.5, 0.5]), course=True) as write,
    ):
        write(["im1.jpg", "photo.jpg"], SCORES)
    assert list(tmp_path.iterdir()) == []
    for name, course in (("out.xlsx", False), ("out.csv", True)):
        with (
            pytest.raises(UsageError, match="expected a file ending in"),
            open_output(tmp_path / name, LABELS, thresholds=np.ones(2), course=course),
        ):
            pass


def test_a_file_has_the_images_scored_and_a_frame_has_all(tmp_path: Path) -> None:
    scores = np.array([[0.25, 0.75], [np.nan, np.nan], [0.5, 0.1]], np.float32)
    names = ["a", "NA", "7"]
    for at, kind in ((None, np.float32), (np.array([0.5, 0.7]), "Int8")):
        gathered = Gathered(LABELS, at)
        gathered(names[:1], scores[:1])
        gathered(names[1:], scores[1:])
        frame = gathered.frame()
        assert frame["image"].tolist() == names
        assert frame["dark"].dtype == kind
        assert frame["dark"].isna().tolist() == [False, True, False]
        assert len(Gathered(LABELS, at).frame()) == 0
        for ending in ("csv", "parquet"):
            file = tmp_path / f"out.{ending}"
            with open_output(file, LABELS, thresholds=at) as write:
                write(names, scores)
            there = read_output(file)
            assert there["image"].tolist() == ["a", "7"]
            np.testing.assert_allclose(
                there[list(LABELS)].to_numpy(float), frame.dropna()[list(LABELS)].to_numpy(float)
            )
