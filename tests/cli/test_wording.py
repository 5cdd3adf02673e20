"""What the command line says: of values, of data sets with unknown cells, and in its help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.main import get_command

from tests.cli.conftest import Drive
from toolkit.cli.app import app


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["finetune", "--epochs", "x"], "--epochs: expected a whole number, found 'x'"),
        (["finetune", "--epochs=1.5"], "--epochs: expected a whole number, found '1.5'"),
        (["finetune", "--epochs", "-1"], "--epochs: expected a number from 0, found '-1'"),
        (["finetune", "--learning-rate", "x"], "--learning-rate: expected a number, found 'x'"),
        (["data", "synth", "--images", ""], "--images: expected a whole number, found ''"),
        (["ovr", "--folds"], "requires an argument"),
    ],
)
def test_a_value_of_another_kind_is_one_plain_sentence(
    toolkit: Drive, arguments: list[str], said: str
) -> None:
    found = toolkit(*arguments)
    assert found.code == 2
    assert said in found.err
    assert "Input" not in found.err
    assert found.err.count("\n") == 1


def test_info_shows_the_share_of_unknown_cells(toolkit: Drive, tmp_path: Path) -> None:
    for number in range(4):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "t.csv").write_text("image,cat,dog\n0,0,\n1,1,\n2,0,0\n3,0,1\n")
    found = toolkit("data", "import", tmp_path / "t.csv")
    assert found.code == 0
    rows = [line.split() for line in found.out.splitlines()]
    heads = next(row for row in rows if row[:1] == ["label"])
    assert heads[-1] == "unknown"
    assert [row[-1] for row in rows if row[:1] in (["cat"], ["dog"])] == ["0.0%", "50.0%"]
    text = " ".join(found.out.split())
    assert "1 without any label, 1 with none known and some unknown" in text
    (tmp_path / "t.csv").write_text("image,cat,dog\n0,0,0\n1,1,0\n2,0,0\n3,0,1\n")
    known = toolkit("data", "import", tmp_path / "t.csv").out
    assert "unknown" not in known


def options() -> dict[str, dict[str, str]]:
    """Return help by option and command."""
    found: dict[str, dict[str, str]] = {}
    root: Any = get_command(app)
    for name, command in root.commands.items():
        for sub, each in getattr(command, "commands", {"": command}).items():
            for option in each.params:
                said = found.setdefault(option.name, {})
                said[f"{name} {sub}".strip()] = getattr(option, "help", None) or ""
    return found


SAME = ("size", "weighting", "pooling", "layer", "weights", "views", "unknown")


@pytest.mark.parametrize("name", SAME)
def test_one_option_has_one_text(name: str) -> None:
    texts = options()[name]
    assert len(set(texts.values())) == 1, texts


def test_all_formats_are_named_in_the_help() -> None:
    from toolkit import Dataset
    from toolkit.data.readers.registry import FORMATS

    said = options()["format"]["data import"]
    assert all(name in said for name in FORMATS)
    assert all(f"``{name}``" in str(Dataset.read.__doc__) for name in FORMATS)
