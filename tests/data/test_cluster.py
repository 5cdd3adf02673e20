"""What is wrong with a cluster is said of each machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from toolkit.data import cluster
from toolkit.data.cluster import describe_cluster
from toolkit.distribute.look import seen_from_here
from toolkit.distribute.worker import version
from toolkit.errors import UsageError


def machine(**changes: Any) -> dict[str, Any]:
    facts = {"machine": "a", "address": "10.0.0.1", "cpus": 2, "gpus": 0, "memory_gb": 1.0}
    return facts | {"toolkit": version(), "artifacts": True, "images": 0, "bf16": True} | changes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"toolkit": "0.0.1"}, f"a (10.0.0.1) has toolkit 0.0.1, this machine {version()}: "),
        ({"artifacts": False}, "a (10.0.0.1) does not see the artifacts folder: "),
        (
            {"fault": "No module named toolkit"},
            f"a (10.0.0.1) cannot run the toolkit (No module named toolkit): install toolkit[ray] "
            f"{version()} there",
        ),
        ({"address": "10.0.0.2", "toolkit": "0.0.1"}, "a (10.0.0.2) has toolkit 0.0.1"),
    ],
)
def test_each_problem_is_said(
    changes: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = [machine(machine="b"), machine(**changes)]
    monkeypatch.setattr(cluster, "look_at_machines", lambda *given: found)
    monkeypatch.setattr(cluster, "check_place", lambda on: None)
    described = describe_cluster(artifacts=tmp_path)
    assert len(described.problems) == 1
    assert described.problems[0].startswith(said)
    assert said in repr(described)
    assert list(tmp_path.iterdir()) == []


def test_here_is_no_cluster() -> None:
    with pytest.raises(UsageError, match="expected ray or ray://host:port"):
        describe_cluster(on="here")


def test_a_machine_sees_the_folder_itself_and_whole_images(tmp_path: Path) -> None:
    note, image = tmp_path / "note", tmp_path / "a.jpg"
    note.write_text("token")
    image.write_bytes(b"123")
    files = [(str(image), 3), (str(image), 4), (str(tmp_path / "b.jpg"), 3)]
    seen = seen_from_here(str(note), "token", files)
    assert (seen["artifacts"], seen["images"], seen["toolkit"]) == (True, 1, version())
    assert not seen_from_here(str(note), "other", files)["artifacts"]
    assert not seen_from_here(str(tmp_path / "none"), "token", files)["artifacts"]
