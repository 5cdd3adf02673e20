"""Auxiliary tasks of fine-tuning: resumable, blind to other rows, and gone from what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.finetuning.finetune_fakes import (
    QUICK,
    one_thread,
    pictures,
    tiny,
    training,
    weights,
)
from toolkit.errors import StoppedError, UsageError
from toolkit.finetuning.callbacks import Callbacks
from toolkit.finetuning.fitting import Fitted, SplitRows, fit
from toolkit.finetuning.source import Source
from toolkit.finetuning.tasks import Auxiliary, TaskHeads
from toolkit.finetuning.trainer import Trainer
from toolkit.heads.auxiliary import ROTATION, check_tasks

__all__ = ["one_thread"]
NAMES = ("cardinality", "any", "colour", "single-channel", "teacher:x", "rotation")


def auxiliary(count: int = 60, tasks: tuple[str, ...] = NAMES, **options: object) -> Auxiliary:
    """Return all tasks, with a teacher that sees the labels' source and noise."""
    X, Y = pictures(count)
    random = np.random.default_rng(5)
    material = {
        "colour": X.reshape(count, -1, 3).mean(1),
        "single-channel": (np.arange(count) % 3 == 0)[:, None].astype(np.float32),
        "teacher:x": np.hstack([Y, random.normal(size=(count, 40))]),
    }
    return Auxiliary(tasks, material=material, **options)  # type: ignore[arg-type]


def heads(run: Trainer) -> TaskHeads:
    assert run.tasks is not None
    return run.tasks


def test_a_run_with_tasks_stopped_anywhere_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    whole = training(auxiliary=auxiliary())
    undisturbed = weights(whole.run())
    for stopped in (0, 4, 9):
        file = tmp_path / f"{stopped}.pt"
        left = iter(range(stopped))
        stop = Callbacks(stop=lambda left=left: next(left, None) is None)  # type: ignore[misc]
        with pytest.raises(StoppedError):
            training(auxiliary=auxiliary()).run(file, stop)
        torch.manual_seed(stopped)
        again = training(auxiliary=auxiliary())
        assert weights(again.run(file)) == undisturbed, stopped
        assert weights(heads(again)) == weights(heads(whole))
        for one, other in zip(again.history, whole.history, strict=True):
            timed = {"seconds", "images_per_second"}
            assert {k: v for k, v in one.items() if k not in timed} == {
                k: v for k, v in other.items() if k not in timed
            }


@pytest.mark.parametrize("folded", [False, True])
def test_only_training_rows_teach(folded: bool) -> None:
    """Labels and material of all other rows are garbage, and nothing changes."""
    X, Y = pictures()
    at = np.arange(60)
    fold = np.where(at < 50, at % 2, -1) if folded else None
    parts = SplitRows(at[:40], at[40:50], at[50:], fold)
    source = Source(lambda rows: X[rows], len(X), pixels=True)
    hidden = (fold == 0) | (at >= 50) if fold is not None else at >= 40

    def fitted(poison: bool) -> Fitted:
        how, labels = auxiliary(), Y.copy()
        if poison:
            labels[hidden] = 1 - labels[hidden]
            for values in how.material.values():
                values[hidden] = np.nan
        one_fold = SplitRows(at[fold == 1], at[:0], at[hidden])
        chosen = one_fold if folded and poison else parts
        return fit(tiny, source, labels, chosen, replace(QUICK, epochs=1), auxiliary=how)

    plain, poisoned = fitted(False), fitted(True)
    name = "fold-0" if folded else "model"
    for key, value in plain.states[name].items():
        np.testing.assert_array_equal(value, poisoned.states["model"][key])
        assert np.isfinite(value).all()


def test_a_row_that_was_not_learned_from_has_no_targets() -> None:
    run = training(auxiliary=auxiliary())
    known = heads(run).known
    assert torch.isfinite(known[run.train]).all()
    assert torch.isnan(known[run.validation]).all()


def test_heads_of_tasks_are_not_kept() -> None:
    plain, more = training(), training(auxiliary=auxiliary())
    one, other = plain.run(), more.run()
    assert one.state_dict().keys() == other.state_dict().keys()
    assert weights(one) != weights(other)
    assert weights(tiny()) not in (weights(one), weights(other))


def test_tasks_of_no_weight_change_nothing_but_the_normalisation_of_turned_pictures() -> None:
    """Without rotation, the very steps of a run without tasks."""
    settings = replace(QUICK, gradient_norm=0.0)
    how = auxiliary(tasks=NAMES[:-1], weighting="fixed", weight=0.0)
    one, other = training(settings), training(settings, auxiliary=how)
    pairs = zip(one.run().parameters(), other.run().parameters(), strict=True)
    for plain, other_one in pairs:
        torch.testing.assert_close(plain, other_one, atol=1e-4, rtol=1e-3)
    assert heads(other).log_variance.tolist() == [0.0] * 6


def test_the_heads_learn_and_easy_tasks_come_to_weigh_more() -> None:
    settings = replace(
        *(QUICK,), epochs=40, learning_rate=0.03, trunk_rate=1.0, mixup=0.0, crop=1.0,
        trivial=False, flip=False,
    )  # fmt: skip
    how = auxiliary(120, ("any", "colour", "teacher:x"))
    run = training(settings, 120, auxiliary=how)
    run.run()
    first, last = run.history[0], run.history[-1]
    assert last["colour_loss"] < 0.5 * first["colour_loss"]
    assert last["any_loss"] < first["any_loss"]
    # of the teacher most is noise
    assert last["colour_weight"] > 2 * last["teacher:x_weight"] > 0
    assert last["validation_map"] > 0.85


def test_turned_pictures_are_turned_and_their_turns_known() -> None:
    run = training(auxiliary=auxiliary(tasks=("rotation",)))
    batch = torch.rand(8, 3, 6, 6)
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(10):
        joined, turns = heads(run).turned(batch, generator)
        assert joined.shape == (10, 3, 6, 6)
        assert torch.equal(joined[:8], batch)
        for n, k in enumerate(turns.tolist()):
            assert torch.equal(torch.rot90(joined[8 + n], -k, (1, 2)), batch[n])
            seen.add(k)
    assert seen == {0, 1, 2, 3}


def test_a_network_learns_to_tell_turns() -> None:
    """Pictures brighter at the top, so that a network's features can show their turns."""
    _, Y = pictures(64)
    ramp = np.linspace(220, 30, 8).astype(np.uint8)
    X = np.broadcast_to(ramp[None, :, None, None], (64, 8, 8, 3))
    source = Source(lambda rows: X[rows], len(X), pixels=True)
    settings = replace(
        *(QUICK,), epochs=60, learning_rate=0.05, trunk_rate=1.0, mixup=0.0, crop=1.0,
        trivial=False, flip=False, gradient_norm=0.0,
    )  # fmt: skip
    at = np.arange(64)
    how = Auxiliary(("rotation",), "fixed", 3.0)
    run = Trainer(tiny(), source, Y, at, at[:0], settings, auxiliary=how)
    run.run()
    # vertical turns show in the padded edges only, so a tiny network tells them apart in part
    assert run.history[-1]["rotation_loss"] < 0.8 * np.log(4)


def test_rotation_is_for_pictures() -> None:
    assert check_tasks([ROTATION], pictures=True) == (ROTATION,)
    for wrong in ([ROTATION], ["teacher:"], ["teacher"]):
        with pytest.raises(UsageError, match="aux: expected"):
            check_tasks(wrong)
