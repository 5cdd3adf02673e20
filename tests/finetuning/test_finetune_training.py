"""The training loop: resumable bit for bit, and each switch of the protocol by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.finetuning import kill_loop
from tests.finetuning.finetune_fakes import (
    QUICK,
    one_thread,
    pictures,
    tiny,
    training,
    weights,
)
from toolkit.errors import ArtifactError, StoppedError, UsageError
from toolkit.finetuning import journal as journals
from toolkit.finetuning.callbacks import Callbacks
from toolkit.finetuning.journal import Journal, read_journal
from toolkit.finetuning.networks import FrozenClassifier
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.finetuning.trainer import Trainer
from toolkit.statistics.metrics import mean_average_precision

__all__ = ["one_thread"]
ROOT = Path(__file__).parents[2]
UNFREEZING = replace(QUICK, unfreeze=1.0, optimizer="sgd", keep="best-validation-map")
# more of them in the long run: TOOLKIT_TEST_KILLS=10
KILLS = int(os.environ.get("TOOLKIT_TEST_KILLS", "4"))


def stop_after(steps: int) -> Callable[[], bool]:
    left = iter(range(steps))
    return lambda: next(left, None) is None


@pytest.mark.parametrize("settings", [QUICK, UNFREEZING], ids=["adamw", "unfreezing"])
def test_a_run_stopped_anywhere_ends_as_an_undisturbed_one(
    tmp_path: Path, settings: Settings
) -> None:
    undisturbed = weights(training(settings).run())
    steps = training(settings).steps * settings.epochs
    for killed in (0, 3, 4, 5, steps - 2):  # within epochs and at the end of one
        file = tmp_path / f"{killed}.pt"
        with pytest.raises(StoppedError):
            training(settings).run(file, Callbacks(stop=stop_after(killed)))
        torch.manual_seed(killed)  # whatever else used the generators meanwhile
        assert weights(training(settings).run(file)) == undisturbed, killed


def test_a_run_killed_again_and_again_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    """SIGKILL at random moments: what was saved last is whole, and the end is the same."""
    command = [sys.executable, "-m", "tests.finetuning.kill_loop", str(tmp_path / "run.pt")]
    done = subprocess.run(
        [*command, str(KILLS)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["killed"] == KILLS
    assert len(set(found["stood"])) > min(
        2, KILLS // 2
    )  # checkpoints of several places were gone on from
    assert found["digest"] == kill_loop.digest(None)


def test_the_loop_learns_and_leaves_the_generators_alone() -> None:
    settings = replace(QUICK, epochs=25, trivial=False, mixup=0.0, views=False)
    before = torch.random.get_rng_state()
    run = training(replace(settings, learning_rate=0.05), count=120)
    run.run()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert run.history[-1]["validation_map"] > 0.85 > run.history[0]["validation_map"]
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]


def test_another_seed_is_another_run() -> None:
    assert weights(training().run()) != weights(training(seed=1).run())


def test_labels_of_other_rows_are_not_looked_at() -> None:
    X, Y = pictures()
    source = Source(lambda rows: X[rows], len(X), pixels=True)
    ends = []
    for value in (0, 1):
        Y[50:] = value
        run = Trainer(tiny(), source, Y, np.arange(40), np.arange(40, 50), QUICK)
        ends.append(weights(run.run()))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_last_image_alone_is_no_batch(mode: str) -> None:
    """Normalisation in training mode has no statistics of a single vector."""
    network = FrozenClassifier(3, 2)
    network.add_module("head", torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2)))
    X = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    Y = (X[:, :2] > 0).astype(np.uint8)
    settings = replace(QUICK, validation_mode=mode, mixup=0.0)
    train, validation = np.arange(17), np.arange(17, 17 + 257)
    seen: list[int] = []
    run = Trainer(network, Source.of_features(X), Y, train, validation, settings)
    run.run(callbacks=Callbacks(on_step=seen.append))
    assert seen == [8, 9] * settings.epochs


def test_published_validation_runs_in_training_mode() -> None:
    """With statistics of the batch, which then also learn from validation pictures."""
    plain = replace(QUICK, initial_probe=False, ema_decay=0.0, epochs=1, views=False)
    published = replace(plain, validation_mode="train")
    one, other = training(plain), training(published)
    one.run(), other.run()
    assert one.history[0]["train_loss"] == other.history[0]["train_loss"]
    assert one.history[0]["validation_loss"] != other.history[0]["validation_loss"]
    key = "trunk.1.running_mean"
    assert not torch.equal(one.network.state_dict()[key], other.network.state_dict()[key])
    key = "head.weight"
    assert torch.equal(one.network.state_dict()[key], other.network.state_dict()[key])


def test_training_accuracy_of_a_blend_is_that_of_its_larger_part() -> None:
    """A unit that tells bright from dark is always right, whatever a blend is mostly made of."""
    X = np.repeat(np.array([[-1.0], [1.0]], np.float32), 40, axis=0)
    Y = (X > 0).astype(np.uint8)
    network = FrozenClassifier(1, 1)
    torch.nn.init.ones_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    settings = Settings(mixup=1.0, learning_rate=0.0, epochs=3, batch_size=8, ema_decay=0.0)
    rows = np.arange(80)
    run = Trainer(network, Source.of_features(X), Y, rows, rows[:0], settings)
    run.run()
    assert [line["train_accuracy"] for line in run.history] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("keep", "metric"),
    [
        ("best-training-accuracy", "train_accuracy"),
        ("best-validation-map", "validation_map"),
    ],
)
def test_the_weights_kept_are_those_of_the_best_epoch(keep: str, metric: str) -> None:
    plain = replace(QUICK, initial_probe=False, ema_decay=0.0, mixup=0.0)
    settings = replace(plain, keep=keep, epochs=6, learning_rate=0.2)
    run = training(settings)
    each: list[bytes] = []
    after = Callbacks(on_epoch=lambda metrics: each.append(weights(run.network)))
    end = run.run(callbacks=after)
    values = [line[metric] for line in run.history]
    assert len(set(values)) > 1
    assert weights(end) == each[int(np.argmax(values))]


def test_what_counts_lies_between_where_training_began_and_where_it_ended() -> None:
    start = tiny().state_dict()
    end = training(replace(QUICK, wise_ft_alpha=1.0)).run().state_dict()
    between = training(replace(QUICK, wise_ft_alpha=0.25)).run().state_dict()
    for name, value in start.items():
        if value.is_floating_point():
            want = value + 0.25 * (end[name] - value)
            torch.testing.assert_close(between[name], want, rtol=1e-4, atol=1e-6)
    assert not torch.equal(start["trunk.1.running_mean"], end["trunk.1.running_mean"])


def test_the_kept_weights_are_those_that_were_validated() -> None:
    run = training(QUICK)
    kept = run.run()
    truth = run.Y[torch.from_numpy(run.validation)].numpy()
    again = mean_average_precision(truth.astype(np.uint8), run.logits(run.validation, kept))
    assert again == run.history[-1]["validation_map"]


def test_sgd_without_momentum_is_the_plain_rule() -> None:
    """One step: w - 0.001 * gradient of the mean loss; with momentum the second step differs."""
    settings = Settings(
        epochs=1, batch_size=4, optimizer="sgd", learning_rate=0.001, momentum=0.0, loss="bce",
        schedule="constant", warm_up=0.0, ema_decay=0.0, gradient_norm=0.0, crop=1.0, flip=False,
        weight_decay=0.0, initial_probe=False, mixup=0.0,
    )  # fmt: skip
    random = np.random.default_rng(0)
    X = random.normal(size=(4, 3)).astype(np.float32)
    Y = np.array([[1, 0], [0, 0], [1, 1], [0, 1]], np.uint8)

    def end(epochs: int, momentum: float) -> np.ndarray:
        torch.manual_seed(0)
        network = FrozenClassifier(3, 2)
        how = replace(settings, epochs=epochs, momentum=momentum)
        at = np.arange(4)
        model = Trainer(network, Source.of_features(X), Y, at, at[:0], how).run()
        found: np.ndarray = model.get_parameter("head.weight").detach().numpy()
        return found

    torch.manual_seed(0)
    start = FrozenClassifier(3, 2)
    w, b = (p.detach().numpy() for p in start.parameters())
    p = 1 / (1 + np.exp(-(X @ w.T + b)))
    np.testing.assert_allclose(end(1, 0.0), w - 0.001 * (p - Y).T @ X / 8, rtol=1e-5)
    np.testing.assert_array_equal(end(1, 0.0), end(1, 0.9))
    assert not np.array_equal(end(2, 0.0), end(2, 0.9))


def test_weights_of_positives_pull_towards_yes() -> None:
    settings = replace(QUICK, loss="bce", ema_decay=0.0, mixup=0.0)
    for loss in ("bce", "focal", "asl"):
        runs = [
            training(replace(settings, loss=loss), pos_weight=weight)
            for weight in (None, np.array([30.0, 1.0]))
        ]
        plain, weighted = (run.logits(run.validation, run.run()) for run in runs)
        assert weighted[:, 0].mean() > plain[:, 0].mean()


def test_patience_ends_a_run_early(tmp_path: Path) -> None:
    settings = replace(QUICK, epochs=30, patience=2, learning_rate=1e-9, ema_decay=0.0)
    run = training(settings)
    run.run(tmp_path / "run.pt")
    values = [line["validation_map"] for line in run.history]
    assert len(values) == int(np.argmax(values)) + 3 < 30
    again = training(settings)
    again.run(tmp_path / "run.pt")  # a finished run is not gone on with
    assert again.taken == run.taken


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.pt"
    file.write_bytes(b"no checkpoint")
    with pytest.raises(ArtifactError, match="delete it"):
        training().run(file)


def test_a_journal_holds_each_epoch_once(tmp_path: Path) -> None:
    book = Journal(tmp_path, tensorboard=False)
    book.write({"epoch": 1, "loss": 0.5})
    with book.file.open("a") as file:
        file.write('{"epoch": 2, "lo')  # killed within a line
    book.write({"epoch": 1, "loss": 0.5})
    book.write({"epoch": 2, "loss": 0.25})
    assert [line["epoch"] for line in read_journal(book.file)] == [1, 2]
    assert json.loads(book.file.read_text().splitlines()[-1])["loss"] == 0.25


def test_tensorboard_that_is_missing_is_an_error_only_where_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "tensorboard_there", lambda: False)
    with pytest.raises(UsageError, match=r"pip install 'toolkit\[tensorboard\]'"):
        Journal(tmp_path, tensorboard=True)
    book = Journal(tmp_path, tensorboard=None)
    book.write({"epoch": 1})
    assert os.listdir(tmp_path) == ["metrics.jsonl"]
