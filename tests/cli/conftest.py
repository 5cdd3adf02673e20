"""A way to drive the command line within the test's own process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from toolkit.cli import main


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Drive = Callable[..., Outcome]


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted networks that all tests share: converting takes seconds."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture
def toolkit(
    tmp_path: Path,
    engines: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Drive:
    """Run ``toolkit …`` with the artifacts folder in ``tmp_path``."""
    (tmp_path / "artifacts" / "embeddings").mkdir(parents=True)
    (tmp_path / "artifacts" / "embeddings" / "engines").symlink_to(engines)
    monkeypatch.setenv("TOOLKIT_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.delenv("TOOLKIT_DATA", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)

    def drive(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["toolkit", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        code = left.value.code
        return Outcome(code if isinstance(code, int) else 1, captured.out, captured.err)

    return drive


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """60 small pictures in the course's layout: bright ones are day, reddish ones are red."""
    folder = tmp_path / "course"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    rng = np.random.default_rng(0)
    labels: dict[str, list[int]] = {"day": [], "red": []}
    for number in range(1, 61):
        day, red = rng.random() < 0.5, rng.random() < 0.4
        ground = np.full((32, 32, 3), 180 if day else 60, np.int16)
        ground[..., 0] += 60 if red else 0
        noisy = ground + rng.integers(-20, 20, ground.shape)
        picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        picture.save(folder / "images" / f"im{number}.jpg", quality=95)
        for label, true in (("day", day), ("red", red)):
            labels[label] += [number] if true else []
    for label, numbers in labels.items():
        text = "\r\n".join(map(str, numbers)) + "\r\n"
        (folder / "annotations" / f"{label}.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    return folder
