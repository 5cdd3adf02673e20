"""Small and odd data sets go the whole way, from the import to the report."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.faults.command_line import CommandLine
from tests.faults.conftest import LONG, Tried

FROZEN = ("--features", "timm/test_efficientnet", "--weights", "none", "--precision", "fp32")
FROZEN += ("--folds", 2)  # type: ignore[assignment]
HEADS = {
    "linear": ("--set", "Cs=[0.01]"),
    "mlp": ("--head", "mlp", "--seeds", 1, "--set", "epochs=2", "--set", "hidden=8"),
    "lightgbm": ("--head", "lightgbm", "--set", "n_estimators=2", "--set", "n_jobs=1"),
}
rng = np.random.default_rng(0)


def _cases() -> dict[str, tuple[int, dict[str, Sequence[int]]]]:
    """Return, by what is odd, the number of images and the labels' columns."""
    some = [int(i % 3 == 0) for i in range(40)]
    half = [int(i % 2 == 0) for i in range(40)]
    many = {f"label {j}": rng.integers(0, 2, 40).tolist() for j in range(500)}
    return {
        "one label": (40, {"a": some}),
        "two labels, of 20 images": (20, {"a": some[:20], "b": half[:20]}),
        "500 labels": (40, many),
        "a label with one positive": (40, {"a": half, "rare": [1] + [0] * 39}),
        "a label on every image": (40, {"a": half, "all": [1] * 40}),
        "a label on no image": (40, {"a": half, "none": [0] * 40}),
        "labels in other scripts": (40, {'Größe, "x" | <b>': half, "画像 🙂": some, "=1+1": half}),
        "the same picture under 40 names": (-40, {"a": half}),
    }


CASES = _cases()
SHORT = ("a label with one positive",)


@pytest.mark.parametrize("case", CASES if LONG else SHORT)
def test_the_whole_way(case: str, toolkit: CommandLine, tmp_path: Path, tried: Tried) -> None:
    count, columns = CASES[case]
    table, artifacts = _write(tmp_path / "set", count, columns), tmp_path / "artifacts"

    def run(*argv: object) -> str:
        ended = toolkit(artifacts, *argv)
        assert ended.code == 0, (argv, ended.err)
        assert "Traceback" not in ended.err
        assert "Warning" not in ended.err, ended.err
        return ended.out

    run("data", "import", table, "--name", "odd")
    embed = ("embed", "--backbone", FROZEN[1], "--weights", "none", "--precision", "fp32")
    run(*embed, "--engine", "torch")
    for head, options in HEADS.items():
        run("ovr", *FROZEN, *options, "--name", head)
    run("ensemble", "--members", ",".join(HEADS), "--folds", 2, "--resamples", 4, "--name", "e")
    run("compare", "--resamples", 4)
    page = tmp_path / "page.html"
    run("report", "--resamples", 4, "--out", page)
    out = tmp_path / "scores.csv"
    run("predict", table.parent, "--model", "e", "--engine", "torch", "--out", out)
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"image", *columns}
    assert len(rows) == abs(count)
    scores = np.array([[float(row[label]) for label in columns] for row in rows])
    assert ((scores >= 0) & (scores <= 1)).all()
    written = page.read_text(encoding="utf-8")
    assert not any(label in written for label in columns if "<" in label)  # it is escaped
    tried("small and odd", "import to report", case, len(HEADS) + 6, "every command ended with 0")


def test_duplicate_ids_are_refused(toolkit: CommandLine, tmp_path: Path, tried: Tried) -> None:
    table = _write(tmp_path / "set", 4, {"a": [0, 1, 0, 1]})
    (table.parent / "im1.png").write_bytes((table.parent / "im1.jpg").read_bytes())
    (table.parent / "a.txt").write_text("1\n")
    table.unlink()
    toolkit(tmp_path / "artifacts", "data", "import", tmp_path / "set", "--name", "x").says("im1")
    tried("small and odd", "import", "two images of one id", 1, "refused, both named")


def _write(folder: Path, count: int, columns: dict[str, Sequence[int]]) -> Path:
    """Write pictures and their table; a negative number of images makes them all the same."""
    folder.mkdir()
    pictures = np.random.default_rng(1).integers(0, 256, (abs(count), 32, 32, 3), np.uint8)
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["image", *columns])
        for row in range(abs(count)):
            picture = pictures[row if count > 0 else 0]
            Image.fromarray(picture).save(folder / f"im{row}.jpg")
            lines.writerow([f"im{row}.jpg", *(column[row] for column in columns.values())])
    return folder / "t.csv"
