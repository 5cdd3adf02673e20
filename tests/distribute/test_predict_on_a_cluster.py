"""New images scored on a cluster have the scores that they have here."""

from __future__ import annotations

import platform
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from tests.distribute.fake_ray import FakeRay, Killed
from toolkit.errors import UsageError
from toolkit.inference import score_pieces
from toolkit.inference.stream import Outcome

NETWORK = "timm/test_resnet"
COMMON: dict[str, Any] = {"weights": "none", "precision": "fp32", "folds": 2, "progress": False}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifacts folder with a head, a fine-tuned network and both of them stacked."""
    place = tmp_path_factory.mktemp("home")
    photos, drawn = place / "photos", np.random.default_rng(0)
    photos.mkdir()
    rows = []
    for n in range(40):
        pixels = drawn.integers(0, 255, (40, 40, 3), np.uint8) // (1 + n % 2)
        Image.fromarray(pixels).save(photos / f"{n}.png")
        rows.append((f"{n}.png", n % 2, n // 2 % 2))
    frame = pd.DataFrame(rows, columns=["image", "dark", "other"])
    data = tk.Dataset.from_frame(frame, root=photos, name="photos", progress=False)
    kept: dict[str, Any] = {"artifacts": place / "kept"} | COMMON
    tk.ovr(data, features=NETWORK, name="head", set={"Cs": 0.1}, **kept)
    tuned: dict[str, Any] = {"size": 32, "epochs": 1, "tensorboard": False, "name": "tuned"}
    tk.finetune(data, NETWORK, **tuned, **kept)
    tk.ensemble("head,tuned", data, method="mean", artifacts=place / "kept", name="both", folds=2)
    new = place / "new"
    new.mkdir()
    for n in range(11):
        pixels = drawn.integers(0, 255, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(new / f"{n}.png")
    shutil.copy(photos / "3.png", new / "known.png")
    (new / "7.png").write_bytes(b"no picture")
    return place


@pytest.mark.parametrize("model", ["head", "tuned", "both"])
def test_scores_are_those_of_one_machine_in_the_images_order(
    home: Path, tmp_path: Path, ray: FakeRay, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr(score_pieces, "PART", 3)
    kept = tmp_path / "kept"
    shutil.copytree(home / "kept", kept)
    stores = {file: file.read_bytes() for file in kept.glob("embeddings/timm-*/*")}
    ray.chance = random.Random(3)
    struck = iter(range(100))

    def strike() -> None:
        if next(struck) == 2:
            raise Killed

    ray.strike = strike
    monkeypatch.chdir(home)
    there = tk.predict("new", model, artifacts=kept, on="ray", progress=False)
    assert [each["image"] for each in there.skipped] == ["7.png"]
    # nothing was written to the stores that other machines read
    assert {file: file.read_bytes() for file in kept.glob("embeddings/timm-*/*")} == stores
    here = tk.predict("new", model, artifacts=kept, progress=False)
    assert here.skipped == there.skipped
    with pytest.warns(UserWarning, match="could not be scored"):
        one, other = here.to_frame(), there.to_frame()
    assert one["image"].tolist() == other["image"].tolist()
    assert len(one) == 12
    labels = list(here.labels)
    np.testing.assert_allclose(one[labels], other[labels], atol=1e-6)


def test_pictures_in_memory_travel_and_files_are_written(
    home: Path, tmp_path: Path, ray: FakeRay
) -> None:
    given = [Image.open(home / "new" / "1.png"), np.zeros((9, 9, 3), np.uint8)]
    how: dict[str, Any] = {"artifacts": home / "kept", "progress": False}
    for on in ("here", "ray"):
        tk.predict(given, "both", out=tmp_path / f"{on}.csv", on=on, **how)
    here, there = (pd.read_csv(tmp_path / f"{on}.csv") for on in ("here", "ray"))
    np.testing.assert_allclose(here, there, atol=1e-6)
    assert ray.actors


def test_a_machine_that_does_not_see_an_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")

    class Refusing:
        def score_part(self, part: score_pieces.Part) -> tuple[np.ndarray, Outcome]:
            skipped = [{"image": name, "reason": "it cannot be had"} for name, _ in part]
            return np.full((len(part), 2), np.nan, np.float32), Outcome(0, skipped)

    part: score_pieces.Part = [(name, str(tmp_path / f"{name}.png")) for name in ("bad", "gone")]
    _, found = score_pieces.score_part(score_pieces.Opened(Refusing()), part, 0)
    assert found.skipped == [
        {"image": "bad", "reason": "it cannot be had"},
        {"image": "gone", "reason": f"it cannot be had on machine {platform.node()}"},
    ]


def test_a_place_that_is_none_is_refused(home: Path) -> None:
    with pytest.raises(UsageError, match=r"^on: expected"):
        tk.predict("new", "head", artifacts=home / "kept", on="there")


@pytest.mark.parametrize("model", ["head", "both"])
def test_a_cluster_of_two_machines(home: Path, tmp_path: Path, ray_on: str, model: str) -> None:
    how: dict[str, Any] = {"artifacts": home / "kept", "progress": False}
    tables = []
    for on in ("here", ray_on):
        tk.predict(home / "new", model, out=tmp_path / "scores.csv", on=on, **how)
        tables.append(pd.read_csv(tmp_path / "scores.csv"))
    assert tables[0]["image"].tolist() == tables[1]["image"].tolist()
    np.testing.assert_allclose(tables[0].iloc[:, 1:], tables[1].iloc[:, 1:], atol=1e-5)
