"""A way to drive the command line within the test's own process."""

import io
import json
import shutil
from collections.abc import Callable, Collection
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from filelock import FileLock
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


# 0.5 million weights; the paper's basic_cnn at 224 pixels has 187 million
NETWORK = "timm/test_resnet"
FORMATS = ("onnx", "openvino", "hf")


@pytest.fixture(scope="session")
def engines(shared: Path) -> Path:
    """Converted networks that all tests share: converting takes seconds."""
    folder = shared / "engines"
    folder.mkdir(exist_ok=True)
    return folder


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
    return paint_course(tmp_path / "course")


def paint_course(folder: Path, wrong: Collection[int] = ()) -> Path:
    """Write the pictures and labels of ``course``; those of ``wrong`` are labelled red wrongly."""
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
        for label, true in (("day", day), ("red", red != (number in wrong))):
            labels[label] += [number] if true else []
    for label, numbers in labels.items():
        text = "\r\n".join(map(str, numbers)) + "\r\n"
        (folder / "annotations" / f"{label}.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    return folder


@pytest.fixture(scope="session")
def fitted(shared: Path, engines: Path) -> Path:
    """Artifacts with the data set small, two linear heads weak and strong, and both combined.

    Two test images are labelled wrongly, so there are mistakes to show. Made once for all tests
    and processes; a test works on a copy, see ``copied``.
    """
    artifacts = shared / "fitted" / "artifacts"
    head = ("ovr", "--features", NETWORK, "--weights", "none", "--folds", 3)
    steps: list[tuple[object, ...]] = [
        ("data", "import", shared / "fitted" / "course", "--name", "small"),
        (*head, "--set", "Cs=[0.0001]", "--name", "weak"),
        (*head, "--set", "Cs=[0.1]", "--name", "strong"),
        ("ensemble", "--members", "weak,strong", "--method", "greedy", "--folds", 3,
         "--resamples", 20, "--name", "both"),
    ]  # fmt: skip
    with FileLock(shared / "fitted.lock"):
        if not (shared / "fitted" / "done").is_file():
            shutil.rmtree(shared / "fitted", ignore_errors=True)
            paint_course(shared / "fitted" / "course", wrong=(34, 51))
            (artifacts / "embeddings").mkdir(parents=True)
            (artifacts / "embeddings" / "engines").symlink_to(engines)
            for step in steps:
                done = run_alone(artifacts, *step)
                assert done.code == 0, done.err
            (shared / "fitted" / "done").touch()
    return artifacts


@pytest.fixture(scope="session")
def exported(shared: Path, fitted: Path) -> Path:
    """Return a folder with the ensemble ``both`` in each format, made once."""
    place = shared / "exported"
    with FileLock(shared / "exported.lock"):
        for format in FORMATS:
            if not (place / format).is_dir():
                done = run_alone(fitted, "export", "both", place / format, "--format", format)
                assert done.code == 0, done.err
    return place


def copied(fitted: Path, artifacts: Path, *left_out: str) -> None:
    """Copy what ``fitted`` made, but for some members."""
    ignore = shutil.ignore_patterns("engines", *left_out)
    shutil.copytree(fitted, artifacts, ignore=ignore, dirs_exist_ok=True)


def run_alone(artifacts: Path, *arguments: object) -> Outcome:
    """Run ``toolkit …`` where no fixture of a single test can be had."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("TOOLKIT_ARTIFACTS", str(artifacts))
        patch.delenv("TOOLKIT_DATA", raising=False)
        patch.setattr("sys.argv", ["toolkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
    code = left.value.code
    return Outcome(code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())
