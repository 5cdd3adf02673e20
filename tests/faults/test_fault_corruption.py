"""A flipped byte or a cut file is told of by name or made good; it never moves a number."""

from __future__ import annotations

import fnmatch
import random
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.faults.command_line import CommandLine, Ended
from tests.faults.conftest import LONG, Tried
from tests.faults.stages import FROZEN, STACK, TUNED, Stage, arguments

# what reads a kind of file, and patterns of its files; the reader's numbers must not move
KINDS: dict[str, tuple[str, str]] = {
    "data set": ("compare", "datasets/small/dataset.parquet"),
    "note of the last data set": ("last", "datasets/.last.json"),
    "split": ("compare", "datasets/small/splits/paper-*"),
    "folds": ("ensemble", "datasets/small/folds/*"),
    "note on a backbone": ("ovr", "embeddings/backbones/timm-test_resnet-*.json"),
    "embeddings": ("ovr", "embeddings/timm-test_resnet-*/rows.bin"),
    "index of embeddings": ("ovr", "embeddings/timm-test_resnet-*/index.bin"),
    "head of embeddings": ("ovr", "embeddings/timm-test_resnet-*/store.json"),
    "converted network": ("engine", "embeddings/engines/*/*"),
    "pixels": ("finetune", "embeddings/pixels/*/rows.bin"),
    "index of pixels": ("finetune", "embeddings/pixels/*/index.bin"),
    "checkpoint of training": ("resume", "reports/training/tuned/model/checkpoint.pt"),
    "checkpoint of a fold": ("partial", "members/.partial-lightgbm/fold-0/*"),
    "manifest of a member": ("compare", "members/*/member.json"),
    "predictions": ("compare", "members/*/predictions.parquet"),
    "recipe of a member": ("compare", "members/*/recipe.toml"),
    "provenance of a member": ("compare", "members/*/provenance.json"),
    "thresholds of a member": ("compare", "members/*/thresholds.json"),
    "notes of a member": ("compare", "members/*/model/notes.json"),
    "linear model": ("predict", "members/linear/model/*.safetensors"),
    "mlp model": ("predict", "members/mlp/model/*.safetensors"),
    "lightgbm model": ("predict", "members/lightgbm/model/fold-*"),
    "fine-tuned model": ("compare", "members/tuned/model/*.safetensors"),
    "an ensemble's predictions": ("compare", "ensembles/*/*.*"),
    "ensemble": ("predict", "ensembles/*/model/*"),
    "manifest of an exported model": ("exported", "reports/bundle/bundle.json"),
    "exported model": ("exported", "reports/bundle/members/*/model/*"),
    "exported recipe": ("exported", "reports/bundle/members/*/recipe.toml"),
}
TIMES = 6 if LONG else 1
HOW = ("flip", "cut", "empty") if LONG else ("flip",)


class Readers:
    """Commands that read artifacts, and the numbers that each of them gives."""

    def __init__(self, toolkit: CommandLine, steps: dict[str, Stage], course: Path) -> None:
        again = ("--name", "again", "--overwrite", "--json")
        ovr = ("ovr", *FROZEN, "--set", "Cs=[0.001,0.1]", *again)
        images = ("predict", course / "images", "--out", "p.csv", "--model")
        self.commands: dict[str, tuple[object, ...]] = {
            "compare": ("compare", "--data", "small", "--resamples", 0, "--json"),
            "last": ("data", "info", "--json"),
            "ovr": (*ovr, "--data", "small"),
            "engine": (*ovr, "--data", "small"),
            "ensemble": (*STACK, "--resamples", 1, *again),
            "finetune": (*TUNED, *again),
            "resume": (*arguments(steps["finetune"], Path()), "--json"),
            "partial": (*arguments(steps["ovr lightgbm"], Path()), "--json"),
            "predict": (*images, "ens", "--engine", "torch"),
            "exported": (*images, "{artifacts}/reports/bundle", "--engine", "torch"),
        }
        self.toolkit = toolkit
        self._known: dict[str, Any] = {}

    def read(self, reader: str, artifacts: Path) -> tuple[Ended, Any]:
        """Run a reader; return how it ended and the numbers it gave."""
        out = artifacts.parent / "p.csv"
        out.unlink(missing_ok=True)
        command = [
            str(out) if each == "p.csv" else str(each).replace("{artifacts}", str(artifacts))
            for each in self.commands[reader]
        ]
        ended = self.toolkit(artifacts, *command)
        if ended.code not in (0, 3):
            return ended, None
        return ended, out.read_text() if out.is_file() else _numbers(ended.document)

    def known(self, reader: str, prepared: Path, scratch: Path) -> Any:
        """Return the numbers that a reader gives on undamaged artifacts."""
        if reader not in self._known:
            artifacts = Path(shutil.copytree(prepared, scratch / "known"))
            ended, self._known[reader] = self.read(reader, artifacts)
            assert ended.code == 0, ended.err
            shutil.rmtree(artifacts)
        return self._known[reader]


def _numbers(document: Any) -> Any:
    if isinstance(document, dict):
        gone = ("seconds", "path")
        return {key: _numbers(value) for key, value in document.items() if key not in gone}
    return [_numbers(each) for each in document] if isinstance(document, list) else document


@pytest.fixture(scope="module")
def readers(toolkit: CommandLine, steps: dict[str, Stage], course: Path) -> Readers:
    return Readers(toolkit, steps, course)


@pytest.fixture(scope="module")
def interrupted(
    toolkit: CommandLine,
    steps: dict[str, Stage],
    undisturbed: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """Return artifacts with a training run, and with a head of which a fold was done, left off.

    And some with a network converted and no embeddings.
    """
    made = {}
    if LONG and find_spec("openvino") is not None:
        artifacts = tmp_path_factory.mktemp("engine") / "artifacts"
        made["engine"] = Path(shutil.copytree(undisturbed, artifacts))
        steps["embed"].undo(artifacts)
        embed = arguments(steps["embed"], artifacts)
        assert toolkit(artifacts, *embed[: embed.index("--engine")]).code == 0
        steps["embed"].undo(artifacts)
        assert list(artifacts.glob(KINDS["converted network"][1]))
    for reader, name, instant in (
        ("resume", "finetune", "/members/.tmp-"),
        ("partial", "ovr lightgbm", "/.partial-lightgbm/.fold-1"),
    ):
        artifacts = tmp_path_factory.mktemp(reader) / "artifacts"
        made[reader] = Path(shutil.copytree(undisturbed, artifacts))
        steps[name].undo(artifacts)
        assert toolkit(artifacts, *arguments(steps[name], artifacts), kill_on=instant).killed
        kind = next(pattern for used, pattern in KINDS.values() if used == reader)
        assert list(artifacts.glob(kind))
    return made


SLOW = frozenset(
    (
        "an ensemble's predictions",
        "converted network",
        "exported recipe",
        "head of embeddings",
        "index of embeddings",
        "index of pixels",
        "linear model",
        "notes of a member",
        "pixels",
        "recipe of a member",
        "split",
    )
)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if LONG or kind not in SLOW])
def test_damage_is_named_or_made_good(
    kind: str,
    readers: Readers,
    undisturbed: Path,
    interrupted: dict[str, Path],
    tmp_path: Path,
    tried: Tried,
) -> None:
    reader, pattern = KINDS[kind]
    if reader == "engine" and reader not in interrupted:
        pytest.skip("converting networks needs openvino")
    prepared = interrupted.get(reader, undisturbed)
    known = readers.known(reader, prepared, tmp_path)
    chance = random.Random(kind)
    for how in HOW:
        for _ in range(TIMES if how == "flip" else 1):
            artifacts = Path(shutil.copytree(prepared, tmp_path / "artifacts"))
            file = chance.choice(sorted(artifacts.glob(pattern)))
            _damage(file, how, chance)
            ended, numbers = readers.read(reader, artifacts)
            if ended.code == 0 and numbers == known:
                outcome = "made good, or of no account: the undisturbed numbers"
            elif ended.code in (0, 3):  # of all members, those that are whole
                assert ended.code == 3
                name = file.relative_to(artifacts).parts[1]
                assert reader == "compare", (how, file)
                assert f"left out, member {name} is damaged" in ended.err
                assert _alone(numbers, name) == _alone(known, name), (how, file)
                outcome = "left out by name: the others' undisturbed numbers"
            else:
                ended.says()
                _named(ended.err, file, artifacts)
                outcome = "refused, with the file or its owner named"
            words = {"flip": "a byte flipped", "cut": "cut in half", "empty": "emptied"}
            tried("damage", kind, words[how], 1, outcome)
            shutil.rmtree(artifacts)


def _alone(document: Any, name: str) -> Any:
    """Return the rows of a comparison but one, without what is said of pairs."""
    rows = [
        {key: value for key, value in row.items() if key != "pairs"} for row in document["rows"]
    ]
    return [row for row in rows if row["name"] != name]


def test_every_kind_of_artifact_is_struck(whole: dict[str, str]) -> None:
    """A new kind of file must be added above, or here if it holds no number that is read again."""
    harmless = ("*.html", "*/metrics.jsonl", "reports/training/*/inputs.json", "*.md")
    harmless += ("embeddings/pixels/*/store.json", "*/splits/stratified-*")  # type: ignore[assignment]
    harmless += ("embeddings/backbones/timm-*",)  # type: ignore[assignment]
    # of the member's manifest, as tests/members/test_member.py damages every file of a member
    harmless += ("*/development.json",)  # type: ignore[assignment]
    known = [pattern for _, pattern in KINDS.values()] + list(harmless)
    assert [f for f in whole if not any(fnmatch.fnmatch(f, each) for each in known)] == []


def _damage(file: Path, how: str, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    if how == "flip":
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data if how == "flip" else data[: len(data) // 2] if how == "cut" else b"")


def _named(said: str, file: Path, artifacts: Path) -> None:
    """Check that a message names the damaged file, its folder, or the member it is of."""
    inside = file.relative_to(artifacts).parts
    owners = [file.name, str(file.parent), *inside[1:2]]
    assert any(owner in said for owner in owners), (said, file)
