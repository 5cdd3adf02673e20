"""The stages of a small experiment: their commands, and what each one writes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

FROZEN = (
    "--features",
    "timm/test_resnet",
    "--weights",
    "none",
    "--precision",
    "fp32",
    "--folds",
    3,
)
TUNED = ("finetune", "--backbone", "timm/test_efficientnet", "--weights", "none", "--size", 32)
TUNED += ("--precision", "fp32", "--epochs", 2, "--no-tensorboard")  # type: ignore[assignment]
MEMBERS = "linear,mlp,lightgbm"
STACK = ("ensemble", "--members", MEMBERS, "--method", "stack", "--folds", 3)
_SHORT = ("--set", "epochs=2", "--set", "hidden=8")
_FEW = ("--set", "n_estimators=4", "--set", "n_jobs=1")


@dataclass(frozen=True)
class Stage:
    """A command, and patterns of the files and folders that it makes."""

    argv: tuple[object, ...]
    makes: tuple[str, ...]

    def undo(self, artifacts: Path) -> None:
        """Remove what the command made."""
        for pattern in self.makes:
            for made in artifacts.glob(pattern):
                shutil.rmtree(made) if made.is_dir() else made.unlink()


def stages(course: Path) -> dict[str, Stage]:
    """Return the stages in their order; each reads what those before it wrote."""
    return {
        "import": Stage(
            ("data", "import", course, "--name", "small"),
            ("datasets/small/dataset.parquet", "datasets/small/splits", "datasets/.last.json"),
        ),
        "embed": Stage(
            (
                "embed",
                "--backbone",
                "timm/test_resnet",
                "--weights",
                "none",
                "--precision",
                "fp32",
                "--engine",
                "torch",
            ),
            ("embeddings/timm-test_resnet-*",),
        ),
        "ovr linear": Stage(
            ("ovr", *FROZEN, "--set", "Cs=[0.001,0.1]", "--name", "linear"), ("members/linear",)
        ),
        "ovr mlp": Stage(
            (
                "ovr",
                "--head",
                "mlp",
                *FROZEN,
                "--seeds",
                1,
                "--set",
                "epochs=2",
                "--set",
                "hidden=8",
                "--name",
                "mlp",
            ),
            ("members/mlp",),
        ),
        "ovr lightgbm": Stage(
            (
                "ovr",
                "--head",
                "lightgbm",
                *FROZEN,
                "--set",
                "n_estimators=4",
                "--set",
                "n_jobs=1",
                "--name",
                "lightgbm",
            ),
            ("members/lightgbm",),
        ),
        "finetune": Stage(
            (*TUNED, "--name", "tuned"),
            ("members/tuned", "reports/training/tuned", "embeddings/pixels"),
        ),
        "ensemble": Stage(
            (
                "ensemble",
                "--members",
                MEMBERS,
                "--method",
                "stack",
                "--folds",
                3,
                "--resamples",
                4,
                "--name",
                "ens",
            ),
            ("ensembles/ens",),
        ),
        "report": Stage(
            ("report", "--resamples", 0, "--out", "{artifacts}/reports/page.html"),
            ("reports/page.html",),
        ),
        "export": Stage(("export", "ens", "{artifacts}/reports/bundle"), ("reports/bundle",)),
    }


def arguments(stage: Stage, artifacts: Path) -> list[str]:
    """Return a stage's arguments for an artifacts folder."""
    return [str(each).replace("{artifacts}", str(artifacts)) for each in stage.argv]


def paint(folder: Path, count: int = 40, first: int = 1) -> None:
    """Write small pictures in the course's layout: bright ones are day, reddish ones are red."""
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    rng = np.random.default_rng(first)
    labels: dict[str, list[int]] = {"day": [], "red": []}
    for number in range(first, first + count):
        day, red = number % 2 == 0, number % 5 < 2
        ground = np.full((32, 32, 3), 180 if day else 60, np.int16)
        ground[..., 0] += 60 if red else 0
        noisy = ground + rng.integers(-20, 20, ground.shape)
        picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        picture.save(folder / "images" / f"im{number}.jpg", quality=95)
        for label, true in (("day", day), ("red", red)):
            labels[label] += [number] if true else []
    for label, numbers in labels.items():
        (folder / "annotations" / f"{label}.txt").write_text("\n".join(map(str, numbers)))
