"""Members as folders: whole or absent, and checked when read."""

from pathlib import Path

import numpy as np
import pytest

from tests.members.test_predictions import make
from toolkit.errors import ArtifactError, UsageError
from toolkit.heads.linear import LinearHead
from toolkit.members.member import (
    Member,
    list_members,
    load_member,
    load_state,
    provenance,
    save_member,
    save_state,
)


def keep(artifacts: Path, name: str = "m", seconds: float = 1.0) -> Member:
    return save_member(
        artifacts,
        name,
        kind="head",
        source="linear on nothing",
        inputs="abc",
        predictions=make(),
        recipe={"head": "linear", "split": "paper", "options": {"Cs": [0.1], "class_weight": None}},
        provenance=provenance(seconds, seed=0, dataset="d"),
        states={"fold-0": {"coef": np.arange(6.0).reshape(2, 3), "text": "tree\r\n=1\n"}},
        notes={"keys": []},
    )


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    kept = keep(tmp_path)
    read = load_member(tmp_path, "m")
    assert read.scored.digest == kept.scored.digest
    assert (read.kind, read.source, read.inputs) == ("head", "linear on nothing", "abc")
    assert read.recipe() == {"head": "linear", "split": "paper", "options": {"Cs": [0.1]}}
    assert read.provenance()["seed"] == 0
    state = load_state(read.folder / "model", "fold-0")
    np.testing.assert_array_equal(state["coef"], np.arange(6.0).reshape(2, 3))
    assert state["text"] == "tree\r\n=1\n"
    assert list_members(tmp_path) == ["m"]


def test_every_file_is_checked(tmp_path: Path) -> None:
    keep(tmp_path)
    files = [f for f in (tmp_path / "members" / "m").rglob("*") if f.is_file()]
    assert len(files) >= 6
    for file in files:
        whole = file.read_bytes()
        for at in {0, len(whole) // 2, len(whole) - 1}:
            data = bytearray(whole)
            data[at] ^= 0x01
            file.write_bytes(data)
            if bytes(data).strip() != whole.strip():
                with pytest.raises(ArtifactError, match="m"):
                    load_member(tmp_path, "m")
        file.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ArtifactError):
            load_member(tmp_path, "m")
        file.unlink()
        with pytest.raises((ArtifactError, UsageError)):
            load_member(tmp_path, "m")
        file.write_bytes(whole)


def test_a_member_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between setting the old folder aside and naming the new one loses neither."""
    keep(tmp_path, seconds=1.0)
    rename = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if self.name.startswith(".tmp-"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        keep(tmp_path, seconds=2.0)
    monkeypatch.undo()
    assert load_member(tmp_path, "m").provenance()["seconds"] == 1.0
    keep(tmp_path, seconds=3.0)
    assert load_member(tmp_path, "m").provenance()["seconds"] == 3.0
    leftovers = [f.name for f in (tmp_path / "members").iterdir() if f.name.startswith(".tmp-")]
    assert leftovers == []


def test_names_stay_inside(tmp_path: Path) -> None:
    for name in ("../m", "a/b", "", ".hidden", "x" * 200, "a\nb"):
        with pytest.raises(UsageError):
            keep(tmp_path, name)
        with pytest.raises(UsageError):
            load_member(tmp_path, name)


def test_an_unknown_member_lists_those_there(tmp_path: Path) -> None:
    keep(tmp_path, "here")
    with pytest.raises(UsageError, match="there are: here"):
        load_member(tmp_path, "gone")


def test_a_head_survives_the_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    Y = (X[:, :2] + rng.normal(size=(60, 2)) > 0).astype(np.uint8)
    head = LinearHead(Cs=[0.1]).fit(X, Y)
    save_state(head.state(), tmp_path, "fold-0")
    again = LinearHead().restore(load_state(tmp_path, "fold-0"))
    assert again.predict_proba(X).tobytes() == head.predict_proba(X).tobytes()
