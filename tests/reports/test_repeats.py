"""Members that differ in their seed alone as one row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
from safetensors.torch import save_file
from scipy.stats import ttest_1samp

import toolkit as tk
from toolkit.reports.comparison import Row
from toolkit.reports.repeats import averaged, nadeau_bengio


def test_without_overlap_it_is_students_interval() -> None:
    values = [0.61, 0.64, 0.60, 0.66]
    wanted = ttest_1samp(values, 0).confidence_interval()
    assert 2 * nadeau_bengio(values, 0.0) == pytest.approx(wanted.high - wanted.low)
    assert nadeau_bengio(values, 0.25) == pytest.approx(nadeau_bengio(values, 0) * np.sqrt(2))


def test_seeds_become_one_row_and_the_rest_stays(tmp_path: Path) -> None:
    photos = tk.Dataset.synthetic(150, artifacts=tmp_path, progress=False)
    # of a file: without weights every seed would draw a network of its own
    save_file(timm.create_model("test_efficientnet").state_dict(), tmp_path / "network.safetensors")
    how: dict[str, Any] = {
        "features": "timm/test_efficientnet",
        "weights": str(tmp_path / "network.safetensors"),
        "precision": "fp32",
    }
    common: dict[str, Any] = {"artifacts": tmp_path, "progress": False}
    quick: dict[str, Any] = {"set": {"epochs": 3, "hidden": 16}, "folds": 2}
    for seed in (0, 1, 2):
        tk.ovr(photos, "mlp", name=f"mlp-{seed}", seed=seed, seeds=1, **quick, **how, **common)
    tk.ovr(photos, "mlp", name="other", seeds=2, **quick, **how, **common)
    kinds: dict[str, Any] = {"kind": ["head"], "resamples": 50}
    each: dict[str, Any] = {row.name: row for row in tk.compare(photos, **kinds, **common).rows}
    assert set(each) == {"mlp-0", "mlp-1", "mlp-2", "other"}
    found = tk.compare(photos, repeats="mean", **kinds, **common)
    rows: dict[str, Any] = {row.name: row for row in found.rows}
    assert set(rows) == {"mlp (3 seeds)", "other"}
    mean, seeds = rows["mlp (3 seeds)"], [each[f"mlp-{seed}"] for seed in range(3)]
    values = [row.metrics["map"] for row in seeds]
    assert mean.metrics["map"] == pytest.approx(np.mean(values))
    assert mean.repeats["members"] == ["mlp-0", "mlp-1", "mlp-2"]
    assert mean.repeats["deviation"]["map"] == pytest.approx(np.std(values, ddof=1))
    assert rows["other"] == each["other"]
    for key, pair in mean.ci.items():
        if pair is not None:
            width = np.mean([row.ci[key][1] - row.ci[key][0] for row in seeds])
            assert pair[1] - pair[0] >= width - 1e-9 or pair[0] == 0 or pair[1] == 1
    assert "± seeds" in found.to_markdown()
    assert '"deviation"' in str(found.facts()).replace("'", '"')


def test_a_mean_without_labels_with_enough_positives_is_undefined() -> None:
    metrics: Any = {"map": 0.5}
    bare = {"map": {"labels": 0, "value": None, "ci": None}}
    rows = [
        Row(f"m-{seed}", "head", "s", metrics, {"map": None}, images=6, supported=bare)
        for seed in (0, 1)
    ]
    (found,) = averaged(rows, [Kept(row.name) for row in rows], 0.1)  # type: ignore[misc]
    assert found.supported == bare
    assert found.ci == {"map": None}
    assert found.name == "m (2 seeds)"


class Kept:
    """Stands for a member: its recipe but for the seed is that of all."""

    def __init__(self, name: str) -> None:
        self.name = name

    def recipe(self) -> dict[str, Any]:
        return {"head": "mlp", "seed": self.name, "options": {"random_state": self.name}}
