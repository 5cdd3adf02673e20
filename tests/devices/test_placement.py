"""Training and heads on a second device: nothing stays behind, and the numbers are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.devices.other_device import There, second_device
from tests.finetuning.finetune_fakes import QUICK, pictures, tiny
from tests.finetuning.finetune_fakes import one_thread as one_thread
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.finetuning.tasks import Auxiliary
from toolkit.finetuning.trainer import Trainer
from toolkit.heads.linear import LinearHead
from toolkit.heads.losses import _masked_task_loss, task_loss
from toolkit.heads.mlp import MLPHead
from toolkit.heads.multitask import MultitaskHead

STEPS = 3


def trained(device: str, settings: Settings, **options: Any) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the weights after some steps, and logits."""
    X, Y = pictures(24)
    if options.pop("unknown", False):
        Y = Y.astype(np.int8)
        Y[::5, 0] = -1
    source = Source(lambda rows: X[rows], len(X), True, device, X[0].nbytes)
    at = np.arange(len(X))
    run = Trainer(
        tiny(), source, Y, at[:20], at[20:], settings, device=device, graph=False, **options
    )
    for _ in range(STEPS):
        run.train_step()
    kept = run.average.evaluated(run.network)
    found = [value.detach().cpu().numpy() for value in kept.state_dict().values()]
    return found, run.logits(at, kept.eval())


HARD: dict[str, tuple[Settings, dict[str, Any]]] = {
    "all": (QUICK.changed({"colour": 0.2, "rotate": 10.0, "pos_weight": "train"}), {}),
    "unknown": (QUICK, {"unknown": True}),
    "tasks": (QUICK, {"auxiliary": Auxiliary(("cardinality", "rotation"))}),
    "asl, sgd": (QUICK.changed({"loss": "asl", "optimizer": "sgd", "wise_ft_alpha": 0.5}), {}),
}


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("case", HARD)
def test_training_is_the_same_on_another_device(case: str, held: bool) -> None:
    settings, options = HARD[case]
    if case == "all":
        options = {"pos_weight": np.array([2.0, 3.0])}
    weights, logits = trained("cpu", settings, **options)
    with second_device() as patch:
        free = 10**9 if held else 0
        patch.setattr("toolkit.finetuning.source._free_memory", lambda device: free)
        other, other_logits = trained("cuda", settings, **options)
    tolerance: dict[str, Any] = (
        {"rtol": 1e-4, "atol": 1e-6} if case == "tasks" else {"rtol": 0, "atol": 0}
    )
    for mine, wanted in zip(other, weights, strict=True):
        np.testing.assert_allclose(mine, wanted, **tolerance)
    np.testing.assert_allclose(other_logits, logits, **tolerance)


@pytest.mark.parametrize("name", ["linear", "mlp", "multitask"])
def test_heads_are_the_same_on_another_device(name: str) -> None:
    random = np.random.default_rng(0)
    X = random.standard_normal((80, 6)).astype(np.float32)
    Y = (X[:, :2] + 0.3 * random.standard_normal((80, 2)) > 0.4).astype(np.int8)

    def scores(device: str) -> np.ndarray:
        head: Any = {
            "linear": lambda: LinearHead(Cs=[0.1, 1.0], device=device),
            "mlp": lambda: MLPHead(
                epochs=2, hidden=4, precision="fp32", device=device, early_stopping=True
            ),
            "multitask": lambda: MultitaskHead(
                epochs=2, hidden=4, precision="fp32", device=device, tasks=("cardinality", "any")
            ),
        }[name]()
        found: np.ndarray = head.fit(X, Y).predict_proba(X)
        return found

    wanted = scores("cpu")
    with second_device() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr("toolkit.heads.multitask_training.random_devices", lambda device: [])
        found = scores("cuda")
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


LEFT_BEHIND = {
    "toolkit.finetuning.trainer": "all",
    "toolkit.finetuning.augment": "all",
    "toolkit.finetuning.source": "all",
    "toolkit.finetuning.tasks": "tasks",
}


@pytest.mark.parametrize("module", LEFT_BEHIND)
def test_a_tensor_left_behind_is_refused(module: str) -> None:
    """What the tests above rest on: without its move a tensor meets one of the other device."""
    settings, options = HARD[LEFT_BEHIND[module]]
    with second_device() as patch:
        patch.setattr("toolkit.finetuning.source._free_memory", lambda device: 0)
        patch.setattr(f"{module}.to_device", lambda tensor, device: tensor)
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            trained("cuda", settings, **options)


def test_the_second_device_refuses_what_a_gpu_would() -> None:
    with second_device():
        there = torch.ones(3).to("cuda")
        assert isinstance(there, There)
        assert (there + 1).cpu().tolist() == [2, 2, 2]
        assert torch.zeros(2, device="cuda").device.type == "cuda"
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            there[torch.tensor([0, 1])]


@pytest.mark.parametrize("kind", ["classes", "values", "binary", "numbers"])
def test_the_loss_that_does_not_ask_is_the_one_that_does(kind: str) -> None:
    random = torch.Generator().manual_seed(0)
    output = torch.randn(6, 3, generator=random)
    target = torch.rand(6, 3, generator=random)
    target[1], target[4, 0] = torch.nan, torch.nan
    known = ~target.isnan().any(1)
    if kind == "numbers":
        kind, target = "classes", torch.tensor([0, -1, 2, 1, -1, 0])
    whole = _masked_task_loss(kind, output, target, known)
    torch.testing.assert_close(whole, task_loss(kind, output, target))
    none = _masked_task_loss(kind, output[~known], target[~known], known[~known])
    torch.testing.assert_close(none, task_loss(kind, output[~known], target[~known]))
