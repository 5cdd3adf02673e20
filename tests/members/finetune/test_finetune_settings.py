"""Protocols: what each row of the paper means, and what mending changes."""

from __future__ import annotations

from dataclasses import fields

import pytest

from toolkit.errors import UsageError
from toolkit.members.finetune.settings import (
    Settings,
    answers,
    backbone_of,
    canonical,
    corrected,
    published,
    settings_for,
)
from toolkit.paper import RESULTS, result

MENDED = {
    "momentum",
    "pos_weight",
    "pairing",
    "invert",
    "validation_mode",
    "keep",
    "threshold_scale",
}


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


def test_a_row_is_what_the_paper_prints() -> None:
    how = published(result("table1/7"))
    assert (how.optimiser, how.epochs, how.learning_rate, how.momentum) == ("adam", 30, 0.001, 0.0)
    assert published(result("table1/1")).epochs == 0
    assert published(result("table1/2")).pretrain == "feature-extract"
    assert published(result("table3/8a")).rotate == 25
    assert published(result("table3/8b")).colour > 0
    table2 = published(result("table2/4"))
    assert (table2.learning_rate, table2.threshold) == (0.002, 0.2)
    assert table2.threshold_scale == "logit"
    assert corrected(result("table2/4")).threshold_scale == "probability"
    scratch = published(result("prose/basic-cnn"))
    assert (scratch.optimiser, scratch.weight_decay, scratch.pretrain) == ("adam", 1e-4, "finetune")


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


def test_modern_takes_no_row_and_unknown_names_are_told() -> None:
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
        {"averaging": 1.0},
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
