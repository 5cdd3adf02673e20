from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.features.feature_fakes import BACKBONE
from toolkit.errors import UsageError, WeightsError
from toolkit.features import loading
from toolkit.features import resolve as resolving
from toolkit.features.backbones import Backbone, BackboneSpec
from toolkit.features.resolve import Loaded, resolve

NETWORK: Any = object()


class Loader:
    """Stands in for loading: gives what ``found`` says and counts how often it is asked."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.found = replace(BACKBONE, name="alexnet", weights=file.name)
        self.calls = 0

    def __call__(self, request: BackboneSpec) -> tuple[Backbone, Any, Path]:
        self.calls += 1
        return self.found, NETWORK, self.file


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    file = tmp_path / "w.pth"
    file.write_bytes(b"weights")
    made = Loader(file)
    monkeypatch.setattr(loading, "load", made)
    monkeypatch.setenv("TOOLKIT_CACHE", "")
    return made


def ask(loader: Loader, **changes: Any) -> tuple[Backbone, Callable[[], Loaded]]:
    request = BackboneSpec("alexnet", weights=str(loader.file))
    return resolve(replace(request, **changes), loader.file.parent / "art")


def test_weights_are_read_once_and_then_noted(loader: Loader) -> None:
    first, load = ask(loader)
    assert load() == (loader.found, NETWORK)
    assert loader.calls == 1
    second, load = ask(loader)
    assert first == second == loader.found
    assert loader.calls == 1
    assert load() == (loader.found, NETWORK)
    assert loader.calls == 2


@pytest.mark.parametrize(
    "change", [{"name": "vgg11"}, {"pooling": "avgmax"}, {"crop": "full"}, {"seed": 1}]
)
def test_another_request_has_another_note(loader: Loader, change: dict[str, Any]) -> None:
    ask(loader)
    ask(loader, **change)
    assert loader.calls == 2


def test_a_note_serves_another_artifacts_folder(
    loader: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "cache"))
    ask(loader)
    found, _ = resolve(BackboneSpec("alexnet", weights=str(loader.file)), tmp_path / "other")
    assert (found, loader.calls) == (loader.found, 1)


def test_a_note_is_forgotten_when_the_weights_file_changes(loader: Loader) -> None:
    ask(loader)
    stat = loader.file.stat()
    for change in ("time", "size", "gone"):
        if change == "time":
            os.utime(loader.file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
        elif change == "size":
            loader.file.write_bytes(b"other weights")
            os.utime(loader.file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        else:
            loader.file.unlink()
            loader.file = loader.file.with_name("moved.pth")
            loader.file.write_bytes(b"weights")
        before = loader.calls
        ask(loader, weights="w.pth")
        ask(loader, weights="w.pth")
        assert loader.calls == before + 1, change


def test_a_cache_that_takes_no_more_stops_nothing(
    loader: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").touch()
    monkeypatch.setattr(resolving, "user_cache", lambda kind: tmp_path / "full" / kind)
    assert ask(loader)[0] == loader.found
    assert (ask(loader)[0], loader.calls) == (loader.found, 1)


@pytest.mark.parametrize("package", ["torch", "torchvision", "timm"])
def test_a_note_is_forgotten_when_a_library_changes(
    loader: Loader, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.metadata

    ask(loader)
    inner = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "9.9" if name == package else inner(name)
    )
    ask(loader)
    assert loader.calls == 2


def test_a_damaged_note_is_made_again(loader: Loader) -> None:
    ask(loader)
    note = next((loader.file.parent / "art").rglob("*.json"))
    whole = note.read_text()
    for damage in ("{", "[]", "{}", whole.replace('"dim"', '"din"'), whole.replace('"file"', "3")):
        note.write_text(damage)
        before = loader.calls
        assert ask(loader)[0] == loader.found
        assert loader.calls == before + 1


def test_other_weights_than_those_noted_are_not_embedded_under_their_name(loader: Loader) -> None:
    ask(loader)
    _, load = ask(loader)
    loader.found = replace(loader.found, digest="f" * 64)  # same size and time, other content
    with pytest.raises(WeightsError, match="not those that were found there before: run the"):
        load()
    backbone, load = ask(loader)
    assert backbone.digest == "f" * 64
    assert load() == (loader.found, NETWORK)


def test_renamed_weights_are_the_same_weights(loader: Loader) -> None:
    ask(loader)
    _, load = ask(loader)
    loader.found = replace(loader.found, weights="renamed.pth")
    assert load()[0] == loader.found


def test_options_are_checked_before_anything_is_read(loader: Loader) -> None:
    with pytest.raises(UsageError, match=r"pooling: expected default, .* found 'median'"):
        ask(loader, pooling="median")
    with pytest.raises(UsageError, match="crop: expected center or full, found 'none'"):
        ask(loader, crop="none")
    assert loader.calls == 0


def test_facts_rebuild_a_backbone() -> None:
    assert Backbone.from_facts(json.loads(json.dumps(BACKBONE.facts()))) == BACKBONE
    assert BACKBONE.title == "fake (random weights)"
    assert replace(BACKBONE, weights="w.pth").title == "fake"


def test_a_noted_backbone_needs_no_torch(loader: Loader) -> None:
    ask(loader)
    script = """
import sys
from pathlib import Path
from toolkit.features.backbones import BackboneSpec
from toolkit.features.resolve import resolve
backbone, _ = resolve(BackboneSpec("alexnet", weights=sys.argv[1]), Path(sys.argv[2]))
print(backbone.digest, [name for name in ("torch", "timm", "torchvision") if name in sys.modules])
"""
    artifacts = loader.file.parent / "art"
    command = [sys.executable, "-c", script, str(loader.file), str(artifacts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"{'0' * 64} []", done.stderr
