"""Names of members, arguments that every verb checks, and members of one data set."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import toolkit as tk
from toolkit.errors import UsageError

NETWORK = "timm/test_resnet"  # 0.5 million weights
SMALL: dict[str, Any] = {
    "features": NETWORK, "weights": "none", "precision": "fp32", "folds": 2, "progress": False,
}  # fmt: skip


def collection(folder: Path, name: str, seed: int) -> tk.Dataset:
    """Make a data set of 24 noise pictures with two labels."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(24):
        Image.fromarray(rng.integers(0, 255, (48, 48, 3), np.uint8)).save(folder / f"{n}.png")
        rows.append((f"{n}.png", n % 2, n // 2 % 2))
    frame = pd.DataFrame(rows, columns=["image", "even", "other"])
    return tk.Dataset.from_frame(frame, root=folder, name=name, progress=False)


def seeded() -> list[str]:
    verbs = (name for name in dir(tk) if inspect.isfunction(getattr(tk, name)))
    return [name for name in verbs if "seed" in inspect.signature(getattr(tk, name)).parameters]


@pytest.mark.parametrize("verb", seeded())
def test_every_verb_refuses_what_is_no_seed(verb: str, tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", "photos", seed=0)
    call = getattr(tk, verb)
    given: dict[str, Any] = {"artifacts": tmp_path / "kept", "progress": False}
    if "data" in inspect.signature(call).parameters:
        given["data"] = photos
    if "member" in inspect.signature(call).parameters:
        given["member"] = "none"
    for wrong in (-1, None, 1.5, True, "0"):
        with pytest.raises(UsageError, match=r"^seed: expected a whole number( from 0)?, found"):
            call(**given, seed=wrong)


def test_a_seed_of_numpy_s_is_the_same_seed(tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", "photos", seed=0)
    one = tk.ovr(photos, seed=3, artifacts=tmp_path / "kept", **SMALL)
    other = tk.ovr(photos, seed=np.int64(3), artifacts=tmp_path / "kept", **SMALL)  # type: ignore[arg-type]
    assert other.provenance()["made"] == one.provenance()["made"]


def test_members_of_two_data_sets_live_side_by_side(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = tk.ovr(collection(tmp_path / "a", "birds", 0), artifacts=kept, **SMALL)
    second = tk.ovr(collection(tmp_path / "b", "bees", 1), artifacts=kept, **SMALL)
    assert (first.name, second.name) == ("linear-timm-test_resnet", "linear-timm-test_resnet-bees")
    for data, name in (("birds", first.name), ("bees", second.name)):
        assert tk.ovr(data, artifacts=kept, **SMALL).name == name
        assert [each.name for each in tk.list_members(data, artifacts=kept)] == [name]
    assert [each.dataset for each in tk.list_members(artifacts=kept)] == ["bees", "birds"]
    in_order = tk.list_members(artifacts=kept, sort="name")
    assert [each.name for each in in_order] == [first.name, second.name]
    with pytest.raises(UsageError, match="made from other inputs"):
        tk.ovr("bees", name=first.name, artifacts=kept, **SMALL)


def test_members_of_a_data_set_stand_from_the_best_to_the_worst(tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", "photos", seed=0)
    for number, C in enumerate((1e-4, 1e-2, 1.0)):
        tk.ovr(photos, set={"Cs": C}, name=f"m{number}", artifacts=tmp_path / "kept", **SMALL)
    for key in ("map", "accuracy"):
        found = tk.list_members(artifacts=tmp_path / "kept", sort=key)
        values = [each.metrics[key] for each in found]
        assert values == sorted(values, key=lambda value: -(value or 0))
        assert [each.split for each in found] == ["paper"] * 3
    with pytest.raises(UsageError, match="sort: expected name, accuracy"):
        tk.list_members(artifacts=tmp_path / "kept", sort="size")


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("")
    with pytest.raises(UsageError, match="artifacts: expected a folder, found the file"):
        tk.list_members(artifacts=tmp_path / "note")
    with pytest.raises(UsageError, match=r"expected an image, .*, found no path"):
        tk.predict("", tk.ovr(collection(tmp_path / "a", "a", 0), artifacts=tmp_path, **SMALL))
