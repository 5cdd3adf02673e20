"""What ``toolkit cluster`` says of machines that are not as they must be."""

from __future__ import annotations

from pathlib import Path

import pytest

import toolkit as tk
from tests.distribute.conftest import Machines
from toolkit.distribute.worker import version

# a folder of that name would come after the one that the tests import
NONE = """
import sys

class Nowhere:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] == "toolkit":
            raise ImportError("there is none here")

sys.meta_path.insert(0, Nowhere())
"""
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "toolkit-0.0.9.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: toolkit\nVersion: 0.0.9\n",
            f"has toolkit 0.0.9, this machine {version()}: install {version()} there",
        ),
        (
            "sitecustomize.py",
            NONE,
            "cannot run the toolkit (ImportError: there is none here): install toolkit[ray] "
            f"{version()} there",
        ),
    ],
)
def test_another_version_or_none_on_one_of_them(
    file: str, text: str, said: str, ray_on: str, machines: Machines, tmp_path: Path
) -> None:
    own = tmp_path / "site" / file
    own.parent.mkdir(parents=True)
    own.write_text(text)
    data = tk.Dataset.synthetic(images=20, name="painted", artifacts=tmp_path)
    before = tk.describe_cluster(data, on=ray_on, artifacts=tmp_path)
    assert before.problems == []
    assert before.images == 16
    other = machines.add(env_vars={"PYTHONPATH": str(tmp_path / "site")})
    try:
        found = tk.describe_cluster(data, on=ray_on, artifacts=tmp_path)
    finally:
        machines.lose(other)
    assert len(found.machines) == len(before.machines) + 1
    (problem,) = found.problems
    assert problem.endswith(said)
