"""Tables in a terminal: no digit is lost, no name is shortened, however narrow it is."""

import io
import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import pytest
from rich.console import Console

from toolkit.cli.app import app
from toolkit.cli.ensemble_page import page
from toolkit.cli.terminal_table import figures_table

NAMES = ["n" * 90, "猫" * 12, "قطة", "🦄", "[bracket", r"\input{x}", "two words", "=1+1"]
HEADS = ["label", "positives", "AP", "gain", "p", "95 % of AP"]


def seen(tables: Iterable[Any], width: int) -> str:
    file = io.StringIO()
    console = Console(width=width, file=file, highlight=False)
    for each in tables:
        console.print(each)
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_figures_are_whole_or_their_column_is_named_as_left_out(width: int) -> None:
    lines = [
        [name, f"{1000 * at:,}", f"0.12{at}", f"+0.34{at}", f"0.98{at}", f"0.10{at} to 0.90{at}"]
        for at, name in enumerate(NAMES)
    ]
    text = seen(figures_table("title", HEADS, lines, width), width)
    assert "…" not in text
    _, __, left_out = " ".join(text.split()).partition("Left out for want of width: ")
    named = [each.strip(" '") for each in left_out.partition(";")[0].split(",")]
    gone = [at for at, head in enumerate(HEADS) if head in named]
    assert gone == list(range(len(HEADS) - len(gone), len(HEADS)))
    assert width < 80 or not gone
    for line in lines:
        for at, cell in enumerate(line[1:], 1):
            assert at in gone or cell in text
    # what is folded is there whole when it is put together again
    joined = "".join(re.findall(r"^(n+)\b", text, re.MULTILINE))
    assert joined == NAMES[0]
    assert text.count("猫") == 12


def test_of_very_many_lines_it_says_how_many_are_left_out() -> None:
    lines = [[f"label {at}", str(at)] for at in range(1000)]
    text = seen(figures_table("title", ["label", "positives"], lines, 80), 80)
    assert text.count("\n") < 80
    assert "940 of 1,000 lines are left out here; --json holds all." in " ".join(text.split())
    assert "label 0 " in text
    assert "label 999 " in text


def test_an_ensemble_is_read_at_eighty_columns() -> None:
    gain: dict[str, Any] = {"difference": 0.0123, "low": -0.0456, "high": 0.0789, "p": 0.5}
    both = {"ensemble": 0.1234, "member": 0.5678} | gain
    label: dict[str, Any] = {
        "label": "n" * 90,
        "positives": 1234,
        "ap": 0.321,
        "low": 0.111,
        "high": 0.222,
    }
    label |= {"gain": gain, "p_holm": 0.987, "ece": [0.135, 0.246], "method": "isotonic"}
    keys = ("map", "auroc", "micro_f1", "macro_f1", "accuracy")
    name = "linear-efficientnet_lite0+efficientnet_lite1+efficientnet_lite2+efficientnet_lite3"
    facts = {
        "name": "e", "source": "stack", "images": 9, "members": [name], "considered": {"stack": 1},
        "thresholds": {"overall": 0.5}, "path": "p", "seconds": 1.0,
        "evidence": {
            "best": name, "differences": dict.fromkeys(keys, both), "price": 0.1, "note": "note",
            "labels": [label | {"threshold": 0.25}], "errors": [[1.0, 0.33]],
            "members": {name: 0.4444}, "without": {}, "added": [{"member": name, "map": 0.5555}],
            "calibration": {"log_loss": [0.1, 0.2], "ece": [0.1, 0.2]},
        },
    }  # fmt: skip
    text = seen(page(facts, 80), 80)
    assert "…" not in text
    for figure in (
        "0.1234", "0.5678", "+0.0123", "-0.0456 to +0.0789", "0.500", "0.321", "+0.012", "0.987",
        "0.111 to 0.222", "0.135", "0.246", "0.25", "0.4444", "0.5555", "0.33 to 0.33", "1,234",
    ):  # fmt: skip
        assert figure in text, figure


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert app(args=["--version"], prog_name="toolkit", standalone_mode=False) in (0, None)
    assert capsys.readouterr().out == f"toolkit {version('toolkit')}\n"
