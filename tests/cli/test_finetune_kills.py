"""A fine-tuning run that is killed and begun again is, to the last bit, an undisturbed one.

``TOOLKIT_TEST_KILLS=10`` makes the run of kills longer.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Drive

KILLS = int(os.environ.get("TOOLKIT_TEST_KILLS", "2"))
ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_command_killed_again_and_again_ends_as_an_undisturbed_one(
    toolkit: Drive, course: Path
) -> None:
    assert toolkit("data", "import", course, "--name", "small").code == 0
    command = [sys.executable, "-m", "tests.cli.finetune_kill_loop"]
    command += [os.environ["TOOLKIT_ARTIFACTS"], str(KILLS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["killed"] == KILLS
    assert found["finished"] > 0
    assert found["same"]
    assert found["epochs"] == 2 * 2 * 4  # of two folds, in the member's notes and the journals
    print(done.stdout)
