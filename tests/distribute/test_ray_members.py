"""Members made on a cluster are those made here, byte for byte; recipes run as graphs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.distribute.conftest import Machines
from toolkit.heads.lightgbm import LightGBMHead
from toolkit.heads.linear import LinearHead
from toolkit.heads.mlp import MLPHead
from toolkit.members.cross_fit import Checkpoints, CrossFit, cross_fit

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS, WIDTH, LABELS, FOLDS = 240, 12, 3, 5
HEADS: dict[str, Any] = {
    "linear": LinearHead(Cs=(0.01, 0.1)),
    "mlp": MLPHead(epochs=2, seeds=1),
    "lightgbm": LightGBMHead(n_estimators=5),
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Compute here in as many threads as the cluster's machines have cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    yield
    torch.set_num_threads(before)


def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.normal(size=(ROWS, WIDTH)).astype(np.float32)
    Y = (X[:, :LABELS] + random.normal(size=(ROWS, LABELS)) > 0.3).astype(np.int8)
    return X, Y, np.where(np.arange(ROWS) < 200, np.arange(ROWS) % FOLDS, -1)


def same(mine: CrossFit, theirs: CrossFit) -> None:
    assert (mine.scores == theirs.scores).all()
    for one, other in zip(mine.models, theirs.models, strict=True):
        a, b = one.state(), other.state()
        assert a.keys() == b.keys()
        for name, value in a.items():
            assert np.asarray(value).tobytes() == np.asarray(b[name]).tobytes(), name


@pytest.mark.parametrize("head", HEADS)
def test_folds_fitted_on_a_cluster_are_those_fitted_here(head: str, ray_on: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(cross_fit(HEADS[head], *problem()), cross_fit(HEADS[head], *problem(), on=ray_on))


def test_a_machine_lost_while_folds_are_fitted_and_a_second_run_takes_what_is_done(
    ray_on: str, machines: Machines, tmp_path: Path
) -> None:
    head = MLPHead(epochs=40, seeds=2)
    lost: list[Any] = []
    here = cross_fit(head, *problem())

    def strike(done: int) -> None:
        if not lost:
            lost.append(machines.cluster.worker_nodes.copy().pop())
            machines.lose(lost[0])

    kept = Checkpoints(tmp_path / "partial", "inputs")
    try:
        there = cross_fit(head, *problem(), on=ray_on, checkpoints=kept, on_progress=strike)
    finally:
        machines.add()
    assert lost
    same(here, there)
    steps: list[int] = []
    again = cross_fit(head, *problem(), checkpoints=kept, on_progress=steps.append)
    assert steps == [FOLDS]
    same(here, again)


def test_finetuned_folds_and_a_recipe(ray_on: str, tmp_path: Path) -> None:
    import toolkit as tk

    data = tk.Dataset.synthetic(images=60, name="painted", artifacts=tmp_path / "here")
    how: dict[str, Any] = {"folds": 2, "epochs": 1, "size": 32, "weights": "none"}
    how |= {"backbone": "timm/test_efficientnet", "precision": "fp32", "tensorboard": False}
    mine = tk.finetune(data, artifacts=tmp_path / "here", **how)
    theirs = tk.finetune(data, artifacts=tmp_path / "there", on=ray_on, **how)
    assert (mine.scored.scores == theirs.scored.scores).all()
    for file in (mine.folder / "model").glob("*.safetensors"):
        assert file.read_bytes() == (theirs.folder / "model" / file.name).read_bytes(), file.name
    recipe = tmp_path / "recipe.toml"
    features = '["timm/test_efficientnet"]\nweights = "none"\nprecision = "fp32"\nfolds = 2'
    recipe.write_text(
        f'[[step]]\ncommand = "ovr"\nset = {{Cs = [0.1]}}\nfeatures = {features}\n'
        f'[[step]]\ncommand = "ovr"\nhead = "mlp"\nset = {{epochs = 1}}\nfeatures = {features}\n'
        '[[step]]\ncommand = "compare"\nresamples = 0\n'
    )
    done = tk.reproduce(recipe, data, on=ray_on, artifacts=tmp_path / "there")
    assert [step["exit_code"] for step in done.steps] == [0, 0, 0]
    assert len(tk.list_members(artifacts=tmp_path / "there")) == 3
