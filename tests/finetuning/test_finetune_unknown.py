"""Unknown labels do not teach a network, whatever blends, smooths or probes them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.finetuning.finetune_fakes import QUICK, one_thread, pictures, tiny, weights
from toolkit.finetuning.fitting import SplitRows, fit
from toolkit.finetuning.networks import Classifier, FrozenClassifier, seeded
from toolkit.finetuning.objective import elementwise_loss, mean_over, positive_weights
from toolkit.finetuning.source import Source
from toolkit.finetuning.tasks import Auxiliary
from toolkit.finetuning.trainer import Trainer
from toolkit.heads.partial_labels import UNKNOWN

__all__ = ["one_thread"]
PLAIN = replace(QUICK, initial_probe=False, final_probe=False, ema_decay=0.0)


def source_of(X: np.ndarray) -> Source:
    return Source(lambda rows: X[rows], len(X), pixels=True)


@pytest.mark.parametrize("loss", ["bce", "focal", "asl"])
def test_the_output_of_a_label_that_nobody_knows_stays_as_it_was(loss: str) -> None:
    X, Y = pictures()
    unknown = Y.astype(np.int8)
    unknown[:, 1] = -1
    how = replace(PLAIN, loss=loss, weight_decay=0.0, label_smoothing=0.1)
    before = tiny()
    run = Trainer(tiny(), source_of(X), unknown, np.arange(40), np.arange(40, 60), how)
    after = run.run()
    for name in ("weight", "bias"):
        old, new = (getattr(network.head, name) for network in (before, after))
        assert torch.equal(old[1], new[1])
        assert not torch.equal(old[0], new[0])
    assert run.history[-1]["validation_map"] is not None


def test_the_loss_is_the_mean_over_known_cells() -> None:
    logits, targets = torch.randn(6, 3), torch.rand(6, 3).round()
    known = (torch.rand(6, 3) < 0.5).float()
    each = elementwise_loss(PLAIN, None, torch.device("cpu"))(logits, targets)
    expected = each[known.bool()].mean()
    torch.testing.assert_close(mean_over(each, known), expected)
    assert mean_over(each, torch.zeros(6, 3)) == 0


def test_half_the_labels_teach_and_their_weights_are_counted_among_the_known() -> None:
    X, Y = pictures(180)
    part = np.where(np.random.default_rng(7).random(Y.shape) < 0.5, -1, Y).astype(np.int8)
    rows = SplitRows(np.arange(120), np.arange(120, 150), np.arange(150, 180))
    how = replace(PLAIN, epochs=25, trivial=False, mixup=0.0, learning_rate=0.05)
    how = replace(how, final_probe=True, pos_weight="train", views=False)
    found = fit(tiny, source_of(X), part, rows, how)
    assert found.histories["model"][-1]["validation_map"] > 0.85
    seen = part[:120]
    expected = (seen == 0).sum(0) / (seen == 1).sum(0)
    given = positive_weights(part, how, rows.train)
    assert given is not None
    np.testing.assert_allclose(given, expected)


def test_tasks_learn_from_what_is_known_of_their_target() -> None:
    X, Y = pictures()
    part = np.where(np.random.default_rng(7).random(Y.shape) < 0.3, -1, Y).astype(np.int8)
    tasks = Auxiliary(("cardinality", "any"))
    how = replace(PLAIN, epochs=2)
    run = Trainer(
        tiny(), source_of(X), part, np.arange(40), np.arange(40, 60), how, auxiliary=tasks
    )
    run.run()
    assert np.isfinite([run.history[-1][f"{task}_loss"] for task in tasks.tasks]).all()


def test_with_nothing_unknown_it_is_the_same_run_bit_for_bit() -> None:
    X, Y = pictures()
    train, rest = np.arange(40), np.arange(40, 60)
    ends = [
        weights(Trainer(tiny(), source_of(X), labels, train, rest, QUICK).run())
        for labels in (Y, Y.astype(np.int8))
    ]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("pixels", [True, False])
def test_negative_is_a_run_on_no_and_selective_lies_between(pixels: bool) -> None:
    X, Y = pictures(90)
    part = np.where(np.random.default_rng(7).random(Y.shape) < 0.5, -1, Y).astype(np.int8)
    rows = SplitRows(np.arange(60), np.arange(60, 75), np.arange(75, 90))
    how = replace(PLAIN, epochs=2, initial_probe=True, final_probe=True)
    source = source_of(X)
    plain: Any = SimpleNamespace(mean=(0.5,) * 3, std=(0.25,) * 3)
    trunk = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten())
    build: Any = partial(Classifier, trunk, 27, Y.shape[1], plain)
    if not pixels:
        flat = X.reshape(len(X), -1).astype(np.float32) / 255
        source = Source(lambda at: flat[at], len(X), pixels=False)
        build = partial(FrozenClassifier, flat.shape[1], Y.shape[1])
    network = seeded(build, 0)

    def run(labels: np.ndarray, unknown: str) -> np.ndarray:
        return fit(network, source, labels, rows, how, unknown=unknown).scores

    filled = part.copy()
    filled[:60] = np.maximum(part[:60], 0)
    found = {each: run(part, each) for each in UNKNOWN}
    np.testing.assert_array_equal(found["negative"], run(filled, "ignore"))
    assert not np.array_equal(found["selective"], found["negative"])
    for each in UNKNOWN:  # with nothing unknown the choice changes no bit
        np.testing.assert_array_equal(run(Y.astype(np.int8), each), run(Y, "ignore"))


def test_cells_of_some_weight_teach_no_as_far_as_they_weigh() -> None:
    X, Y = pictures()
    part = np.where(np.random.default_rng(7).random(Y.shape) < 0.5, -1, Y).astype(np.int8)
    known = (part >= 0).astype(np.float32)
    ends = {}
    for name, labels, weight in (
        ("known", part, None),
        ("weight", part, known),
        ("no", np.maximum(part, 0), np.ones_like(known)),
        ("full", part, np.ones_like(known)),
    ):
        run = Trainer(
            tiny(), source_of(X), labels, np.arange(40), np.arange(0), PLAIN, weight=weight
        )
        run.masked = True
        ends[name] = weights(run.run())
    assert ends["known"] == ends["weight"]
    assert ends["no"] == ends["full"]
    assert ends["known"] != ends["no"]
