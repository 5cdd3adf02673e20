"""Where work cannot run is said at once, before a verb imports what takes seconds."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from toolkit.cli import main
try: main()
finally: print(sorted({"torch", "sklearn", "pandas", "numpy"} & set(sys.modules)))
"""
NO_PLACE = "toolkit: on: expected here, ray or ray://host:port, found"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("finetune --workers 2", "toolkit: workers: expected 1 with on=here, found 2: several"),
        ("finetune --workers 2 --on there", NO_PLACE),
        ("ovr --on ray://head", NO_PLACE),
        ("predict photos --model any --on 10.0.0.1:6379", NO_PLACE),
        pytest.param(
            "reproduce demo --on ray",
            "toolkit: on: ray needs Ray, which is not installed: install the extra toolkit[ray]",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("ray") is not None, reason="Ray is installed"
            ),
        ),
    ],
)
def test_a_place_is_refused_before_anything_heavy_is_imported(
    command: str, said: str, tmp_path: Path
) -> None:
    arguments = [*command.split(), "--artifacts", str(tmp_path / "artifacts")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert done.stdout == "[]\n"
    assert not (tmp_path / "artifacts").exists()
