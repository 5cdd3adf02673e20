"""Training and heads on a second device: nothing stays behind, and numbers are the same."""

from __future__ import annotations

from collections.abc import Callable
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

NEAR: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-5}
# its kernels are those of any device; the fused optimizers have none for this one
HARD: dict[str, tuple[Settings, dict[str, Any]]] = {
    "all": (QUICK.changed({"colour": 0.2, "rotate": 10.0}), {"pos_weight": np.array([2.0, 3.0])}),
    "unknown": (QUICK, {"unknown": True}),
    "tasks": (QUICK, {"auxiliary": Auxiliary(("cardinality", "rotation"))}),
    "asl": (QUICK.changed({"loss": "asl", "wise_ft_alpha": 0.5}), {}),
}


def run_on(
    device: str, settings: Settings, unknown: bool = False, **options: Any
) -> tuple[Trainer, np.ndarray]:
    """Return a run, and its rows."""
    X, Y = pictures(24)
    Y = Y.astype(np.int8)
    if unknown:
        Y[::5, 0] = -1
    source = Source(lambda rows: X[rows], len(X), True, device, X[0].nbytes)
    at = np.arange(len(X))
    run = Trainer(
        tiny(), source, Y, at[:20], at[20:], settings, device=device, graph=False, **options
    )
    return run, at


def trained(device: str, settings: Settings, **options: Any) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the weights after some steps, and logits."""
    run, at = run_on(device, settings.changed({"optimizer": "rmsprop"}), **options)
    for _ in range(2):
        run.train_step()
    kept = run.average.evaluated(run.network)
    found = [value.detach().cpu().numpy() for value in kept.state_dict().values()]
    return found, run.logits(at, kept.eval())


@pytest.mark.parametrize("case", HARD)
def test_training_is_the_same_on_another_device(case: str) -> None:
    settings, options = HARD[case]
    weights, logits = trained("cpu", settings, **options)
    with second_device("meta"):
        other, other_logits = trained("meta", settings, **options)
    for mine, wanted in zip(other, weights, strict=True):
        np.testing.assert_allclose(mine, wanted, **NEAR)
    np.testing.assert_allclose(other_logits, logits, **NEAR)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("case", HARD)
def test_a_step_s_losses_are_the_same_on_a_gpu(case: str, held: bool) -> None:
    """All of a step but its gradients, with the copies that only a GPU is given."""
    settings, options = HARD[case]

    def sums(device: str) -> np.ndarray:
        run, at = run_on(device, settings, **options)
        run.train_step()
        found: np.ndarray = run.running.cpu().numpy()
        return np.concatenate([found, run.logits(at).ravel()])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "backward", _nothing)
        wanted = sums("cpu")
        with second_device("cuda"):
            free = 10**9 if held else 0
            patch.setattr("toolkit.finetuning.source._free_memory", lambda device: free)
            found = sums("cuda")
    np.testing.assert_allclose(found, wanted, **NEAR)


def _nothing(_: torch.Tensor) -> None: ...


class _OfTheProcessor:
    """torch, but that its generators are the processor's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def Generator(self, device: Any = None) -> torch.Generator:  # noqa: N802
        return torch.Generator()


@pytest.mark.parametrize("name", ["linear", "mlp", "multitask"])
def test_heads_are_the_same_on_another_device(name: str) -> None:
    random = np.random.default_rng(0)
    X = random.standard_normal((80, 6)).astype(np.float32)
    Y = (X[:, :2] + 0.3 * random.standard_normal((80, 2)) > 0.4).astype(np.int8)

    def scores(device: str) -> np.ndarray:
        heads: dict[str, Callable[[], Any]] = {
            "linear": lambda: LinearHead(Cs=[0.1, 1.0], device=device),
            "mlp": lambda: MLPHead(
                epochs=2, hidden=4, precision="fp32", device=device, early_stopping=True
            ),
            "multitask": lambda: MultitaskHead(
                epochs=2, hidden=4, precision="fp32", device=device, tasks=("cardinality", "any")
            ),
        }
        found: np.ndarray = heads[name]().fit(X, Y).predict_proba(X)
        return found

    wanted = scores("cpu")
    with second_device("meta") as patch:
        patch.setattr("toolkit.heads.network_head.choose_device", lambda device: device)
        patch.setattr("toolkit.heads.preconditioner.torch", _OfTheProcessor())
        found = scores("meta")
    np.testing.assert_allclose(found, wanted, **NEAR)


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
    with second_device("meta") as patch:
        patch.setattr(f"{module}.to_device", lambda tensor, device: tensor)
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            trained("meta", settings, **options)


def test_the_second_device_refuses_what_a_gpu_would() -> None:
    with second_device("cuda"):
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
