"""Hostile images and label files: read, skipped with a reason, or refused in one sentence."""

from __future__ import annotations

import contextlib
import csv
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.command_line import CommandLine
from tests.faults.conftest import LONG, Tried
from tests.faults.hostile import write_hostile
from tests.faults.stages import FROZEN, paint
from toolkit.data.dataset import Dataset
from toolkit.data.readers.base import Options
from toolkit.data.readers.course import read_references
from toolkit.data.readers.table import TABLE
from toolkit.data.split import file_split
from toolkit.errors import DataError, UsageError

EXAMPLES = 2000 if LONG else 60
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def test_hostile_images(toolkit: CommandLine, tmp_path: Path, tried: Tried) -> None:
    course, artifacts = tmp_path / "course", tmp_path / "artifacts"
    truth = write_hostile(course / "images")
    (course / "annotations").mkdir()
    (course / "annotations" / "some.txt").write_text("turned1\nturned3\nturned5\ncmyk\nalpha\n")
    imported = toolkit(artifacts, "data", "import", course, "--name", "hostile", "--json")
    assert imported.code == 0, imported.err
    assert imported.document["images"] == len(truth)
    assert all(name in imported.err for name in ("folder.jpg", "loop.jpg", "gone.jpg"))
    embedded = toolkit(
        *(artifacts, "embed", "--backbone", "timm/test_efficientnet", "--weights", "none"),
        *("--precision", "fp32", "--engine", "torch", "--json"),
    )
    assert embedded.code == 3, embedded.err
    skipped = {each["image"]: each["reason"] for each in embedded.document["skipped"]}
    assert set(skipped) == {name for name, decodable in truth.items() if not decodable}
    assert all(len(reason) > 8 for reason in skipped.values())
    assert embedded.document["computed"] == sum(truth.values())
    fitted = toolkit(
        *(artifacts, "ovr", "--features", "timm/test_efficientnet", "--weights", "none"),
        *("--precision", "fp32", "--folds", 2, "--set", "Cs=[0.01]", "--name", "m"),
    )
    assert fitted.code == 3, fitted.err
    out = tmp_path / "scores.csv"
    predicted = toolkit(
        *(artifacts, "predict", course / "images", "--model", "m", "--engine", "torch"),
        *("--out", out),
    )
    assert predicted.code == 3, predicted.err
    with out.open(newline="", encoding="utf-8") as file:
        named = {row["image"] for row in csv.DictReader(file)}
    assert {name.rpartition(".")[0] for name in named} == set(truth) - set(skipped)
    read = sum(truth.values())
    tried("hostile images", "import, embed, ovr, predict", "images of odd forms and names", read,
          "read like any other")  # fmt: skip
    tried("hostile images", "import, embed, ovr, predict", "broken files, bombs, lies about size",
          len(skipped), "skipped with a reason and exit code 3; no neighbour's vector")  # fmt: skip
    tried("hostile images", "import", "a folder and looping or broken links named x.jpg", 3,
          "passed over, and said so")  # fmt: skip


LABELS: dict[str, tuple[dict[str, bytes], str]] = {
    "an unknown image": ({"day.txt": b"1\n999999\n"}, "999999"),
    "a negative number": ({"day.txt": b"-1\n"}, "-1"),
    "a float": ({"day.txt": b"1.5\n"}, "1.5"),
    "a line of 10 MB": ({"day.txt": b"1" * 10_000_000}, "10000000 characters"),
    "another encoding": ({"day.txt": "é".encode("utf-16")}, "UTF-8"),
    "zero bytes": ({"day.txt": b"1\x00\n"}, "day.txt"),
    "labels that differ in case": ({"Day.txt": b"1\n"}, "case"),
    "a path that leads outside": ({"day.txt": b"../../etc/passwd\n"}, "passwd"),
    "a label named image": ({"image.txt": b"1\n"}, "image"),
    "a CSV value that is neither 0 nor 1": (
        {"t.csv": b"image,day\nim1,1\nim2,2\n"},
        "where 0 or 1",
    ),
    "a CSV cell too many": ({"t.csv": b"image,day\nim1,1,1\n"}, "cells"),
    "a CSV image twice": ({"t.csv": b"image,day\nim1,1\nim1,0\n"}, "twice"),
    "a CSV image in two ways": ({"t.csv": b"image,day\nim1,1\nim1.jpg,0\n"}, "in several rows"),
    "a CSV path outside": ({"t.csv": b"image,day\n../../../etc/passwd,1\n"}, "stay inside"),
    "a CSV with labels twice": ({"t.csv": b"image,day,day\nim1,1,1\n"}, "one name"),
    "a CSV of zero bytes": ({"t.csv": b"\0" * 99}, "UTF-8"),
    "an empty CSV": ({"t.csv": b""}, "image"),
}


def test_hostile_label_files(
    toolkit: CommandLine, course: Path, tmp_path: Path, tried: Tried
) -> None:
    for what, (files, words) in LABELS.items():
        place = Path(shutil.copytree(course, tmp_path / what.replace(" ", "-")))
        for name, data in files.items():
            (place / ("" if name.endswith(".csv") else "annotations") / name).write_bytes(data)
        table = place / "t.csv"
        path = table if table.exists() else place
        with pytest.raises(DataError, match=re.escape(words)):
            Dataset.read(path, "x")
        if LONG or what == SHORT:
            artifacts = tmp_path / "artifacts"
            toolkit(artifacts, "data", "import", path, "--name", "x").says(words)
            assert not list(artifacts.rglob("*.parquet")), what
    tried("hostile labels", "import", "label files and tables with a fault each", len(LABELS),
          "refused in one sentence that names file and line; nothing written")  # fmt: skip


SHORT = "a line of 10 MB"
NAMES = ("../x", "..", "a/b", "/etc/x", "-x", ".x", "a\nb", "x" * 200, "nul", "", "~/x", "a\\b")


def test_names_cannot_leave_the_artifacts_folder(
    toolkit: CommandLine, course: Path, copied: Path, tried: Tried
) -> None:
    before = sorted(copied.parent.rglob("*"))
    commands: tuple[tuple[object, ...], ...] = (
        ("data", "import", course, "--name"),
        ("ovr", *FROZEN, "--name"),
        ("compare", "--data"),
        ("predict", course, "--out", "p.csv", "--model"),
    )
    for command in commands:
        for name in NAMES if LONG else NAMES[:1]:
            ended = toolkit(copied, *command, name)
            if name or command[0] != "compare":  # an empty --data is the data set last imported
                assert ended.code in (1, 2), (command, name, ended.err)
                assert "Traceback" not in ended.err
    assert sorted(copied.parent.rglob("*")) == before
    times = len(commands) * len(NAMES if LONG else NAMES[:1])
    tried("hostile names", "import, ovr, compare, predict", "names of data sets and members that "
          "lead elsewhere", times, "refused; nothing written")  # fmt: skip


text = st.text(st.characters(codec="utf-8"), max_size=60)
numbers = st.integers(-5, 50).map(str)
lines = st.lists(st.one_of(text, numbers, st.just("im1.jpg")), max_size=8)


@fuzz
@given(data=st.one_of(st.binary(max_size=300), lines.map(lambda ls: "\n".join(ls).encode())))
def test_any_bytes_are_references_or_a_data_error(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "label.txt"
    file.write_bytes(data)
    try:
        found = read_references(file)
    except DataError:
        return
    assert all(reference == reference.strip() != "" for _, reference in found)


@fuzz
@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.lists(st.tuples(text, st.sampled_from("01x")), max_size=6).map(
            lambda rows: "\n".join(["image,day", *map(",".join, rows)]).encode()
        ),
    )
)
def test_any_table_is_labels_or_a_data_error(data: bytes, course: Path, tmp_path: Path) -> None:
    table = tmp_path / "images" / "t.csv"
    if not table.parent.is_dir():
        shutil.copytree(course / "images", table.parent)
    table.write_bytes(data)
    try:
        found = TABLE.read(table, Options())
    except DataError:
        pass
    else:
        assert found.Y.shape == (len(found.files), len(found.labels))
        assert all((table.parent / file).is_file() for file in found.files)
    with contextlib.suppress(DataError):
        file_split(table, ["im1", "im2"])


@fuzz
@given(name=text)
def test_any_name_of_a_data_set_is_one_folder_or_refused(name: str, tmp_path: Path) -> None:
    course = tmp_path / "course"
    if not course.is_dir():
        paint(course, 3)
    try:
        Dataset.read(course, name)
    except (UsageError, DataError):
        assert not re.fullmatch(r"[A-Za-z0-9]+", name) or len(name) < 5  # con, nul and such
        return
    assert (tmp_path / name).parent == tmp_path


def test_parsers_were_fuzzed(tried: Tried) -> None:
    tried("hostile labels", "label files, tables, split files, names", "drawn at random",
          3 * EXAMPLES, "parsed, or a named error")  # fmt: skip
