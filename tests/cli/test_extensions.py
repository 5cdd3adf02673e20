"""Code of a user's own reaches the command line."""

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import NETWORK, Drive, copied
from tests.test_extending import BLOCKS
from toolkit.heads.registry import HEADS
from toolkit.runtime.extensions import VARIABLE, load_extensions

TRIVIAL = "from toolkit.statistics.metrics import EXTRA\nEXTRA['ones'] = lambda Y, S: 1.0\n"


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    from toolkit.statistics.metrics import EXTRA

    monkeypatch.setitem(EXTRA, "ones", lambda Y, S: 0.0)
    monkeypatch.setitem(HEADS, "centroid", ("nowhere", "None"))
    for name in ("centroid_head", "my_metric"):
        monkeypatch.setitem(sys.modules, name, sys)
        del sys.modules[name]


def test_a_head_in_a_file_is_fitted_kept_and_predicts(
    toolkit: Drive, fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(fitted, tmp_path / "artifacts", "weak", "strong", "both")
    (tmp_path / "centroid_head.py").write_text(BLOCKS[1])
    monkeypatch.setenv(VARIABLE, str(tmp_path / "centroid_head.py"))
    options = ("--features", NETWORK, "--weights", "none", "--folds", 3)
    made = toolkit("ovr", "--head", "centroid", *options, "--name", "c", "--json")
    assert made.code == 0, made.err
    image = next((fitted.parent / "course" / "images").iterdir())
    scored = toolkit("predict", image, "--model", "c", "--out", tmp_path / "scores.csv")
    assert scored.code == 0, scored.err
    assert (tmp_path / "scores.csv").read_text().count("\n") == 2


def test_modules_and_files_are_loaded_once_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.statistics.metrics import EXTRA

    (tmp_path / "my_metric.py").write_text(TRIVIAL)
    monkeypatch.syspath_prepend(tmp_path)
    both = f" my_metric, {tmp_path / 'my_metric.py'},"
    assert load_extensions(both) == ["my_metric", "my_metric"]
    assert EXTRA["ones"](None, None) == 1.0
    assert load_extensions("") == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [(None, "FileNotFoundError"), ("1/0", "ZeroDivisionError"), ("def", "SyntaxError")],
)
def test_what_cannot_be_loaded_is_one_sentence(
    code: str | None,
    reason: str,
    toolkit: Drive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "my_metric.py"
    if code is not None:
        file.write_text(code)
    monkeypatch.setenv(VARIABLE, str(file))
    failed = toolkit("members")
    assert (failed.code, failed.out) == (2, "")
    assert VARIABLE in failed.err
    assert reason in failed.err
    assert failed.err.count("\n") == 1
    assert "my_metric" not in sys.modules


def test_a_file_does_not_stand_in_for_another_module_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(TRIVIAL)
    with pytest.raises(Exception, match="another module is named json"):
        load_extensions(str(tmp_path / "json.py"))
