"""Protocols: what each row of the paper means, and what mending changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from toolkit.errors import UsageError
from toolkit.finetuning.protocols import (
    answers,
    backbone_of,
    canonical,
    corrected,
    published,
    settings_for,
)
from toolkit.finetuning.settings import Settings
from toolkit.paper.results import RESULTS, PaperResult, result

MENDED = {
    "momentum",
    "pos_weight",
    "pairing",
    "invert",
    "validation_mode",
    "keep",
    "threshold_scale",
}
PRINTED = {
    "pretrain",
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "rotate",
    "colour",
}
# what today's habits add to training, and where it does nothing
NEUTRAL = {
    "initial_probe": False,
    "final_probe": False,
    "trunk_rate": 1.0,
    "layer_decay": 1.0,
    "schedule": "constant",
    "warm_up": 0.0,
    "ema_decay": 0.0,
    "wise_ft_alpha": 1.0,
    "loss": "bce",
    "label_smoothing": 0.0,
    "unfreeze": 0.0,
    "gradient_norm": 0.0,
    "crop": 1.0,
    "flip": False,
    "trivial": False,
    "mixup": 0.0,
    "score_scale": 1.0,
    "views": False,
    "patience": 0,
    "compile": False,
}
OF_OTHER_LOSSES = {"gamma", "clip"}


@pytest.mark.parametrize("key", sorted(RESULTS))
def test_mending_changes_the_faults_and_nothing_else(key: str) -> None:
    before, after = published(RESULTS[key]), corrected(RESULTS[key])
    changed = {
        each.name
        for each in fields(Settings)
        if getattr(before, each.name) != getattr(after, each.name)
    }
    assert changed <= MENDED
    assert {"pairing", "invert", "validation_mode", "keep", "momentum"} <= changed
    assert before.pos_weight == ("all" if RESULTS[key].weighted else "none")


@pytest.mark.parametrize("protocol", [published, corrected])
@pytest.mark.parametrize("key", sorted(RESULTS))
def test_a_protocol_of_the_paper_has_none_of_todays_habits(
    protocol: Callable[[PaperResult], Settings], key: str
) -> None:
    how = protocol(RESULTS[key])
    assert {name: getattr(how, name) for name in NEUTRAL} == NEUTRAL
    # a new setting has to say which it is
    known = MENDED | PRINTED | set(NEUTRAL) | OF_OTHER_LOSSES
    assert known == {each.name for each in fields(Settings)}


def test_a_row_is_what_the_paper_prints() -> None:
    how = published(result("table1/7"))
    assert (how.optimizer, how.epochs, how.learning_rate, how.momentum) == ("adam", 30, 0.001, 0.0)
    assert published(result("table1/1")).epochs == 0
    assert published(result("table1/2")).pretrain == "feature-extract"
    assert published(result("table3/8a")).rotate == 25
    assert published(result("table3/8b")).colour > 0
    table2 = published(result("table2/4"))
    assert (table2.learning_rate, table2.threshold_scale) == (0.002, "logit")
    assert corrected(result("table2/4")).threshold_scale == "probability"
    scratch = published(result("prose/basic-cnn"))
    assert (scratch.optimizer, scratch.weight_decay, scratch.pretrain) == ("adam", 1e-4, "finetune")


def test_one_run_answers_every_result_that_shares_it() -> None:
    assert [found.row for found in answers("table2/3")] == [1, 2, 3, 4, 5]
    assert {found.key for found in answers("prose/densenet121-final")} == {
        "table3/6",
        "prose/densenet121-final",
    }
    for key in RESULTS:
        assert canonical(canonical(key)) == canonical(key)
        shared = {published(found).epochs for found in answers(key)}
        assert len(shared) == 1
    assert backbone_of(result("prose/squeezenet")) == "squeezenet1_0"


def test_modern_takes_no_row_and_unknown_names_are_refused() -> None:
    assert settings_for("modern", None) == Settings()
    for protocol, row in (("modern", "table1/2"), ("newest", None), ("published", "table9/9")):
        with pytest.raises(UsageError):
            settings_for(protocol, row)
    assert settings_for("published", None).pairing == "published"


@pytest.mark.parametrize(
    "wrong",
    [
        {"learnin_rate": 1},
        {"loss": "mse"},
        {"epochs": -1},
        {"epochs": 1.5},
        {"learning_rate": float("nan")},
        {"ema_decay": 1.0},
        {"crop": 0.0},
        {"flip": 1},
        {"batch_size": 0},
    ],
    ids=str,
)
def test_a_setting_outside_its_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Settings().changed(wrong)
    assert Settings().changed({"epochs": 1, "loss": "bce"}).loss == "bce"


@pytest.mark.parametrize(
    ("old", "new"),
    [("head_start", "initial_probe"), ("head_end", "final_probe"), ("averaging", "ema_decay"),
     ("interpolate", "wise_ft_alpha")],
)  # fmt: skip
def test_an_old_name_is_answered_with_the_new_one(old: str, new: str) -> None:
    with pytest.raises(UsageError, match=f"{old} is now called {new}"):
        Settings().changed({old: 1})


@pytest.mark.parametrize("name", [each.name for each in fields(Settings)])
def test_no_setting_goes_unchecked(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}: expected"):
        Settings().changed({name: object()})
